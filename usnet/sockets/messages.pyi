from collections.abc import Iterable
from typing import Any

from _typeshed import ReadableBuffer, SupportsRead, WriteableBuffer

from usnet.sockets.endpoint import Endpoint

class Messages(Endpoint):
    def sendmsg(
        self,
        buffers: Iterable[ReadableBuffer],
        ancdata: Iterable[tuple[int, int, ReadableBuffer]] = (),
        flags: int = 0,
        address: tuple[str, int] | None = None,
        /,
    ) -> int: ...
    def recvmsg(self, bufsize: int, ancbufsize: int = 0, flags: int = 0, /) -> tuple[bytes, list[Any], int, tuple[str, int] | None]: ...
    def recvmsg_into(
        self, buffers: Iterable[WriteableBuffer], ancbufsize: int = 0, flags: int = 0, /
    ) -> tuple[int, list[Any], int, tuple[str, int] | None]: ...
    def ioctl(self, request: int, /) -> int: ...
    def sendfile(self, file: SupportsRead[bytes], offset: int = 0, count: int | None = None) -> int: ...
    def makefile(
        self,
        mode: str = "r",
        buffering: int | None = None,
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> Any: ...
    def dup(self) -> Any: ...
    def get_inheritable(self) -> bool: ...
    def set_inheritable(self, inheritable: bool) -> None: ...
