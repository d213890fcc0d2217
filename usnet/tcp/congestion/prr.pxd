"""Proportional rate reduction (RFC 9937): cwnd in a recovery, or another episode of reduction, by what is delivered.

Counts in bytes, lets whole segments go, as Linux does: the first that a reduction has earned a part of leaves at once, and what it was ahead by counts
against the next ones. Where the controller sets cwnd itself (CC_WINDOW) nothing is done.
"""
from libc.stdint cimport uint32_t

from usnet.tcp.congestion.ops cimport cc_state

cdef struct prr:
    uint32_t delivered          # bytes delivered since it began
    uint32_t out                # bytes sent since
    uint32_t recover_fs         # RecoverFS: bytes that were in flight, of which `delivered` will have been all

cdef void prr_begin(prr *p, uint32_t recover_fs) noexcept nogil
# An ACK that delivers `delivered` bytes, and leaves `pipe` in flight. safe: it moves snd_una and shows nothing new to be lost (SafeACK).
cdef void prr_ack(prr *p, cc_state *cc, uint32_t delivered, uint32_t pipe, bint safe) noexcept nogil
# It is over: cwnd is ssthresh, or less where that would let a burst go, of more than `most` bytes beyond the pipe (0: any).
cdef void prr_end(cc_state *cc, uint32_t pipe, uint32_t most) noexcept nogil
# Behind a timeout: what was sent too lately to be lost, and one segment.
cdef void prr_loss_window(cc_state *cc, uint32_t pipe) noexcept nogil
