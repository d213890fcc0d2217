"""source.py HOST PORT: serves one connection bytes without end, and reads nothing. Says "listening" when it does."""
import socket
import sys

with socket.create_server((sys.argv[1], int(sys.argv[2]))) as listener:
    print("listening", flush=True)
    sock, _ = listener.accept()
    while True:
        sock.sendall(bytes(1 << 16))
