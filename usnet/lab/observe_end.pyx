"""One end of a connection, as far as it is seen: observe_end.pxd."""
from libc.stdint cimport INT64_MAX

from typing import NamedTuple

from usnet.wire.observe cimport NOT_OFFERED

from usnet.wire.observe import Options


class Sent(NamedTuple):
    """A segment that carries data, SYN or FIN: offsets count from the SYN, which is 0."""

    t: int
    start: int
    length: int
    again: bool
    una: int
    forced: bool = False  # after the override timeout of RFC 9293, 3.8.6.2.1


cdef object options_of(const seen_options *o):
    return Options(
        None if o.mss == NOT_OFFERED else o.mss, None if o.wscale == NOT_OFFERED else o.wscale, bool(o.sack_ok),
        (o.tsval, o.tsecr) if o.timestamps else None,
    )


cdef class End:
    def __init__(self, observer, str host, str name):
        self.observer, self.host, self.name = observer, host, name
        self.kept = bytearray()
        self.recent = []
        self.kept_from = 1
        self.log, self.small, self.ahead, self.clipped, self.owed_full, self.unsaid, self.told = [], [], [], [], [], [], []
        self.iss = self.fin_at = self.last_tsval = self.reset_at = self.irs = self.peer_fin = self.last_at = self.asked_at = -1
        self.newest_tsval = self.ts_recent = self.owed_since = self.full_at = self.owed_now = self.burst_at = self.head_at = -1
        self.syn_sent = self.syn_heard = self.marked_at = self.cleared_at = -1
        self.full_segment = 536
        self.trip = INT64_MAX // 4
        self.owed_why = ""
        self.offers.mss = self.offers.wscale = self.peer_offers.mss = self.peer_offers.wscale = NOT_OFFERED

    cdef int wrong(self, str rule, int64_t t, str text) except -1:
        self.observer.tell(rule, t, f"{self.name}: {text}")
        return 0

    cdef bint marks_exactly(self) except -1:
        """Whether its controller wants to know of each mark, and then echoes them as RFC 8257 has it."""
        return self.host in self.observer.exact

    @property
    def offered(self):
        """Options of its SYN."""
        return options_of(&self.offers)

    @property
    def seen(self):
        """Options of the peer's SYN that reached it."""
        return options_of(&self.peer_offers)

    cdef bint both_stamp(self) noexcept:
        return self.offers.timestamps and self.peer_offers.timestamps

    cdef bint both_sack(self) noexcept:
        return self.offers.sack_ok and self.peer_offers.sack_ok

    def uses_timestamps(self):
        """Whether both ends offered them."""
        return bool(self.both_stamp())

    def uses_sack(self):
        """Whether both ends permitted it."""
        return bool(self.both_sack())
