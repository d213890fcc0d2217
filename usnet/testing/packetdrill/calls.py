"""The system calls of scripts, on a stack's sockets. Buffers hold zeros, as in the original; what would block says so by BlockingIOError."""

import errno
import fcntl
import io
import os
import select
import socket
from typing import Any

from usnet.testing.packetdrill.control import NAMES as CONTROL_NAMES
from usnet.testing.packetdrill.control import Control, part
from usnet.testing.packetdrill.language import ANY, Apply, Either, ScriptError, Word
from usnet.testing.packetdrill.opening import FAR, FORGOTTEN, Opening
from usnet.testing.packetdrill.packets import Unsupported
from usnet.testing.packetdrill.waiting import Prepared, Waiting, Wrong, writable

NAMES = {
    name: int(getattr(module, name))
    for module in (select, os, fcntl, socket)
    for name in dir(module)
    if name.startswith(("SO", "TCP_", "IP", "MSG_", "SHUT_", "AF_", "O_", "F_", "EPOLL", "POLL", "SIOC", "INADDR_"))
    and isinstance(getattr(module, name), int)
}
NAMES |= {"SOL_IP": 0, "SOL_TCP": 6, "SIOCINQ": 0x541B, "SIOCOUTQ": 0x5411, "FIONREAD": 0x541B, "MSG_FASTOPEN": 0x20000000}
NAMES |= {"IP_PMTUDISC_DONT": 0, "IP_PMTUDISC_WANT": 1, "IP_PMTUDISC_DO": 2, "IP_MTU_DISCOVER": 10, "TCP_INQ": 36, "NULL": 0}
NAMES |= CONTROL_NAMES
NAMES |= {"EPOLL_CTL_ADD": 1, "EPOLL_CTL_DEL": 2, "EPOLL_CTL_MOD": 3, "EPOLLEXCLUSIVE": 1 << 28, "SIOCOUTQNSD": 0x894B, "SIOCATMARK": 0x8905}
NAMES |= {"TCP_FASTOPEN": 23, "TCP_FASTOPEN_CONNECT": 30, "TCP_FASTOPEN_KEY": 33, "TCP_FASTOPEN_NO_COOKIE": 34}
NAMES |= {name: number for number, name in errno.errorcode.items()} | {"EWOULDBLOCK": errno.EWOULDBLOCK}
GIVES_DESCRIPTOR = ("socket", "accept", "accept4", "epoll_create", "epoll_create1", "open", "pipe")
LEFT_OUT = ("TCP_MD5SIG", "TCP_FUNCTION_BLK",
            "TCP_REMOTE_UDP_ENCAPS_PORT", "TCP_RACK_PACE_MAX_SEG", "TCP_RACK_PACE_RATE_SS", "TCP_RACK_PACE_ALWAYS", "IPV6_UNICAST_HOPS",
            "IPV6_TCLASS", "IPV6_USE_MIN_MTU")  # fmt: skip
NOT_ARGUMENTS = (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError, MemoryError)
"""What calls raise for arguments that are none."""
WITHOUT_MEANING = ("SO_MARK", "SO_PRIORITY", "IP_FREEBIND", "IP_MTU_DISCOVER")
"""Options about policies of a host that is not there: setting them changes nothing."""
NULL = Word("NULL")


class Descriptor:
    """What a script's number stands for."""

    def __init__(self, thing: Any):
        self.thing = thing
        self.blocks = True


class Calls(Waiting, Control, Opening):
    """addresses: ("bind" and "connect" addresses) of `...`. names: what the profile calls by other numbers."""

    def __init__(self, stack: Any, bind: tuple[str, int], connect: tuple[str, int], names: dict[str, int], start: int = 0,
                 files: dict[str, bytes] | None = None):
        self.stack = stack
        self.bind_address, self.connect_address = bind, connect
        self.names = NAMES | names
        self.open: dict[int, Descriptor] = {}
        self.start = start
        self.files = {} if files is None else files

    # Values

    def value(self, item: Any) -> Any:
        """A value of the script as Python has it."""
        if isinstance(item, Word):
            if item.name in LEFT_OUT:
                raise Unsupported(item.name)
            if item.name not in self.names:
                raise Unsupported(f"the name {item.name}")
            return self.names[item.name]
        if isinstance(item, Either):
            total = 0
            for part in item.parts:
                total |= self.number(part)
            return total
        if isinstance(item, Apply) and item.name in ("htons", "htonl"):
            return self.value(item.arguments[0])
        return item

    def number(self, item: Any) -> int:
        """An int, also one by reference: [1]."""
        if isinstance(item, list) and len(item) == 1:
            item = item[0]
        value = self.value(item)
        if not isinstance(value, int):
            raise Unsupported(f"the argument {item}")
        return value

    def address(self, item: Any, default: tuple[str, int]) -> tuple[str, int]:
        if item is ANY or item == ANY:
            return default
        if isinstance(item, dict):
            where = item.get("sin_addr", ANY)
            host = where.arguments[0] if isinstance(where, Apply) else default[0]
            return (host, self.number(item.get("sin_port", default[1])))
        raise Unsupported(f"the address {item}")

    def of(self, item: Any) -> Any:
        """The socket of a number. EBADF when it is none."""
        number = self.value(item)
        if number not in self.open:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return self.open[number].thing

    def may_block(self, arguments: tuple[Any, ...], flags: int = 0) -> bool:
        number = self.value(arguments[0]) if arguments and not isinstance(arguments[0], list) else None
        return number not in self.open or (self.open[number].blocks and not flags & socket.MSG_DONTWAIT)

    # Calls: each gives a function that is called until it does not raise BlockingIOError, and whether the program waits meanwhile

    def prepare(self, name: str, arguments: tuple[Any, ...], result: Any) -> Prepared:
        method = getattr(self, f"call_{name}", None)
        if method is None:
            raise Unsupported(f"{name}()")
        given = (result, *arguments) if name in GIVES_DESCRIPTOR else arguments
        try:
            prepared: Prepared = method(*given)
            return prepared
        except NOT_ARGUMENTS as error:
            raise ScriptError(f"{name}(): {error}") from error

    def keep(self, result: Any, thing: Any) -> int:
        """A new descriptor, by the script's number."""
        number = result if isinstance(result, int) and result >= 0 else max([2, *self.open]) + 1
        if hasattr(thing, "setblocking"):
            thing.setblocking(False)
        self.open[number] = Descriptor(thing)
        return number

    def call_socket(self, result: Any, domain: Any, kind: Any, protocol: Any) -> Prepared:
        type_ = self.value(kind)

        def made() -> int:
            if type_ & ~(socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC) == socket.SOCK_STREAM and self.value(protocol) not in (0, socket.IPPROTO_TCP):
                raise OSError(errno.EPROTONOSUPPORT, os.strerror(errno.EPROTONOSUPPORT))
            number = self.keep(result, self.stack.socket(socket.AF_INET, type_ & 0xF))
            self.open[number].blocks = not type_ & socket.SOCK_NONBLOCK
            return number

        return made, False

    def call_bind(self, fd: Any, address: Any, length: Any) -> Prepared:
        return lambda: self.of(fd).bind(self.address(address, self.bind_address)), False

    def call_listen(self, fd: Any, backlog: Any) -> Prepared:
        return lambda: self.of(fd).listen(self.number(backlog)), False

    def call_accept(self, result: Any, fd: Any, address: Any, length: Any) -> Prepared:
        def accepted() -> int:
            sock, _ = self.of(fd).accept()
            return self.keep(result, sock)

        return accepted, self.may_block((fd,))

    def call_connect(self, fd: Any, address: Any, length: Any) -> Prepared:
        state = {"begun": False}
        waits = self.may_block((fd,))

        def connected() -> int:
            sock = self.of(fd)
            if state["begun"]:
                if not writable(self.stack, sock):
                    raise BlockingIOError(errno.EAGAIN, "")
                error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if error:
                    raise OSError(error, os.strerror(error))
                return 0
            error = sock.connect_ex(self.address(address, self.connect_address))
            if error == errno.EINPROGRESS and waits:
                state["begun"] = True
                raise BlockingIOError(errno.EAGAIN, "")
            if error:
                raise OSError(error, os.strerror(error)) if error != errno.EINPROGRESS else InProgress()
            return 0

        return connected, waits

    def call_close(self, fd: Any) -> Prepared:
        def closed() -> None:
            self.of(fd).close()
            del self.open[self.value(fd)]

        return closed, False

    def call_shutdown(self, fd: Any, how: Any) -> Prepared:
        return lambda: self.of(fd).shutdown(self.number(how)), False

    # Data

    def bad_buffer(self, fd: Any, size: Any) -> Prepared:
        """NULL where bytes should lie."""

        def refused() -> Any:
            self.of(fd)
            raise OSError(errno.EFAULT, os.strerror(errno.EFAULT))

        return refused, False

    def call_write(self, fd: Any, buffer: Any, size: Any) -> Prepared:
        return self.bad_buffer(fd, size) if buffer == NULL and self.number(size) else self.sender(fd, self.number(size), 0)

    def call_send(self, fd: Any, buffer: Any, size: Any, flags: Any = 0) -> Prepared:
        return self.bad_buffer(fd, size) if buffer == NULL and self.number(size) else self.sender(fd, self.number(size), self.number(flags))

    def call_sendto(self, fd: Any, buffer: Any, size: Any, flags: Any, address: Any, length: Any) -> Prepared:
        if buffer == NULL and self.number(size):
            return self.bad_buffer(fd, size)
        to = FORGOTTEN if address == Word(FORGOTTEN) else None if address == NULL else self.address(address, self.connect_address)
        return self.sender(fd, self.number(size), self.number(flags), to)

    def call_open(self, result: Any, path: Any, flags: Any, mode: Any = 0) -> Prepared:
        def opened() -> int:
            if path not in self.files:
                raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
            return self.keep(result, io.BytesIO(self.files[path]))

        return opened, False

    def call_sendfile(self, fd: Any, file: Any, offset: Any, count: Any) -> Prepared:
        start = self.number(offset)
        return self.sender(fd, len(self.of(file).getvalue()[start : start + self.number(count)]), 0)

    def call_writev(self, fd: Any, vector: Any, count: Any) -> Prepared:
        return self.sender(fd, self.lengths(vector), 0)

    def call_sendmsg(self, fd: Any, message: Any, flags: Any) -> Prepared:
        name = next((value for key, value in message.items() if key == "msg_name"), None)
        to = None if name is None else self.address(name, self.connect_address)
        return self.sender(fd, self.lengths(part(message, "msg_iov")), self.number(flags), to)

    def lengths(self, vector: Any) -> int:
        return sum(self.number(one[1]) for one in vector)

    def receiver(self, fd: Any, size: int, flags: int) -> Prepared:
        waits = self.may_block((fd,), flags)
        return lambda: len(self.of(fd).recv(min(size, FAR), flags & ~socket.MSG_DONTWAIT)), waits

    def call_read(self, fd: Any, buffer: Any, size: Any) -> Prepared:
        return self.bad_buffer(fd, size) if buffer == NULL else self.receiver(fd, self.number(size), 0)

    def call_recv(self, fd: Any, buffer: Any, size: Any, flags: Any = 0) -> Prepared:
        return self.bad_buffer(fd, size) if buffer == NULL else self.receiver(fd, self.number(size), self.number(flags))

    def call_recvfrom(self, fd: Any, buffer: Any, size: Any, flags: Any, address: Any, length: Any) -> Prepared:
        return self.bad_buffer(fd, size) if buffer == NULL else self.receiver(fd, self.number(size), self.number(flags))

    def call_readv(self, fd: Any, vector: Any, count: Any) -> Prepared:
        return self.receiver(fd, self.lengths(vector), 0)

    # Options

    def call_fcntl(self, fd: Any, command: Any, value: Any = 0) -> Prepared:
        def controlled() -> int:
            self.of(fd)
            one = self.open[self.value(fd)]
            nonblock = self.names["O_NONBLOCK"]
            if self.value(command) == self.names["F_GETFL"]:
                return self.names["O_RDWR"] | (0 if one.blocks else nonblock)
            if self.value(command) != self.names["F_SETFL"]:
                raise Unsupported(f"fcntl({command})")
            one.blocks = not self.value(value) & nonblock
            return 0

        return controlled, False

    def call_setsockopt(self, fd: Any, level: Any, option: Any, value: Any, length: Any) -> Prepared:
        def set_() -> Any:
            sock = self.of(fd)
            if isinstance(option, Word) and option.name in WITHOUT_MEANING:
                return 0
            where, what = self.value(level), self.value(option)
            if isinstance(value, dict):
                fields = [self.value(one) for one in value.values()]
                if what == socket.SO_LINGER and where == socket.SOL_SOCKET:
                    return sock.setsockopt(where, what, b"".join(n.to_bytes(4, "little") for n in fields))
                raise Unsupported(f"a structure for {option}")
            if isinstance(value, str):
                return sock.setsockopt(where, what, value.encode("latin-1")[:length])
            number = self.number(value)
            return sock.setsockopt(where, what, number if number < 1 << 31 else number - (1 << 32))

        return set_, False

    def call_getsockopt(self, fd: Any, level: Any, option: Any, value: Any, length: Any) -> Prepared:
        def got() -> int:
            found = self.of(fd).getsockopt(self.value(level), self.value(option))
            wanted = self.number(value) if value != ANY else found
            if (found - wanted) & 0xFFFFFFFF:
                raise Wrong(f"{option} is {found}, not {wanted}")
            return 0

        return got, False

    def call_ioctl(self, fd: Any, request: Any, value: Any) -> Prepared:
        def asked() -> int:
            found = self.of(fd).ioctl(self.value(request))
            if found != self.number(value):
                raise Wrong(f"{request} is {found}, not {self.number(value)}")
            return 0

        return asked, False


class InProgress(OSError):  # noqa: N818
    """EINPROGRESS: an answer, not a reason to wait."""

    def __init__(self) -> None:
        super().__init__(errno.EINPROGRESS, os.strerror(errno.EINPROGRESS))
