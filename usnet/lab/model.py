"""What applications may see of TCP, as a model of its own: two byte streams, their ends, and errors with a cause. It knows no segments.

    model = Model(delay=20_000_000, losses=3)
    model.judge(calls, pending)             # in the order in which they returned; those that never did
    print(model.wrong)

Each connection is known by its server's port, so of those in one model no two have the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from usnet.lab.scenario_ledger import Did

GIVE_UP_AFTER = 3
"""Frames lost before anybody may give up: as many as are sent to learn a neighbour's address."""
FOREVER = 1 << 62
DEAD = ("ECONNRESET", "EPIPE", "ETIMEDOUT")


@dataclass
class End:
    """One end of a connection, as its program sees it."""

    opened: int | None = None
    written: int = 0
    sends: list[tuple[int, int]] = field(default_factory=list)  # (ns when it began, bytes at most) of each send()
    read: int = 0
    shut: int | None = None
    closed: int | None = None
    aborted: bool = False                   # closed with linger 0
    eof: bool = False
    told: str | None = None                 # the error that ended it
    silent: bool = False                    # and recv() told it: what had arrived was read before
    peer: End | None = None


class Model:
    """delay: ns that any frame takes at least. losses: frames that were lost, for whatever reason. buffers: bytes of each host's send and receive
    buffers, ((at first), (at most)); of those that are not here nothing is known."""

    def __init__(self, delay: int = 0, losses: int = 0, buffers: dict[str, tuple[tuple[int, int], tuple[int, int]]] | None = None):
        self.delay, self.losses, self.buffers = delay, losses, buffers or {}
        self.ends: dict[tuple[str, int], End] = {}
        self.hosts: dict[int, list[str]] = {}
        self.wrong: list[str] = []
        self.now = 0

    def end(self, name: tuple[str, int]) -> End:
        found = self.ends.get(name)
        if found is None:
            found = self.ends[name] = End()
            others = self.hosts.setdefault(name[1], [])
            if others:
                found.peer = self.ends[others[0], name[1]]
                found.peer.peer = found
            others.append(name[0])
        return found

    def room(self, name: tuple[str, int]) -> tuple[int, int]:
        """Bytes that stacks may hold of an end's stream: so many before send() may wait, so many at most. What waits to be sent may take two
        thirds of its buffer before that has room again, and a window opens in steps of up to half the other."""
        other = next((host for host in self.hosts[name[1]] if host != name[0]), "")
        if name[0] not in self.buffers or other not in self.buffers:
            return 0, FOREVER
        (least_out, _), (most_out, _) = self.buffers[name[0]]
        (_, least_in), (_, most_in) = self.buffers[other]
        return least_out * 2 // 3 + least_in // 2, most_out + most_in + max(most_in // 16, 1 << 8)

    def tell(self, did: Did, why: str) -> None:
        result = f" after {(did.ended - did.began) / 1e6:g} ms" if did.ended > did.began else ""
        self.wrong.append(f"at {did.ended / 1e9:.9f} s {did.end[0]}: {did.call}({did.asked or ''}) gave {did.result}{result}: {why}")

    # --- What may have happened ---

    def may_give_up(self) -> bool:
        return self.losses >= GIVE_UP_AFTER

    def may_be_reset(self, end: End, peer: End | None, t: int) -> bool:
        """The peer aborted, closed with something unread, or was sent something after it had closed; and its RST can have arrived."""
        if self.may_give_up():
            return True
        if peer is None or peer.closed is None or t < peer.closed + self.delay:
            return False
        return peer.aborted or self.given(end, t) > peer.read

    def ended(self, peer: End | None) -> bool:
        """The peer has ended its stream."""
        return peer is not None and (peer.shut is not None or (peer.closed is not None and not peer.aborted))

    def given(self, end: End, t: int) -> int:
        """Bytes of its stream that the stack may have by then: a send() that blocks gives them bit by bit."""
        return sum(most for began, most in end.sends if began <= t)

    # --- Judging ---

    def judge(self, calls: list[Did], pending: list[Did]) -> None:
        for did in (*calls, *pending):
            if did.call == "send":
                self.end(did.end).sends.append((did.began, did.result if isinstance(did.result, int) else did.asked))
        for did in calls:
            self.judge_one(did)
        self.judge_waiting(pending)

    def judge_one(self, did: Did) -> None:
        end = self.end(did.end)
        if did.ended < self.now:
            self.tell(did, "time went back")
        self.now = did.ended
        getattr(self, f"_{did.call}")(did, end, end.peer)

    def _connect(self, did: Did, end: End, _peer: End | None) -> None:
        if did.result == 1:
            end.opened = did.ended
            if did.ended < did.began + 2 * self.delay:
                self.tell(did, f"a round trip takes {2 * self.delay / 1e6:g} ms at least")
        elif not (did.result in (*DEAD, "EHOSTUNREACH") and self.may_give_up()):
            self.tell(did, "there is a server, and it can be reached")

    def _accept(self, did: Did, end: End, _peer: End | None) -> None:
        end.opened = did.ended

    def _error(self, did: Did, end: End, peer: End | None) -> None:
        """A call on a connection failed."""
        if end.told is not None and did.call == "send":
            if did.result != "EPIPE":
                self.tell(did, f"{end.told} was told before, so now it is EPIPE")
            return
        if did.result not in DEAD:
            self.tell(did, "no call on a connection says that")
        elif end.told is not None:
            self.tell(did, f"{end.told} was told before, and an error is told once")
        elif did.result == "ETIMEDOUT" and not self.may_give_up():
            self.tell(did, f"{self.losses} frames were lost: too few to give up")
        elif not self.may_be_reset(end, peer, did.ended):
            self.tell(did, "nobody reset the connection")
        end.told = str(did.result)
        end.silent = did.call == "recv"

    def _send(self, did: Did, end: End, peer: End | None) -> None:
        if isinstance(did.result, str):
            if end.shut is not None and did.result == "EPIPE":
                return
            self._error(did, end, peer)
            return
        if not 1 <= did.result <= did.asked:
            self.tell(did, "that many it cannot have taken")
        if end.shut is not None or end.closed is not None:
            self.tell(did, "the program had ended its stream")
        if end.told is not None:
            self.tell(did, f"the connection was over: {end.told}")
        end.written += did.result
        held = end.written - (peer.read if peer is not None else 0)
        most = self.room(did.end)[1]
        if held > most:
            self.tell(did, f"{held} bytes are under way, but buffers hold {most}")

    def _recv(self, did: Did, end: End, peer: End | None) -> None:
        if isinstance(did.result, str):
            self._error(did, end, peer)
        elif did.result == 0:
            self._eof(did, end, peer)
        else:
            if did.result > did.asked:
                self.tell(did, "more than was asked for")
            if end.eof or end.silent:
                self.tell(did, f"the stream had ended: {end.told or 'EOF'}")
            end.read += did.result
            if peer is None or end.read > self.given(peer, did.ended - self.delay):
                self.tell(did, f"{end.read} bytes read, which the peer had not written in time")

    def _eof(self, did: Did, end: End, peer: End | None) -> None:
        if end.told is not None or end.eof:
            return
        end.eof = True
        if peer is None or not self.ended(peer):
            self.tell(did, "the end of a stream that the peer has not ended")
        elif not peer.written <= end.read <= self.given(peer, did.ended):
            self.tell(did, f"the end of the stream behind {end.read} bytes; the peer wrote {peer.written}")
        else:
            at = min(t for t in (peer.shut, peer.closed) if t is not None)
            if did.ended < at + self.delay:
                self.tell(did, "the end of the stream cannot have arrived yet")

    def _shutdown(self, did: Did, end: End, peer: End | None) -> None:
        if isinstance(did.result, str):
            over = end.shut is not None and self.ended(peer)
            if did.result != "ENOTCONN" or not (over or end.told is not None or self.may_be_reset(end, peer, did.ended)):
                self.tell(did, "the connection stands")
        elif end.shut is None:
            end.shut = did.ended

    def _close(self, did: Did, end: End, _peer: End | None) -> None:
        end.closed = did.ended
        if isinstance(did.result, str):
            self.tell(did, "close() does not fail")

    def _reset(self, did: Did, end: End, peer: End | None) -> None:
        self._close(did, end, peer)
        end.aborted = True

    # --- The end ---

    def judge_waiting(self, pending: list[Did]) -> None:
        """Calls that never returned: each must wait for what only the other program could do, and that one waits too."""
        for did in pending:
            end = self.end(did.end)
            other = [d for d in pending if d.end != did.end and d.end[1] == did.end[1]]
            peer = end.peer
            why = self._waits_wrongly(did, end, peer)
            if why is None and did.call == "recv" and [d.call for d in other] == ["send"]:
                why = "the peer waits to send"
            if why is None and peer is not None and peer.closed is None and not other:
                why = "the other program has ended"
            if why is not None:
                self.wrong.append(f"{did.end[0]}: {did.call}({did.asked or ''}) of {did.began / 1e9:.9f} s never returned: {why}")

    def _waits_wrongly(self, did: Did, end: End, peer: End | None) -> str | None:
        if did.call == "recv":
            if peer is None:
                return None if did.end not in self.ends or self.losses else "there is no peer"
            if peer.closed is not None and self.losses and self.may_be_reset(end, peer, FOREVER):
                return None                 # its RST was lost, and nobody asks again
            if peer.written > end.read:
                return f"the peer wrote {peer.written} bytes, {end.read} were read"
            return "the peer has ended its stream" if self.ended(peer) or peer.closed is not None else None
        if did.call == "send":
            if peer is not None and peer.closed is not None:
                return "the peer has closed"
            held = self.given(end, FOREVER) - (peer.read if peer is not None else 0)
            return None if held >= self.room(did.end)[0] else f"only {held} bytes are under way"
        return "it does not wait for a program"
