"""redis's protocol, RESP 2, spoken over a socket of whatever kind."""


class Redis:
    """Redis(sock): send() commands, take() answers one by one; call() is both."""

    def __init__(self, sock) -> None:
        self.sock = sock
        self.file = sock.makefile("rb")

    def send(self, *commands: tuple) -> None:
        """So many commands at once, each a tuple of words."""
        self.sock.sendall(b"".join(map(command, commands)))

    def call(self, *words):
        self.send(words)
        return self.take()

    def take(self):
        """The next answer: bytes, int, None or a list of such. RuntimeError for one that is an error."""
        line = self.file.readline()
        assert line.endswith(b"\r\n"), f"the end, behind {line!r}"
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest
        if kind == b"-":
            raise RuntimeError(rest.decode())
        length = int(rest)
        if kind == b":":
            return length
        if length < 0:
            return None
        if kind == b"*":
            return [self.take() for _ in range(length)]
        assert kind == b"$", line
        value = self.file.read(length + 2)
        assert len(value) == length + 2, f"the end, behind {len(value)} bytes of {length}"
        return value[:-2]

    def close(self) -> None:
        self.file.close()
        self.sock.close()

    def __enter__(self) -> "Redis":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def command(words: tuple) -> bytes:
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)
