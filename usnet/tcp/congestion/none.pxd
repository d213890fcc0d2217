"""No congestion control: a window that stays as it is."""
from usnet.tcp.congestion.ops cimport cc_ops

cdef cc_ops none_ops
