"""Asks the server about this file, line by line: an ordinary client. `python client.py localhost 8080`"""

import socket
import sys
import time

begin = time.monotonic()
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=30) as connection, connection.makefile("rw") as stream:
    words = 0
    with open(__file__) as text:
        for line in text:
            stream.write(line)
            stream.flush()
            words += int(stream.readline())
print(f"{words} words in {time.monotonic() - begin:.1f} s")
