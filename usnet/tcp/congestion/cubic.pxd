"""CUBIC (RFC 9438)."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from usnet.tcp.congestion.ops cimport cc_ops, cc_state

cdef cc_ops cubic_ops

# In cc_state.priv. Windows are bytes; TICKs are 2^-20 s. cc_state.epoch is epoch_start, cc_state.acked what is on the way to the next segment.
cdef struct cubic:
    uint32_t w_max              # W_max: where the window was, or is believed to have been, when the path was full; 0: not known
    uint32_t k                  # K: TICKs from the epoch's beginning until W_max
    uint32_t w_est              # W_est: what Reno would have
    uint32_t cwnd_prior         # cwnd at the last reduction
    uint32_t est_acked          # bytes on the way to W_est's next segment
    uint32_t fresh              # bytes acknowledged since the curve was last looked at
    uint32_t need               # bytes that make it worth a look
    uint8_t timed_out           # 1: since the last epoch (4.8): slow start, and then a curve that begins here
    int64_t until               # ns: the curve has risen by then
    # What an undo brings back (4.9)
    int64_t undo_epoch
    uint32_t undo_w_max
    uint32_t undo_k
    uint32_t undo_w_est
    uint32_t undo_cwnd_prior


cdef inline uint32_t cube_root(uint64_t x) noexcept nogil:
    """The largest integer whose cube is not above x, digit by digit."""
    cdef uint64_t root = 0, step
    cdef int shift = 63
    while shift >= 0:
        root *= 2
        step = 3 * root * (root + 1) + 1    # (root + 1)^3 - root^3
        if (x >> shift) >= step:
            x -= step << shift
            root += 1
        shift -= 3
    return <uint32_t>root
