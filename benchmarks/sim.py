"""The simulator's own speed: bulk TCP between two hosts over a switch, everything in virtual time."""

import time

import usnet

TOTAL = 20 << 20


def serve():
    with usnet.create_server(("10.0.0.2", 7)) as listener:
        connection, _ = listener.accept()
        room = bytearray(1 << 18)
        with connection:
            while connection.recv_into(room):
                pass


def send():
    with usnet.create_connection(("10.0.0.2", 7)) as connection:
        connection.sendall(bytes(TOTAL))


def bulk():
    """ns of CPU per frame that crossed a link."""
    world = usnet.World(seed=1)
    client, server = world.host("client", "10.0.0.1/24"), world.host("server", "10.0.0.2/24")
    switch = world.switch("switch")
    for host in (client, server):
        world.link(host, switch, rate="1Gbit", delay="1ms")
    server.run(serve)
    client.run(send)
    began = time.process_time_ns()
    world.run_programs()
    spent = time.process_time_ns() - began
    return spent / (2 * sum(host.statistics()["ip"]["tx_packets"] for host in (client, server)))
