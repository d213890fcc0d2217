"""The legal transitions of RFC 9293, section 3.3.2 (figure 5 and the errata on aborts), as data.

`LEGAL` is asserted at every change, tested, and drawn in docs/architecture.md. Every state may go to CLOSED: a reset, an abort or a timeout.
"""
from libc.stdint cimport uint8_t, uint16_t

from usnet.tcp.state cimport tcp_state
from usnet.tcp.tcb cimport TCPS_CLOSE_WAIT, TCPS_CLOSED, TCPS_ESTABLISHED, tcb

NAMES = ("CLOSED", "LISTEN", "SYN_SENT", "SYN_RECEIVED", "ESTABLISHED", "FIN_WAIT_1", "FIN_WAIT_2", "CLOSE_WAIT", "CLOSING",
         "LAST_ACK", "TIME_WAIT")

# from state -> states it may go to (besides CLOSED)
LEGAL = {
    "CLOSED": ("LISTEN", "SYN_SENT", "SYN_RECEIVED"),
    "LISTEN": ("SYN_SENT",),
    "SYN_SENT": ("SYN_RECEIVED", "ESTABLISHED"),
    "SYN_RECEIVED": ("ESTABLISHED",),
    "ESTABLISHED": ("FIN_WAIT_1", "CLOSE_WAIT"),
    "FIN_WAIT_1": ("FIN_WAIT_2", "CLOSING", "TIME_WAIT"),
    "FIN_WAIT_2": ("TIME_WAIT",),
    "CLOSE_WAIT": ("LAST_ACK",),
    "CLOSING": ("TIME_WAIT",),
    "LAST_ACK": (),
    "TIME_WAIT": (),
}

cdef uint16_t legal[11]         # [from]: bit `to` is set
cdef unsigned long long illegal_count = 0

for _i, _name in enumerate(NAMES):
    legal[_i] = 1 << TCPS_CLOSED
    for _to in LEGAL[_name]:
        legal[_i] |= 1 << NAMES.index(_to)


def illegal_transitions():
    """How often this process made a transition that LEGAL forbids: 0 unless there is a bug."""
    return illegal_count


cdef void tcp_set_state(tcp_state *t, tcb *k, uint8_t state) noexcept nogil:
    global illegal_count
    cdef bint was_up = k.state == TCPS_ESTABLISHED or k.state == TCPS_CLOSE_WAIT
    cdef bint is_up = state == TCPS_ESTABLISHED or state == TCPS_CLOSE_WAIT
    if not (legal[k.state] >> state) & 1:
        illegal_count += 1
    if is_up and not was_up:
        t.counters.established += 1
    elif was_up and not is_up:
        t.counters.established -= 1
    k.state = state
