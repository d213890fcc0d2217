"""Two requests by Fast Open (RFC 7413), in virtual time: the first gets a cookie, the second goes with its SYN and is answered a round trip later.

python examples/fast_open.py
"""

import usnet
from usnet.sockets.fastopen import MSG_FASTOPEN

world = usnet.World(seed=1)
client = world.host("client", "10.0.0.1/24", config={"fastopen": 1})
server = world.host("server", "10.0.0.2/24", config={"fastopen": 2})
world.link(client, server, delay="40ms")


def serve():
    with usnet.socket() as listener:
        listener.setsockopt(usnet.IPPROTO_TCP, usnet.TCP_FASTOPEN, 16)  # so many may be pending
        listener.bind(("", 80))
        listener.listen()
        for _ in range(2):
            connection, _ = listener.accept()  # with a cookie, before the handshake ends
            with connection:
                connection.sendall(b"answer to " + connection.recv(1000))


def ask():
    for number in (1, 2):
        began = world.now
        with usnet.socket() as sock:
            sock.sendto(b"request %d" % number, MSG_FASTOPEN, ("10.0.0.2", 80))
            answer = sock.recv(1000)
        print(answer.decode(), f"after {(world.now - began) // 1_000_000} ms")


server.run(serve)
client.run(ask)
world.run()
