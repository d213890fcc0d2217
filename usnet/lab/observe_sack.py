"""SACK as a passive observer sees it at one end: what it reports, and what it sends although it was reported to it.

Offsets are those of observe_side: of what an end sent they count from its SYN, of what reached it from the peer's.
"""

from typing import Any

from usnet.wire.observe import ACK, FIN, SYN, Options, Segment, signed


class Sack:
    """Kept by a Side; `side` is that one."""

    def __init__(self, side: Any):
        self.side = side
        self.unsaid: list[tuple[int, int]] = []  # what arrived ahead, and is to be reported first by an ACK at that time
        self.unsaid_at = -1
        self.told: list[tuple[int, int]] = []  # what the peer reported of our stream, sorted, disjoint
        self.head_at = -1
        self.head_again = 0  # how often the segment at snd_una was sent again

    def agreed(self) -> bool:
        return bool(self.side.offered.sack_ok and self.side.seen.sack_ok)

    # --- What this end reports ---

    def arrived_ahead(self, t: int, start: int, end: int) -> None:
        if self.unsaid_at != t:
            self.unsaid, self.unsaid_at = [], t
        self.unsaid.append((start, end))

    def check_blocks(self, t: int, seg: Segment, options: Options) -> None:
        side = self.side
        if side.irs < 0 or not self.agreed() or seg.flags & SYN:
            return
        blocks = [tuple(side.rcv_nxt + signed(n - side.irs - side.rcv_nxt) for n in block) for block in options.sack]
        acked = side.rcv_nxt + signed(seg.ack - side.irs - side.rcv_nxt)
        held = merged([(0, side.rcv_nxt), *side.ahead])     # what arrived at this instant may fill the gap only behind this ACK
        for left, right in blocks:
            if not acked < left < right:
                side.wrong("sack", t, f"block {left}..{right} with ACK {acked}")
            elif not any(a <= left and right <= b + (b == side.peer_fin) for a, b in held):
                side.wrong("sack", t, f"block {left}..{right} reports more than arrived")
        if len(set(blocks)) != len(blocks):
            side.wrong("sack", t, "a block twice")
        self.check_first(t, seg, blocks, acked)

    def check_first(self, t: int, seg: Segment, blocks: list[Any], acked: int) -> None:
        """RFC 2018, section 4, of the ACKs that leave when something arrived out of order."""
        pending = [(a, b) for a, b in self.unsaid if b > acked] if self.unsaid_at == t else []
        if not pending or seg.payload or acked < self.side.acked:
            return
        if not blocks:
            if self.side.ahead and self.side.orderly_at != t:       # else it may answer what came before that
                self.side.wrong("sack", t, f"an ACK without blocks, when {pending[0][0]}..{pending[0][1]} had arrived")
            return
        left, right = blocks[0]
        if not any(left <= a and b <= right for a, b in pending):
            self.side.wrong("sack", t, f"the first block is {left}..{right}, without what had just arrived: {pending}")
        self.unsaid = [(a, b) for a, b in pending if not (left <= a and b <= right)]

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
