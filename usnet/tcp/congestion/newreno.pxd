"""NewReno's window (RFC 5681, RFC 6582), with appropriate byte counting (RFC 3465) and IW10 (RFC 6928)."""
from usnet.tcp.congestion.ops cimport cc_ops

cdef cc_ops newreno_ops
