"""The echo and discard services (RFC 862, RFC 863), over TCP and UDP."""

from __future__ import annotations

from typing import Any

from usnet.cli.loop import IN, OUT, TURN, Connection, Listener, Loop

DATAGRAMS = 64  # of one turn


class Echo(Connection):
    """Sends back what it receives, and reads no faster than the peer takes it; the end of the stream too is sent
    back.
    """

    def on_readable(self) -> None:
        for _ in range(TURN // len(self.loop.buffer)):
            data = self.read()
            if data is None:
                return
            if not data:
                self.close()
                return
            if not self.write(data):
                self.want(OUT)
                return

    def on_writable(self) -> None:
        if self.write(self.out):
            self.want(IN)


class Discard(Connection):
    """Reads and forgets."""

    def on_readable(self) -> None:
        for _ in range(TURN // len(self.loop.buffer)):
            data = self.read()
            if data is None:
                return
            if not data:
                self.close()
                return


class Datagrams:
    """A bound datagram socket; answers with what it received if `answers`. What cannot be sent at once is lost, as
    datagrams may be.
    """

    def __init__(self, loop: Loop, address: tuple[str, int], answers: bool) -> None:
        import socket

        self.loop, self.answers = loop, answers
        self.sock: Any = loop.stack.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        self.sock.bind(address)
        loop.add(self, IN)

    def on_event(self, mask: int) -> None:
        for _ in range(DATAGRAMS):
            try:
                n, peer = self.sock.recvfrom_into(self.loop.buffer)
            except BlockingIOError:
                return
            except OSError:  # an ICMP error about something that was sent earlier
                continue
            self.loop.statistics.datagrams += 1
            self.loop.statistics.bytes_in += n
            if self.answers:
                self._answer(memoryview(self.loop.buffer)[:n], peer)

    def _answer(self, data: memoryview, peer: tuple[str, int]) -> None:
        try:
            self.loop.statistics.bytes_out += self.sock.sendto(data, peer)
        except OSError:
            pass

    def close(self) -> None:
        self.loop.remove(self)


def serve_echo(loop: Loop, address: tuple[str, int]) -> None:
    Listener(loop, address, Echo)
    Datagrams(loop, address, answers=True)


def serve_discard(loop: Loop, address: tuple[str, int]) -> None:
    Listener(loop, address, Discard)
    Datagrams(loop, address, answers=False)
