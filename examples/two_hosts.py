"""Two hosts, a link that loses packets, and ordinary blocking programs, in virtual time.

python examples/two_hosts.py
"""

import usnet

world = usnet.World(seed=1)
client = world.host("client", "10.0.0.1/24")
server = world.host("server", "10.0.0.2/24")
world.link(client, server, rate="10Mbit", delay="20ms", loss=0.02)


def serve():
    with usnet.socket(usnet.AF_INET, usnet.SOCK_STREAM) as listener:
        listener.bind(("", 7))
        listener.listen()
        connection, _ = listener.accept()
        with connection:
            while data := connection.recv(65536):
                connection.sendall(data)


def ask():
    with usnet.create_connection(("10.0.0.2", 7)) as s:
        s.sendall(b"hello")
        print(s.recv(100))


server.run(serve)
client.run(ask)
world.run()
print(world.digest())
