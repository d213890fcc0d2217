"""bulk.py send|receive HOST PORT BYTES [SNDBUF/RCVBUF]: connects, and sends so many bytes (those of random.Random(BYTES)) or receives
them until the end; says their sha256, the seconds it took, and those of the processor."""
import hashlib
import random
import socket
import sys
import time

PIECE = 1 << 16


def send(sock: socket.socket, size: int) -> str:
    data = random.Random(size).randbytes(size)
    sock.sendall(data)
    sock.shutdown(socket.SHUT_WR)
    assert sock.recv(1) == b"", "an answer to what was sent"
    return hashlib.sha256(data).hexdigest()


def receive(sock: socket.socket) -> str:
    digest = hashlib.sha256()
    while part := sock.recv(PIECE):
        digest.update(part)
    return digest.hexdigest()


def main(what: str, host: str, port: str, size: str, buffer: str = "") -> None:
    with socket.socket() as sock:
        if buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF if what == "send" else socket.SO_RCVBUF, int(buffer))
        sock.connect((host, int(port)))
        begun = time.monotonic()
        said = send(sock, int(size)) if what == "send" else receive(sock)
    print(said, f"{time.monotonic() - begun:.3f}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
