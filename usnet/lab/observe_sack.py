"""SACK as a passive observer sees it at one end: what it reports, and what it sends although it was reported to it.

Offsets are those of observe_side: of what an end sent they count from its SYN, of what reached it from the peer's.
"""

from typing import Any

from usnet.wire.observe import ACK, FIN, SYN, Options, Segment, signed


class Sack:
    """Kept by a Side; `side` is that one."""

    def __init__(self, side: Any):
        self.side = side
        self.unsaid: list[tuple[int, int]] = []  # what arrived ahead, and is to be reported by an ACK at that time
        self.at = -1  # that time
        self.arrivals = 0  # of all segments at it
        self.answered = False  # an ACK left at it
        self.told: list[tuple[int, int]] = []  # what the peer reported of our stream, sorted, disjoint
        self.head_at = -1
        self.head_again = 0  # how often the segment at snd_una was sent again

    def agreed(self) -> bool:
        return bool(self.side.offered.sack_ok and self.side.seen.sack_ok)

    # --- What this end reports ---

    def arrives(self, t: int) -> None:
        """Any segment of the peer's."""
        if self.at != t:
            self.at, self.arrivals, self.unsaid, self.answered = t, 0, [], False
        self.arrivals += 1

    def arrived_ahead(self, start: int, end: int) -> None:
        """What has just arrived is ahead of what is in order."""
        self.unsaid.append((start, end))

    def check_blocks(self, t: int, seg: Segment, options: Options) -> None:
        side = self.side
        if side.irs < 0 or not self.agreed() or seg.flags & SYN:
            return
        blocks = [tuple(side.rcv_nxt + signed(n - side.irs - side.rcv_nxt) for n in block) for block in options.sack]
        acked = side.rcv_nxt + signed(seg.ack - side.irs - side.rcv_nxt)
        held = merged([*side.ahead, (0, side.rcv_nxt)])  # of a burst more may be here than was when this ACK was made
        for left, right in blocks:
            if not acked < left < right:
                side.wrong("sack", t, f"block {left}..{right} with ACK {acked}")
            elif not any(a <= left and right <= b + (b == side.peer_fin) for a, b in held):
                side.wrong("sack", t, f"block {left}..{right} reports more than arrived")
        if len(set(blocks)) != len(blocks):
            side.wrong("sack", t, "a block twice")
        self.check_first(t, seg, blocks, acked)

    def check_first(self, t: int, seg: Segment, blocks: list[Any], acked: int) -> None:
        """RFC 2018, section 4, of the ACKs that leave when something arrived out of order. Of a burst each ACK answers
        what came before it, so that only the last one must have told all."""
        if self.at != t or acked < self.side.acked:
            return
        pending = [(a, b) for a, b in self.unsaid if b > acked]
        self.unsaid = [(a, b) for a, b in pending if not any(left <= a and b <= right for left, right in blocks)]
        self.answered = True
        if self.arrivals > 1 or seg.payload or not pending:
            return
        (a, b), *_ = pending
        self.unsaid = []
        if not blocks and self.side.ahead:
            self.side.wrong("sack", t, f"an ACK without blocks, when {a}..{b} had arrived")
        elif blocks and not blocks[0][0] <= a < b <= blocks[0][1]:
            self.side.wrong("sack", t, f"the first block is {blocks[0][0]}..{blocks[0][1]}, without what had just arrived: {a}..{b}")

    def check_burst(self, t: int) -> None:
        """Whether all that arrived ahead in a burst has been told. Called before the next thing happens at this end."""
        if self.at < t and self.answered and self.arrivals > 1 and self.unsaid:
            a, b = self.unsaid[0]
            self.side.wrong("sack", self.at, f"no ACK with {a}..{b}, which arrived then")
        if self.at < t:
            self.unsaid = []

    # --- What was reported to it ---

    def learn(self, seg: Segment, options: Options) -> None:
        """An ACK arrived. One from before the window says nothing: its numbers are not acceptable (RFC 9293, 3.10.7.4)."""
        side = self.side
        start, n = side.rcv_nxt + signed(seg.seq - side.irs - side.rcv_nxt), len(seg.payload)
        if not self.agreed() or (start + n <= side.rcv_nxt if n else start < side.rcv_nxt):
            return
        reneged = any(a <= side.una < b for a, b in self.told)  # acknowledged up to there, and no further
        self.told = [] if reneged else [(a, b) for a, b in self.told if a > side.una]
        for block in options.sack:
            left, right = (side.una + signed(n - side.iss - side.una) for n in block)
            if side.una < left < right <= side.sent_max:
                self.told = merged([*self.told, (left, right)])

    def check_again(self, t: int, seg: Segment, start: int, end: int) -> None:
        """A segment leaves, part of which was sent before."""
        side = self.side
        if start == side.una:
            self.head_again = self.head_again + 1 if self.head_at == start else 1
            self.head_at = start
            if self.head_again >= 2:
                self.told = []              # two timeouts in a row, or one behind a recovery: reports count no more (RFC 2018, section 8)
        if len(seg.payload) == 1 and not seg.flags & FIN:
            return                          # a window probe
        twice = [(a, b) for a, b in self.told if start < b and a < end]
        if twice and seg.flags & ACK:
            side.wrong("sack_resend", t, f"offsets {start}..{end} are sent again, of which the peer has {twice}")


def merged(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same as disjoint ranges that do not touch."""
    out: list[tuple[int, int]] = []
    for left, right in sorted(ranges):
        if out and left <= out[-1][1]:
            out[-1] = (out[-1][0], max(right, out[-1][1]))
        else:
            out.append((left, right))
    return out
