"""The rules for one end of a connection. What it knows is in observe_end; what concerns SACK, in observe_sack."""
from libc.stdint cimport int32_t, uint8_t, uint32_t
from libc.string cimport memcmp

from usnet.lab.observe_ecn cimport ecn_check, ecn_learn
from usnet.lab.observe_end cimport unwrapped
from usnet.lab.observe_sack cimport (
    merged, sack_ahead, sack_arrives, sack_check, sack_check_again, sack_check_burst, sack_learn,
)
from usnet.wire.observe cimport ACK, FIN, NOT_OFFERED, RST, SYN, nearer, options_read

from usnet.lab.observe_end import Sent

cdef enum:
    HALF_SECOND = 500_000_000
    OVERRIDE = 100_000_000
    KEPT = 1 << 20              # bytes behind what is acknowledged

cdef object new_tuple = tuple.__new__


cdef object make_sent(int64_t t, int64_t start, int64_t length, bint again, int64_t una, bint forced):
    """A Sent, without the way through Python that a NamedTuple takes."""
    return new_tuple(Sent, (t, start, length, bool(again), una, bool(forced)))


cdef int64_t shift_of(Side e, int flags, const seen_options *o) noexcept:
    """What a window of a segment is multiplied with, as a power of two."""
    if flags & SYN or e.offers.wscale == NOT_OFFERED or e.peer_offers.wscale == NOT_OFFERED:
        return 0
    return o.wscale


cdef int64_t mss_of(const seen_options *o) noexcept:
    return o.mss if o.mss > 0 else 536


cdef bint is_news(End e, Segment seg) noexcept:
    """Of data: whether some of it is new, and in the window."""
    cdef int64_t start = unwrapped(e.rcv_nxt, seg.seq + (seg.flags & SYN != 0), e.irs)
    return start + seg.n > e.rcv_nxt and (e.edge == 0 or start < e.edge)


cdef bint answers_one(Segment rst, list arrived) except -1:
    """Whether a RST is what one of the last instant's arrivals earns (RFC 9293, 3.5.2)."""
    cdef Segment was
    cdef uint32_t after
    for was in arrived:
        after = was.seq + was.n + (was.flags & SYN != 0) + (was.flags & FIN != 0)
        if was.flags & ACK:
            if rst.seq == was.ack:
                return True
        elif rst.flags & ACK and rst.seq == 0 and rst.ack == after:
            return True
    return False


cdef class Side(End):
    """One end of a connection. Offsets of what it sent count from its SYN, of what reached it from the peer's."""

    # --- A segment leaves ---

    cdef int leave(self, int64_t t, Segment seg) except -1:
        cdef int flags = seg.flags
        cdef int64_t start
        cdef seen_options o
        if flags & RST:
            return self.check_reset(t, seg)
        if self.reset_at >= 0 and not flags & SYN:
            return self.wrong("resurrection", t, f"a segment with flags {flags:#x} after the RST of {self.reset_at} ns")
        self.asked_at = t                   # whatever arrived is answered: a RST behind it is the program's
        options_read(seg.raw_options, seg.n_options, &o)
        if flags & SYN:
            syn_leaves(self, t, seg, &o)
        start = unwrapped(self.sent_max, seg.seq, self.iss)
        check_options(self, t, seg, &o)
        if flags & ACK:
            sack_check(self, t, seg, &o)
        ecn_check(self, t, seg, start)
        if seg.n or flags & (SYN | FIN):
            data_leaves(self, t, seg, start)
        elif flags & ACK:
            pure_ack_leaves(self, t, seg, start)
        if flags & ACK:
            check_ack(self, t, seg)
        return 0

    cdef int check_reset(self, int64_t t, Segment seg) except -1:
        cdef int64_t offset = unwrapped(self.sent_max, seg.seq, self.iss)
        cdef bint own = self.iss >= 0 and 0 <= offset <= self.sent_max
        if self.last is not None and self.last_at == t and self.last.flags & RST and self.asked_at != t:
            self.wrong("rst", t, "a RST answers a RST")
        if not own and not answers_one(seg, self.recent):
            self.wrong("rst", t, f"a RST with sequence number {seg.seq}, which is neither its own nor that of an answer")
        if self.iss >= 0 and self.irs < 0:
            return 0  # SYN-SENT: the answer to a segment of another connection, and this one goes on
        return self.crash(t)

    cdef int crash(self, int64_t t) except -1:
        """The end of it: nothing may be said any more but RST, and nothing is owed."""
        self.reset_at = t
        return owes_nothing(self)

    # --- A segment arrives ---

    cdef int arrive(self, int64_t t, Segment seg) except -1:
        cdef int flags = seg.flags
        cdef int64_t acked, window
        cdef seen_options o
        self.check_owed(t)
        self.arrived += 1
        sack_arrives(self, t)
        if self.last_at != t:
            self.recent = []
        self.recent.append(seg)
        self.last_at, self.last = t, seg
        if flags & RST:
            owes_nothing(self)
            self.was_reset = self.irs >= 0 and unwrapped(self.rcv_nxt, seg.seq, self.irs) == self.rcv_nxt
            return 0
        self.asked_at = t
        options_read(seg.raw_options, seg.n_options, &o)
        if flags & SYN and self.irs < 0:
            self.irs, self.peer_offers, self.rcv_nxt = seg.seq, o, 1
            if not flags & ACK:
                self.right = max(self.right, 1 + <int64_t>seg.window)   # for what a server sends before the handshake ends (RFC 7413)
        if self.irs < 0:
            return 0
        if o.timestamps:
            if not passes_paws(self, t, seg, o.tsval):
                return 0
            if self.newest_tsval < 0 or nearer(<uint32_t>(o.tsval - self.newest_tsval)) > 0:
                self.newest_tsval = o.tsval
        if flags & ACK and self.iss >= 0:
            acked = unwrapped(self.una, seg.ack, self.iss)
            if acked < self.una - self.largest_window:
                if self.reset_at < 0 and (seg.n or flags & FIN):
                    self.owed_now, self.owed_why = t, "a segment whose ACK is too old (RFC 5961, 5)"
                return 0
            if acked <= self.sent_max:
                if acked > self.una:
                    self.una, self.acked_at = acked, t
                    if acked == self.sent_max and self.log and not self.log[len(self.log) - 1].again:
                        self.trip = min(self.trip, t - self.log[len(self.log) - 1].t)
                window = <int64_t>seg.window << shift_of(self, flags, &self.peer_offers)
                self.right = max(self.right, acked + window)
                self.largest_window = max(self.largest_window, window)
                sack_learn(self, seg, &o)
        ecn_learn(self, t, seg, seg.n and is_news(self, seg))
        if seg.n or flags & FIN:
            data_arrives(self, t, seg)
        return 0

    # --- ACKs that are owed ---

    cdef int check_owed(self, int64_t t) except -1:
        """Whether an ACK is late. Called before the next thing happens at this end."""
        cdef bint at_once = 0 <= self.owed_now < t, every_second, soon = 0 <= self.owed_since < t - HALF_SECOND
        if self.reset_at >= 0:
            return 0
        sack_check_burst(self, t)
        every_second = t > self.full_at and len(self.owed_full) >= 2
        if not (at_once or every_second or soon) or self.observer.asks(self.host, max(self.owed_now, self.owed_since, self.full_at)):
            return 0                        # nothing is late, or the answer waits for the peer's hardware address
        if at_once:
            self.wrong("delayed_ack", t, f"no ACK at {self.owed_now} ns, when it got {self.owed_why}")
            self.owed_now = -1
        if every_second:
            self.wrong("delayed_ack", t, f"{len(self.owed_full)} full segments arrived by {self.full_at} ns and no ACK was sent")
            self.owed_full = []
        if soon:
            self.wrong("delayed_ack", t, f"data of {self.owed_since} ns is acknowledged {(t - self.owed_since) / 1e6:.1f} ms later")
            self.owed_since = -1
        return 0


cdef int owes_nothing(Side e) except -1:
    e.owed_since = e.owed_now = e.full_at = -1
    if e.owed_full:
        e.owed_full = []
    return 0


# --- What leaves ---

cdef int syn_leaves(Side e, int64_t t, Segment seg, const seen_options *o) except -1:
    if e.iss == seg.seq:
        if (o.mss, o.wscale, o.sack_ok, o.n_sack) != (e.offers.mss, e.offers.wscale, e.offers.sack_ok, e.offers.n_sack):
            e.wrong("same_bytes", t, "the SYN was sent again with other options")
    elif e.iss >= 0:
        e.wrong("sequence", t, "a second SYN with another sequence number")
    e.iss = seg.seq
    e.offers = o[0]
    return 0


cdef int data_leaves(Side e, int64_t t, Segment seg, int64_t start) except -1:
    cdef bint syn = seg.flags & SYN != 0, fin = seg.flags & FIN != 0, again = start < e.sent_max
    cdef int64_t n = seg.n, end = start + syn + n + fin
    if start > e.sent_max:
        e.wrong("sequence", t, f"offset {start} leaves before {e.sent_max}")
    if e.fin_at >= 0 and (end > e.fin_at + 1 or (fin and end != e.fin_at + 1)):
        e.wrong("sequence", t, f"offset {end} is behind the FIN at {e.fin_at}")
    e.largest_sent = max(e.largest_sent, n)
    if n:
        check_bytes(e, t, start + syn, seg.data, n)
        check_window(e, t, start, end - fin, again)
        if not again:
            check_size(e, t, start, n, fin)
    if again and not syn:
        sack_check_again(e, t, seg, start, end)
    e.log.append(make_sent(t, start, end - start, again, e.una, False))
    if e.una <= 1 and n and not again:
        e.first_flight += 1
    if fin:
        e.fin_at = end - 1
    e.sent_max = max(e.sent_max, end)
    return 0


cdef int check_bytes(Side e, int64_t t, int64_t start, const uint8_t *payload, int64_t n) except -1:
    """What was sent before is compared, what is new is kept until it is acknowledged."""
    cdef int64_t known = e.kept_from + len(e.kept)
    cdef int64_t low = max(start, e.kept_from), high = min(start + n, known)
    if low < high and memcmp(<const char *>e.kept + (low - e.kept_from), payload + (low - start), high - low):
        e.wrong("same_bytes", t, f"other bytes at offset {low}..{high - 1} than at first")
    if start <= known < start + n:
        e.kept += payload[known - start:n]
    if e.una - e.kept_from > KEPT:
        del e.kept[:e.una - e.kept_from]
        e.kept_from = e.una
    return 0


cdef int check_window(Side e, int64_t t, int64_t start, int64_t end, bint again) except -1:
    if end > e.right and e.irs >= 0 and not (end - start == 1 and start >= e.right - 1):
        e.wrong("window", t, f"offset {end} is beyond the offered right edge {e.right}{' (sent again)' if again else ''}")
    return 0


cdef int check_size(Side e, int64_t t, int64_t start, int64_t n, bint fin) except -1:
    """Small segments: for Nagle's rule, and for what scenarios ask about silly windows."""
    cdef int64_t whole = mss_of(&e.peer_offers) - (12 if e.both_stamp() else 0)
    cdef bint probe, forced
    if n >= whole:
        return 0
    probe = n == 1 and start >= e.right - 1
    forced = e.una == start and t - max(e.acked_at, e.log[len(e.log) - 1].t if e.log else 0) >= OVERRIDE
    e.small.append(make_sent(t, start, n, probe, e.una, forced))
    # A tail loss probe may be of new data (RFC 8985, 7.3)
    probe |= e.both_sack() and t - max(e.acked_at, e.log[len(e.log) - 1].t if e.log else 0) >= 2 * e.trip
    if e.una < e.sent_max and not fin and not probe and n < e.largest_window // 2 and e.host not in e.observer.nodelay:
        e.wrong("nagle", t, f"{n} bytes leave at offset {start} while {e.sent_max - e.una} are unacknowledged")
    return 0


cdef int check_options(Side e, int64_t t, Segment seg, const seen_options *o) except -1:
    cdef bint stamps = e.both_stamp()
    if seg.flags & SYN:
        if seg.flags & ACK and e.irs >= 0:
            extra = [name for name, is_so in (
                ("window scale", o.wscale != NOT_OFFERED and e.peer_offers.wscale == NOT_OFFERED),
                ("timestamps", o.timestamps and not e.peer_offers.timestamps),
                ("SACK-permitted", o.sack_ok and not e.peer_offers.sack_ok),
            ) if is_so]
            if extra:
                e.wrong("options", t, f"the SYN-ACK has {', '.join(extra)}, the SYN had not")
        return note_timestamps(e, t, o)
    if o.mss != NOT_OFFERED or o.wscale != NOT_OFFERED or o.sack_ok:
        e.wrong("options", t, "an option of the handshake in a segment without SYN")
    if e.irs >= 0 and o.timestamps != stamps:
        e.wrong("options", t, f"timestamps are {'missing' if stamps else 'used, but were not agreed on'}")
    if o.n_sack and not e.peer_offers.sack_ok:
        e.wrong("options", t, "SACK blocks, but the peer did not permit them")
    if <int64_t>seg.n + seg.n_options > mss_of(&e.peer_offers):
        e.wrong("mss", t, f"{seg.n} bytes and {seg.n_options} of options, but the MSS is {mss_of(&e.peer_offers)}")
    return note_timestamps(e, t, o)


cdef int note_timestamps(Side e, int64_t t, const seen_options *o) except -1:
    if not o.timestamps:
        return 0
    if e.last_tsval >= 0 and nearer(<uint32_t>(o.tsval - e.last_tsval)) < 0:
        e.wrong("timestamps", t, f"TSval goes back from {e.last_tsval} to {o.tsval}")
    e.last_tsval = o.tsval
    if o.tsecr and e.newest_tsval >= 0 and nearer(<uint32_t>(o.tsecr - e.newest_tsval)) > 0:
        e.wrong("timestamps", t, f"TSecr {o.tsecr} has not arrived; the newest is {e.newest_tsval}")
    return 0


cdef int64_t edge_of(Side e, Segment seg, int64_t offset) noexcept:
    return offset + (<int64_t>seg.window << shift_of(e, seg.flags, &e.offers))


cdef int pure_ack_leaves(Side e, int64_t t, Segment seg, int64_t start) except -1:
    cdef int64_t offset
    if start > e.sent_max:
        e.wrong("sequence", t, f"an ACK at offset {start}, but only {e.sent_max} was sent")
    if start < e.una:
        return 0                            # a keepalive probe asks, it does not answer
    e.pure_acks += 1
    offset = unwrapped(e.rcv_nxt, seg.ack, e.irs)
    if offset == e.acked and edge_of(e, seg, offset) > e.edge:
        e.updates += 1
    elif e.pure_acks - e.updates > e.arrived:
        e.wrong("ack_volume", t, f"pure ACK number {e.pure_acks}, after {e.arrived} arrivals and {e.updates} window updates")
    return 0


cdef int check_ack(Side e, int64_t t, Segment seg) except -1:
    cdef int64_t offset
    if e.irs < 0:
        return e.wrong("ack", t, "an ACK before anything arrived")
    offset = unwrapped(e.rcv_nxt, seg.ack, e.irs)
    if seg.flags & SYN and offset < e.rcv_nxt:
        e.rcv_nxt = offset                  # the data of the SYN was not taken
    if offset > e.rcv_nxt:
        take_clipped(e, t)
    if offset > e.rcv_nxt:
        e.wrong("ack", t, f"offset {offset} is acknowledged, but only {e.rcv_nxt} arrived in order")
    if offset < e.acked:
        e.wrong("ack", t, f"the ACK goes back from offset {e.acked} to {offset}")
    check_edge(e, t, seg, offset)
    e.acked = max(e.acked, offset)
    if offset >= e.rcv_nxt:
        e.check_owed(t)
        return owes_nothing(e)
    if e.owed_since >= 0 and e.last is not None:    # left when less had arrived: what came behind it is owed yet
        e.owed_since = e.last_at
    e.owed_full = [end for end in e.owed_full if end > offset]
    if e.owed_now == t:
        e.owed_now = -1
    return 0


cdef int check_edge(Side e, int64_t t, Segment seg, int64_t offset) except -1:
    cdef int64_t edge = edge_of(e, seg, offset), slack, grown = edge - e.edge
    if e.peer_fin >= 0:
        return 0
    slack = (<int64_t>1 << shift_of(e, seg.flags, &e.offers)) - 1
    if edge + slack < e.edge:
        e.wrong("right_edge", t, f"the right edge goes back from offset {e.edge} to {edge}")
    e.shrunk += grown < 0
    if e.edge and slack < grown < min(e.full_segment, e.largest_offer // 2):
        e.small_updates += 1
    e.edge = max(e.edge, edge)
    e.largest_offer = max(e.largest_offer, edge - offset)
    return 0


# --- What arrives ---

cdef bint passes_paws(Side e, int64_t t, Segment seg, int64_t tsval) noexcept:
    """RFC 7323, 5.3: a segment older than what was echoed is discarded, and answered unless it is empty."""
    cdef int64_t acked
    cdef int32_t behind
    if e.ts_recent >= 0 and e.both_stamp() and nearer(<uint32_t>(tsval - e.ts_recent)) < 0:
        e.newest_tsval = max(e.newest_tsval, tsval)
        if e.reset_at < 0 and (seg.n or seg.flags & FIN):
            e.owed_now, e.owed_why = t, "a segment that PAWS discards"
        return False
    acked = e.rcv_nxt if e.owed_now == t else e.acked   # by the ACK of what came before it at this instant
    behind = nearer(<uint32_t>(e.irs + acked - seg.seq))
    if e.ts_recent < 0 or 0 <= behind <= <int64_t>seg.n + (seg.flags & FIN != 0):
        e.ts_recent = tsval
    return True


cdef int data_arrives(Side e, int64_t t, Segment seg) except -1:
    cdef bint fin = seg.flags & FIN != 0, orderly
    cdef int64_t start = unwrapped(e.rcv_nxt, seg.seq + (seg.flags & SYN != 0), e.irs)
    cdef int64_t whole = start + seg.n, end = whole, before = e.rcv_nxt
    if e.edge:
        end = min(whole, max(e.edge, e.rcv_nxt))
    if fin and end == whole:
        e.peer_fin = whole
    if end < whole:
        e.clipped = [late for late in e.clipped if late[0] == t]
        e.clipped.append((t, start, whole, fin))
    if seg.n and had_all(e, start, whole):
        e.doubled += 1
    orderly = start <= before < end and not e.ahead
    if end > before and start < end:
        take(e, max(start, before), end)
        if start > e.rcv_nxt:
            sack_ahead(e, start, end)
    if 0 <= e.peer_fin <= e.rcv_nxt:
        e.rcv_nxt = e.peer_fin + 1
    e.full_segment = max(e.full_segment, seg.n)
    if e.reset_at >= 0 or e.iss < 0:
        return 0
    if orderly and not fin and end == whole:
        if e.owed_since < 0:
            e.owed_since = t
        if end - start >= mss_of(&e.offers) - (12 if e.both_stamp() else 0):
            e.owed_full.append(end)
            e.full_at = t
    else:
        e.owed_now = t
        e.owed_why = "a FIN" if fin else "a segment out of order, doubled, or that fills a gap"
    return 0


cdef bint had_all(Side e, int64_t start, int64_t whole) except -1:
    """Whether all of [start, whole) was here before."""
    cdef int64_t a, b
    if not e.ahead:
        return 0 <= start and whole <= e.rcv_nxt
    for a, b in merged([(0, e.rcv_nxt), *e.ahead]):
        if a <= start and whole <= b:
            return True
    return False


cdef int take_clipped(Side e, int64_t t) except -1:
    """What arrived beyond the window at this instant was taken if an earlier ACK of the instant had opened it."""
    cdef int64_t at, start, whole
    for at, start, whole, fin in e.clipped:
        if at == t and start < e.edge:
            take(e, start, min(whole, e.edge))
            if fin and whole <= e.edge:
                e.peer_fin = whole
            if 0 <= e.peer_fin == e.rcv_nxt:
                e.rcv_nxt += 1
    return 0


cdef int take(Side e, int64_t start, int64_t end) except -1:
    """Bytes [start, end) are here: rcv_nxt moves over what is whole."""
    if not e.ahead and start <= e.rcv_nxt:
        e.rcv_nxt = max(e.rcv_nxt, end)
        return 0
    e.ahead = sorted([*e.ahead, (start, end)])
    while e.ahead and e.ahead[0][0] <= e.rcv_nxt:
        e.rcv_nxt = max(e.rcv_nxt, e.ahead.pop(0)[1])
    return 0
