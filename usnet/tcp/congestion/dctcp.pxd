"""DCTCP (RFC 8257)."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from usnet.tcp.congestion.ops cimport cc_ops

cdef cc_ops dctcp_ops

cdef enum:
    ALPHA_ONE = 1 << 20         # the fraction 1

# In cc_state.priv; the first word is NewReno's.
cdef struct dctcp:
    uint64_t behind_timeout
    uint32_t alpha              # DCTCP.Alpha, in ALPHA_ONE-ths
    uint32_t end                # DCTCP.WindowEnd
    uint32_t acked              # DCTCP.BytesAcked
    uint32_t marked             # DCTCP.BytesMarked
    uint32_t cwr_end            # acknowledging it ends the window in which cwnd was reduced
    uint8_t began
    uint8_t cwr                 # 1: cwr_end means something
