"""From a script's numbers to those on the wire, and back: ports, sequence numbers and timestamps of one conversation."""

from dataclasses import dataclass, field

from usnet.testing.packetdrill.packets import MASK, Written
from usnet.wire.raw import Option, RawTcp

SYN, ACK = 0x02, 0x10


@dataclass
class Flow:
    """One TCP connection of the script. What its SYNs say are the script's own numbers, the stack's shifted by what it chose; once both
    ends have sent theirs, numbers count from the initial one of their end."""

    local_port: int
    remote_port: int
    shift: int = 0                          # number on the wire less the script's, of what the stack sends
    stamps: dict[int, int] = field(default_factory=dict)    # TSval of the script -> on the wire
    known: bool = False                     # shift is
    mine: int = 0                           # initial sequence number of the stack, as the script has it
    theirs: int | None = None               # of the remote end, from its first SYN

    def learn(self, written: Written, seen: RawTcp) -> None:
        """From the stack's SYN."""
        if seen.flags & SYN and written.seq is not None and not self.known:
            self.shift = (seen.seq - written.seq) & MASK
            self.known, self.mine = True, written.seq

    def base(self, syn: bool) -> tuple[int, int]:
        """What is added to the script's numbers of the stack, and to those of the remote end, in a segment with SYN or without."""
        if syn or not self.known or self.theirs is None:
            return self.shift, 0
        return (self.shift + self.mine) & MASK, self.theirs

    def learn_stamp(self, written: Written, seen: RawTcp) -> None:
        """An inbound `ecr` names a value that left before."""
        for mine, theirs in zip(written.options or (), seen.options, strict=False):
            if mine[0] == "TS" and theirs[0] == "TS":
                self.stamps[mine[1]] = theirs[1]

    def inbound(self, written: Written) -> RawTcp:
        """The segment as it goes to the stack. The payload is zeros, as in the original."""
        local, remote = written.ports[::-1] if written.ports else (self.local_port, self.remote_port)
        if written.flags & SYN and not written.ports and self.theirs is None:
            self.theirs = written.seq or 0
        mine, theirs = self.base(bool(written.flags & SYN) or written.absolute)
        return RawTcp(
            remote, local, ((written.seq or 0) + theirs) & MASK, 0 if written.ack is None else (written.ack + mine) & MASK, written.flags,
            written.win or 0, written.urg, [self.option_in(one) for one in written.options or ()], bytes(written.length),
        )  # fmt: skip

    def option_in(self, option: Option) -> Option:
        if option[0] == "sack":
            mine = self.base(False)[0]
            return ("sack", *(((a + mine) & MASK, (b + mine) & MASK) for a, b in option[1:]))
        if option[0] == "TS":
            return ("TS", option[1], self.stamp(option[2]))
        return option

    def stamp(self, ecr: int) -> int:
        """The stack's own value; between those that it sent the nearest one's distance counts."""
        if not self.stamps or ecr == 0:
            return ecr
        if ecr in self.stamps:
            return self.stamps[ecr]
        near = min(self.stamps, key=lambda val: abs(val - ecr))
        return (self.stamps[near] + ecr - near) & MASK

    def seq_out(self, seen: RawTcp) -> int:
        """The script's number of what the stack sent."""
        return (seen.seq - self.base(bool(seen.flags & SYN))[0]) & MASK

    def ack_out(self, seen: RawTcp) -> int:
        return (seen.ack - self.base(bool(seen.flags & SYN))[1]) & MASK

    def option_out(self, option: Option) -> Option:
        """What the stack says about the remote end's numbers."""
        if option[0] == "sack":
            theirs = self.base(False)[1]
            return ("sack", *(((a - theirs) & MASK, (b - theirs) & MASK) for a, b in option[1:]))
        return option
