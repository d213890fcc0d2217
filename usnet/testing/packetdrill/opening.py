"""Fast Open (RFC 7413) in scripts: calls that send before a connection is up, and what the sysctls of both systems change."""

import errno
import os
import socket
from collections.abc import Callable
from typing import Any

from usnet.sockets.fastopen import MSG_FASTOPEN, forget_servers, set_keys
from usnet.testing.packetdrill.waiting import Prepared

TCP_FASTOPEN = 23
CLIENT, SERVER = 1, 2
BITS = 0x7FF  # of net.ipv4.tcp_fastopen that have a meaning
FAR = 1 << 20
OPENING = ("SYN_SENT", "SYN_RECEIVED")
FORGOTTEN = "AF_UNSPEC"


class Opening:
    """Part of Calls. implied: sendto() with an address connects, as in FreeBSD."""

    of: Callable[[Any], Any]
    may_block: Callable[..., bool]
    implied = False

    def sender(self, fd: Any, size: int, flags: int, address: Any = None) -> Prepared:
        """All of it where the program may wait; what fits, else."""
        waits = self.may_block((fd,), flags) and not (self.implied and address is not None)     # what is queued is as good as sent there
        sent, opening = [0], [False]
        flags &= ~socket.MSG_DONTWAIT

        def once(sock: Any, n: int) -> int:
            given = flags | (socket.MSG_WAITALL if waits else 0)
            if self.opens(sock, given, address):
                return int(sock.sendto(bytes(n), given | MSG_FASTOPEN, address))
            return int(sock.send(bytes(n), given & ~MSG_FASTOPEN if sent[0] else given))

        def begin(sock: Any) -> None:
            try:
                sent[0] += once(sock, min(size, FAR))
            except BlockingIOError as error:
                if error.errno != errno.EINPROGRESS:
                    raise
            opening[0] = sock.state in OPENING

        def send() -> Any:
            sock = self.of(fd)
            if sock.type == socket.SOCK_DGRAM:
                return sock.sendto(bytes(size), flags, address) if address is not None else sock.send(bytes(size), flags)
            if waits and sock.state in ("CLOSED", "SYN_SENT") and not opening[0]:
                begin(sock)
            if opening[0] and sock.state in OPENING:
                raise BlockingIOError(errno.EAGAIN, "")
            if opening[0]:
                opening[0] = False
                raise_error(sock)
            if size == 0:
                return once(sock, 0) if not waits else 0
            try:
                while sent[0] < size:
                    sent[0] += once(sock, min(size - sent[0], FAR))
                    if not waits:
                        break
            except BlockingIOError:
                if waits or not sent[0]:
                    raise
            return sent[0]

        return send, waits

    def opens(self, sock: Any, flags: int, address: Any) -> bool:
        """Whether sending to that address connects."""
        if address == FORGOTTEN:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        if flags & MSG_FASTOPEN:
            return address is not None
        return self.implied and address is not None and sock.state == "CLOSED" and sock.getsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN) > 0


def raise_error(sock: Any) -> None:
    error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error:
        raise OSError(error, os.strerror(error))


# Sysctls that do more than change one setting


def linux_bits(stack: Any, text: str) -> None:
    stack.configure(fastopen=int(text, 0) & BITS)


def linux_keys(stack: Any, text: str) -> None:
    """Four numbers of 32 bits, the least significant byte first; behind a comma those of the key before."""
    set_keys(stack, *(b"".join(int(part, 16).to_bytes(4, "little") for part in key.split("-")) for key in text.split(",")))


def freebsd_client(stack: Any, text: str) -> None:
    """Turned off, it forgets the cookies."""
    if text == "0":
        forget_servers(stack)
    switch_bit(stack, CLIENT, text)


def freebsd_server(stack: Any, text: str) -> None:
    switch_bit(stack, SERVER, text)


def freebsd_key(stack: Any, text: str) -> None:
    set_keys(stack, bytes.fromhex(text))


def switch_bit(stack: Any, bit: int, text: str) -> None:
    now = stack.core.configuration()["fastopen"]
    stack.configure(fastopen=now & ~bit if text == "0" else now | bit)
