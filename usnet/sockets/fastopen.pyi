from usnet.sockets.host import Stack

MSG_FASTOPEN: int
TCP_FASTOPEN_CONNECT: int
TCP_FASTOPEN_KEY: int
TCP_FASTOPEN_NO_COOKIE: int

def forget_servers(stack: Stack) -> None: ...
def set_keys(stack: Stack, key: bytes, before: bytes | None = None) -> None: ...
def counters(stack: Stack) -> dict[str, int]: ...
