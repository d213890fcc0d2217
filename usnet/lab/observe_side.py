"""One end of a connection as a passive observer sees it: what left the host, what reached it, which rules that broke.

Offsets of what an end sent count from its SYN, which is 0; those of what reached it from the peer's.
"""

from typing import Any, NamedTuple

from usnet.lab.observe_sack import Sack, merged
from usnet.wire.observe import ACK, FIN, RST, SYN, Options, Segment, parse_options, signed

HALF_SECOND = 500_000_000
OVERRIDE = 100_000_000


class Sent(NamedTuple):
    """A segment that carries data, SYN or FIN: offsets count from the SYN, which is 0."""

    t: int
    start: int
    length: int
    again: bool
    una: int
    forced: bool = False  # after the override timeout of RFC 9293, 3.8.6.2.1


class Side:
    """One end of a connection. Offsets of what it sent count from its SYN, of what reached it from the peer's."""

    def __init__(self, observer: Any, host: str, name: str):
        self.observer, self.host, self.name = observer, host, name
        self.peer: Side | None = None
        # What it sent
        self.iss = -1
        self.sent_max = 0
        self.fin_at = -1
        self.kept = bytearray()  # of its stream, from offset kept_from on
        self.kept_from = 1
        self.offered = Options()
        self.log: list[Sent] = []
        self.small: list[Sent] = []
        self.first_flight = 0
        self.largest_sent = 0
        self.last_tsval = -1
        self.reset_at = -1
        # What it was told of it
        self.una = 0
        self.acked_at = 0
        self.right = 0
        self.largest_window = 0
        self.pure_acks = 0
        self.updates = 0
        self.small_updates = 0
        self.shrunk = 0  # times that its right edge went back, by less than the unit of its scale
        # What reached it
        self.irs = -1
        self.rcv_nxt = 0
        self.ahead: list[tuple[int, int]] = []
        self.peer_fin = -1
        self.seen = Options()
        self.arrived = 0
        self.doubled = 0  # data segments of which all had arrived before
        self.last_arrival: tuple[int, Segment] | None = None
        self.was_reset = False  # by a RST with the number that counts (RFC 5961)
        self.clipped: list[tuple[int, int, int, bool]] = []  # data that went beyond the window: when, from, to, with FIN
        self.asked_at = -1  # when something other than a RST reached it, or left it
        self.newest_tsval = -1
        self.ts_recent = -1
        self.full_segment = 536
        self.orderly_at = -1  # when data arrived in order
        # What it answered
        self.acked = 0
        self.edge = 0
        self.promised = 0
        self.largest_offer = 0
        self.sack = Sack(self)
        # ACKs that it owes
        self.owed_since = -1
        self.owed_full: list[int] = []  # ends of full segments that are not acknowledged
        self.full_at = -1
        self.owed_now = -1
        self.owed_why = ""

    def wrong(self, rule: str, t: int, text: str) -> None:
        self.observer.tell(rule, t, f"{self.name}: {text}")

    # --- A segment leaves ---

    def leaves(self, t: int, seg: Segment) -> None:
        flags = seg.flags
        if flags & RST:
            self.check_rst(t, seg)
            return
        if self.reset_at >= 0 and not flags & SYN:
            self.wrong("resurrection", t, f"a segment with flags {flags:#x} after the RST of {self.reset_at} ns")
            return
        self.asked_at = t                   # whatever arrived is answered: a RST behind it is the program's
        options = parse_options(seg.options)
        if flags & SYN:
            self.syn_leaves(t, seg, options)
        start = self.sent_max + signed(seg.seq - self.iss - self.sent_max)
        self.check_options(t, seg, options)
        if flags & ACK:
            self.sack.check_blocks(t, seg, options)
        if seg.payload or flags & (SYN | FIN):
            self.data_leaves(t, seg, start)
        elif flags & ACK:
            self.pure_ack_leaves(t, seg, start)
        if flags & ACK:
            self.check_ack(t, seg)

    def syn_leaves(self, t: int, seg: Segment, options: Options) -> None:
        if self.iss == seg.seq:
            if options._replace(timestamps=None) != self.offered._replace(timestamps=None):
                self.wrong("same_bytes", t, "the SYN was sent again with other options")
        elif self.iss >= 0:
            self.wrong("sequence", t, "a second SYN with another sequence number")
        self.iss = seg.seq
        self.offered = options

    def data_leaves(self, t: int, seg: Segment, start: int) -> None:
        syn, fin, n = bool(seg.flags & SYN), bool(seg.flags & FIN), len(seg.payload)
        end = start + syn + n + fin
        again = start < self.sent_max
        if start > self.sent_max:
            self.wrong("sequence", t, f"offset {start} leaves before {self.sent_max}")
        if self.fin_at >= 0 and (end > self.fin_at + 1 or (fin and end != self.fin_at + 1)):
            self.wrong("sequence", t, f"offset {end} is behind the FIN at {self.fin_at}")
        self.largest_sent = max(self.largest_sent, n)
        if n:
            self.check_bytes(t, start + syn, seg.payload)
            self.check_window(t, start, end - fin, again)
            if not again:
                self.check_size(t, start, n, fin)
        if again and not syn:
            self.sack.check_again(t, seg, start, end)
        entry = Sent(t, start, end - start, again, self.una)
        self.log.append(entry)
        if self.una <= 1 and n and not again:
            self.first_flight += 1
        if fin:
            self.fin_at = end - 1
        self.sent_max = max(self.sent_max, end)

    def check_bytes(self, t: int, start: int, payload: bytes) -> None:
        """What was sent before is compared, what is new is kept until it is acknowledged."""
        known = self.kept_from + len(self.kept)
        low, high = max(start, self.kept_from), min(start + len(payload), known)
        if (
            low < high
            and self.kept[low - self.kept_from : high - self.kept_from] != payload[low - start : high - start]
        ):
            self.wrong("same_bytes", t, f"other bytes at offset {low}..{high - 1} than at first")
        if start <= known < start + len(payload):
            self.kept += payload[known - start :]
        if self.una - self.kept_from > 1 << 20:
            del self.kept[: self.una - self.kept_from]
            self.kept_from = self.una

    def check_window(self, t: int, start: int, end: int, again: bool) -> None:
        if end > self.right and self.irs >= 0 and not (end - start == 1 and start >= self.right - 1):
            self.wrong(
                "window",
                t,
                f"offset {end} is beyond the offered right edge {self.right}{' (sent again)' if again else ''}",
            )

    def check_size(self, t: int, start: int, n: int, fin: bool) -> None:
        """Small segments: for Nagle's rule, and for what scenarios ask about silly windows."""
        whole = self.mss()
        if n >= whole:
            return
        probe = n == 1 and start >= self.right - 1
        forced = self.una == start and t - max(self.acked_at, self.log[-1].t if self.log else 0) >= OVERRIDE
        self.small.append(Sent(t, start, n, probe, self.una, forced))
        unacknowledged = self.una < self.sent_max
        if (
            unacknowledged
            and not fin
            and not probe
            and n < self.largest_window // 2
            and self.host not in self.observer.nodelay
        ):
            self.wrong(
                "nagle", t, f"{n} bytes leave at offset {start} while {self.sent_max - self.una} are unacknowledged"
            )

    def mss(self) -> int:
        """Payload of a full segment."""
        return (self.seen.mss or 536) - (12 if self.uses_timestamps() else 0)

    def uses_timestamps(self) -> bool:
        return self.offered.timestamps is not None and self.seen.timestamps is not None

    def check_options(self, t: int, seg: Segment, options: Options) -> None:
        if seg.flags & SYN:
            if seg.flags & ACK and self.irs >= 0:
                extra = [
                    name
                    for name, ours, theirs in (
                        ("window scale", options.wscale, self.seen.wscale),
                        ("timestamps", options.timestamps, self.seen.timestamps),
                    )
                    if ours is not None and theirs is None
                ]
                if options.sack_ok and not self.seen.sack_ok:
                    extra.append("SACK-permitted")
                if extra:
                    self.wrong("options", t, f"the SYN-ACK has {', '.join(extra)}, the SYN had not")
            self.note_timestamps(t, options)
            return
        if options.mss is not None or options.wscale is not None or options.sack_ok:
            self.wrong("options", t, "an option of the handshake in a segment without SYN")
        if self.irs >= 0 and (options.timestamps is not None) != self.uses_timestamps():
            self.wrong(
                "options",
                t,
                f"timestamps are {'missing' if self.uses_timestamps() else 'used, but were not agreed on'}",
            )
        if options.sack and not self.seen.sack_ok:
            self.wrong("options", t, "SACK blocks, but the peer did not permit them")
        if len(seg.payload) + len(seg.options) > (self.seen.mss or 536):
            self.wrong(
                "mss",
                t,
                f"{len(seg.payload)} bytes and {len(seg.options)} of options, but the MSS is {self.seen.mss or 536}",
            )
        self.note_timestamps(t, options)

    def note_timestamps(self, t: int, options: Options) -> None:
        if options.timestamps is None:
            return
        value, echo = options.timestamps
        if self.last_tsval >= 0 and signed(value - self.last_tsval) < 0:
            self.wrong("timestamps", t, f"TSval goes back from {self.last_tsval} to {value}")
        self.last_tsval = value
        if echo and self.newest_tsval >= 0 and signed(echo - self.newest_tsval) > 0:
            self.wrong("timestamps", t, f"TSecr {echo} has not arrived; the newest is {self.newest_tsval}")

    def pure_ack_leaves(self, t: int, seg: Segment, start: int) -> None:
        if start > self.sent_max:
            self.wrong("sequence", t, f"an ACK at offset {start}, but only {self.sent_max} was sent")
        if start < self.una:
            return  # a keepalive probe asks, it does not answer
        self.pure_acks += 1
        offset = self.rcv_nxt + signed(seg.ack - self.irs - self.rcv_nxt)
        if offset == self.acked and self.edge_of(seg, offset) > self.edge:
            self.updates += 1
        elif self.pure_acks - self.updates > self.arrived:
            self.wrong(
                "ack_volume",
                t,
                f"pure ACK number {self.pure_acks}, after {self.arrived} arrivals and {self.updates} window updates",
            )

    def edge_of(self, seg: Segment, offset: int) -> int:
        return offset + (seg.window << self.shift(seg.flags, self.offered.wscale))

    def shift(self, flags: int, wscale: int | None) -> int:
        both = self.offered.wscale is not None and self.seen.wscale is not None
        return wscale or 0 if both and not flags & SYN else 0

    def check_ack(self, t: int, seg: Segment) -> None:
        if self.irs < 0:
            self.wrong("ack", t, "an ACK before anything arrived")
            return
        offset = self.rcv_nxt + signed(seg.ack - self.irs - self.rcv_nxt)
        if offset > self.rcv_nxt:
            self.take_clipped(t)
        if offset > self.rcv_nxt:
            self.wrong("ack", t, f"offset {offset} is acknowledged, but only {self.rcv_nxt} arrived in order")
        if offset < self.acked:
            self.wrong("ack", t, f"the ACK goes back from offset {self.acked} to {offset}")
        self.check_edge(t, seg, offset)
        self.acked = max(self.acked, offset)
        if offset >= self.rcv_nxt:
            self.check_owed(t)
            self.owed_since = self.owed_now = self.full_at = -1
            self.owed_full = []
        else:                               # left when less had arrived: what came behind it is owed yet
            if self.owed_since >= 0 and self.last_arrival is not None:
                self.owed_since = self.last_arrival[0]
            self.owed_full = [end for end in self.owed_full if end > offset]
            if self.owed_now == t:
                self.owed_now = -1

    def check_edge(self, t: int, seg: Segment, offset: int) -> None:
        edge = self.edge_of(seg, offset)
        slack = (1 << self.shift(seg.flags, self.offered.wscale)) - 1
        if self.peer_fin >= 0:
            return
        if edge + slack < self.edge:
            self.wrong("right_edge", t, f"the right edge goes back from offset {self.edge} to {edge}")
        grown = edge - self.edge
        self.shrunk += grown < 0
        if self.edge and slack < grown < min(self.full_segment, self.largest_offer // 2):
            self.small_updates += 1
        self.edge = max(self.edge, edge)
        self.largest_offer = max(self.largest_offer, edge - offset)

    def check_rst(self, t: int, seg: Segment) -> None:
        last = self.last_arrival
        if last is not None and last[0] == t and last[1].flags & RST and self.asked_at != t:
            self.wrong("rst", t, "a RST answers a RST")
        own = (
            0 <= self.sent_max + signed(seg.seq - self.iss - self.sent_max) <= self.sent_max if self.iss >= 0 else False
        )
        answers = False
        if last is not None:
            was = last[1]
            after = (was.seq + len(was.payload) + bool(was.flags & SYN) + bool(was.flags & FIN)) & 0xFFFFFFFF
            answers = (
                seg.seq == was.ack if was.flags & ACK else bool(seg.flags & ACK and seg.seq == 0 and seg.ack == after)
            )
        if not own and not answers:
            self.wrong(
                "rst", t, f"a RST with sequence number {seg.seq}, which is neither its own nor that of an answer"
            )
        if self.iss >= 0 and self.irs < 0:
            return  # SYN-SENT: the answer to a segment of another connection, and this one goes on
        self.crashed(t)

    def crashed(self, t: int) -> None:
        """The end of it: nothing may be said any more but RST, and nothing is owed."""
        self.reset_at = t
        self.owed_since = self.owed_now = self.full_at = -1
        self.owed_full = []

    # --- A segment arrives ---

    def arrives(self, t: int, seg: Segment) -> None:
        self.check_owed(t)
        self.arrived += 1
        self.sack.arrives(t)
        self.last_arrival = (t, seg)
        flags = seg.flags
        if flags & RST:
            self.owed_since = self.owed_now = self.full_at = -1
            self.owed_full = []
            self.was_reset = self.irs >= 0 and not signed(seg.seq - self.irs - self.rcv_nxt)
            return
        self.asked_at = t
        options = parse_options(seg.options)
        if flags & SYN:
            self.syn_arrives(seg, options)
        if self.irs < 0:
            return
        if options.timestamps is not None:
            if not self.passes_paws(t, seg, options.timestamps[0]):
                return
            self.newest_tsval = (
                max(self.newest_tsval, options.timestamps[0], key=lambda v: signed(v - self.newest_tsval))
                if self.newest_tsval >= 0
                else options.timestamps[0]
            )
        if flags & ACK and self.iss >= 0:
            acked = self.una + signed(seg.ack - self.iss - self.una)
            if acked < self.una - self.largest_window:
                if self.reset_at < 0 and (seg.payload or flags & FIN):
                    self.owed_now, self.owed_why = t, "a segment whose ACK is too old (RFC 5961, 5)"
                return
            if acked <= self.sent_max:
                if acked > self.una:
                    self.una, self.acked_at = acked, t
                window = seg.window << self.shift(flags, self.seen.wscale)
                self.right = max(self.right, acked + window)
                self.largest_window = max(self.largest_window, window)
                self.sack.learn(seg, options)
        if seg.payload or flags & FIN:
            self.data_arrives(t, seg)

    def passes_paws(self, t: int, seg: Segment, tsval: int) -> bool:
        """RFC 7323, 5.3: a segment older than what was echoed is discarded, and answered unless it is empty."""
        if self.ts_recent >= 0 and self.uses_timestamps() and signed(tsval - self.ts_recent) < 0:
            self.newest_tsval = max(self.newest_tsval, tsval)
            if self.reset_at < 0 and (seg.payload or seg.flags & FIN):
                self.owed_now, self.owed_why = t, "a segment that PAWS discards"
            return False
        acked = self.rcv_nxt if self.owed_now == t else self.acked  # by the ACK of what came before it at this instant
        behind = signed(self.irs + acked - seg.seq)
        if self.ts_recent < 0 or 0 <= behind <= len(seg.payload) + bool(seg.flags & FIN):
            self.ts_recent = tsval
        return True

    def syn_arrives(self, seg: Segment, options: Options) -> None:
        if self.irs == seg.seq:
            return
        if self.irs < 0:
            self.irs = seg.seq
            self.seen = options
            self.rcv_nxt = 1

    def data_arrives(self, t: int, seg: Segment) -> None:
        start = self.rcv_nxt + signed(seg.seq + bool(seg.flags & SYN) - self.irs - self.rcv_nxt)
        whole = start + len(seg.payload)
        end = min(whole, max(self.edge, self.rcv_nxt)) if self.edge else whole
        if seg.flags & FIN and end == whole:
            self.peer_fin = whole
        if end < whole:
            self.clipped = [late for late in self.clipped if late[0] == t]
            self.clipped.append((t, start, whole, bool(seg.flags & FIN)))
        before = self.rcv_nxt
        if seg.payload and any(a <= start and whole <= b for a, b in merged([(0, before), *self.ahead])):
            self.doubled += 1
        orderly = start <= before < end and not self.ahead
        if end > before and start < end:
            self.take(max(start, before), end)
            if start > self.rcv_nxt:
                self.sack.arrived_ahead(start, end)
        if 0 <= self.peer_fin <= self.rcv_nxt:
            self.rcv_nxt = self.peer_fin + 1
        self.full_segment = max(self.full_segment, len(seg.payload))
        if self.reset_at >= 0 or self.iss < 0:
            return
        if orderly and not seg.flags & FIN and end == whole:
            self.orderly_at = t
            if self.owed_since < 0:
                self.owed_since = t
            if end - start >= self.peer_mss():
                self.owed_full.append(end)
                self.full_at = t
        else:
            self.owed_now = t
            self.owed_why = "a FIN" if seg.flags & FIN else "a segment out of order, doubled, or that fills a gap"

    def take_clipped(self, t: int) -> None:
        """What arrived beyond the window at this instant was taken if an earlier ACK of the instant had opened it."""
        for at, start, whole, fin in self.clipped:
            if at == t and start < self.edge:
                self.take(start, min(whole, self.edge))
                if fin and whole <= self.edge:
                    self.peer_fin = whole
                if 0 <= self.peer_fin == self.rcv_nxt:
                    self.rcv_nxt += 1

    def peer_mss(self) -> int:
        return (self.offered.mss or 536) - (12 if self.uses_timestamps() else 0)

    def take(self, start: int, end: int) -> None:
        """Bytes [start, end) are here: rcv_nxt moves over what is whole."""
        self.ahead = sorted([*self.ahead, (start, end)])
        while self.ahead and self.ahead[0][0] <= self.rcv_nxt:
            self.rcv_nxt = max(self.rcv_nxt, self.ahead.pop(0)[1])

    def check_owed(self, t: int) -> None:
        """Whether an ACK is late. Called before the next thing happens at this end."""
        if self.reset_at >= 0:
            return
        self.sack.check_burst(t)
        since = max(self.owed_now, self.owed_since, self.full_at)
        if since >= 0 and self.observer.asks(self.host, since):
            return                          # the answer waits for the peer's hardware address
        if 0 <= self.owed_now < t:
            self.wrong("delayed_ack", t, f"no ACK at {self.owed_now} ns, when it got {self.owed_why}")
            self.owed_now = -1
        if len(self.owed_full) >= 2 and t > self.full_at:
            self.wrong(
                "delayed_ack", t, f"{len(self.owed_full)} full segments arrived by {self.full_at} ns and no ACK was sent"
            )
            self.owed_full = []
        if 0 <= self.owed_since < t - HALF_SECOND:
            self.wrong(
                "delayed_ack",
                t,
                f"data of {self.owed_since} ns is acknowledged {(t - self.owed_since) / 1e6:.1f} ms later",
            )
            self.owed_since = -1
