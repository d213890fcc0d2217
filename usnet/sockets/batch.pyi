from collections.abc import Iterable

from _typeshed import HasFileno, ReadableBuffer

from usnet.sockets.host import Stack

def recv_many(stack: Stack, fds: Iterable[int | HasFileno], bufsize: int) -> list[bytes | OSError | None]: ...
def send_many(stack: Stack, messages: Iterable[tuple[int | HasFileno, ReadableBuffer]]) -> list[int | OSError | None]: ...
