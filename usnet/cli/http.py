"""An HTTP/1.1 server of files: one handler a connection. h11 frames the messages, `files` knows the answers, the loop
says when the socket is ready.
"""

from __future__ import annotations

import functools
from email.utils import formatdate
from typing import Any

import h11

from usnet.cli.files import Answer, FilePart, Files, error
from usnet.cli.loop import IN, LOG, OUT, TURN, Connection, Listener, Loop

PIECE = 1 << 18  # bytes of a file in memory at once
HEAD_LIMIT = 16384  # bytes of a request's head: more is answered with 431
IDLE = 60.0  # seconds a connection may stay without a whole request, or without taking anything of an answer
SERVER = "usnet"


class HttpConnection(Connection):
    """One request after the other, pipelined ones too. While an answer is sent nothing is read, so a client that does
    not take its answers can make us hold no more than a piece of one."""

    def __init__(self, files: Files, loop: Loop, sock: Any, peer: tuple[str, int]) -> None:
        super().__init__(loop, sock, peer)
        self.files = files
        self.messages = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT)
        self.part: FilePart | None = None
        self.answering = False
        self.draining = False  # all is said: what still comes is thrown away until the peer closes
        loop.within(self, IDLE)

    # What comes

    def on_readable(self) -> None:
        data = self.read()
        if data is None:
            return
        if self.draining:
            if not data:
                self.close()
            return
        self.messages.receive_data(bytes(data))
        self.advance()

    def advance(self) -> None:
        """Takes the next events of the peer, until an answer is under way or more must arrive."""
        try:
            while not (self.answering or self.closed or self.draining):
                event = self.messages.next_event()
                if event is h11.NEED_DATA:
                    self.want(IN)
                    return
                if isinstance(event, h11.ConnectionClosed):
                    self.close()
                elif isinstance(event, h11.Request):
                    self.answer(event)
                elif event is h11.PAUSED:
                    self.messages.start_next_cycle()
        except h11.RemoteProtocolError as problem:
            self.refuse(problem.error_status_hint)

    def answer(self, request: h11.Request) -> None:
        self.loop.statistics.requests += 1
        LOG.debug("%s:%d asks for %r", *self.peer, request.target)
        self.loop.within(self, IDLE)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
        answer = self.files.answer(request.method.decode("ascii"), request.target.decode("latin-1"), headers)
        # Nobody here wants a body: rather than wait for one, the connection ends
        unread = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        self.start(answer, close=unread)

    def refuse(self, status: int) -> None:
        """Answers what was no request; the stream means nothing from here on."""
        if self.messages.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self.start(error(status), close=True)
        else:
            self.fail()

    # What goes

    def start(self, answer: Answer, close: bool = False) -> None:
        headers = [("Date", formatdate(usegmt=True)), ("Server", SERVER), *answer.headers]
        if close:
            headers.append(("Connection", "close"))
        response = h11.Response(status_code=answer.status, headers=headers, reason=answer.reason)
        head = self.messages.send(response) or b""
        if isinstance(answer.body, FilePart):
            self.part = answer.body
        elif answer.body:
            head += self.messages.send(h11.Data(data=answer.body)) or b""
        self.answering = True
        self.out = memoryview(head)
        self.want(OUT)
        self.send_on()

    def on_writable(self) -> None:
        self.send_on()
        self.advance()

    def send_on(self) -> None:
        """Sends on as the socket takes it, up to a turn's worth; then the next request, or the end."""
        for _ in range(TURN // PIECE):
            before = len(self.out)
            done = self.write(self.out)
            if len(self.out) < before:
                self.loop.within(self, IDLE)
            if not done:
                return
            if self.part is None or self.part.length == 0:
                self.finish()
                return
            self.out = memoryview(self.messages.send(h11.Data(data=self.part.read(PIECE))) or b"")

    def finish(self) -> None:
        self.answering = False
        self.drop_part()
        self.messages.send(h11.EndOfMessage())
        if self.messages.our_state is h11.MUST_CLOSE:
            # Not at once: unread data would turn the close into a reset, which may destroy the answer
            import socket

            self.draining = True
            self.sock.shutdown(socket.SHUT_WR)
            self.want(IN)

    def drop_part(self) -> None:
        if self.part is not None:
            self.part.close()
            self.part = None

    def fail(self) -> None:
        """An end from the peer's side is a failure only while something is left to say."""
        self.close() if self.draining else super().fail()

    def close(self) -> None:
        self.drop_part()
        super().close()


def serve_http(loop: Loop, address: tuple[str, int], files: Files) -> None:
    Listener(loop, address, functools.partial(HttpConnection, files))
