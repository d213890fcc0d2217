"""An echo server on epoll, and clients for it.

python examples/echo.py sim:                                      server and clients in one simulated network
python examples/echo.py tap:tap0 --address 10.9.0.2/24            serves on a TAP device, until Ctrl-C
python examples/echo.py tap:tap0 --address 10.9.0.2/24 --ask 10.9.0.1       asks a server there
"""

import argparse

import usnet

PORT = 7


def serve(most=None):
    """Echoes what each connection sends; ends after `most` connections."""
    with usnet.create_server(("", PORT)) as listener, usnet.epoll() as ready:
        listener.setblocking(False)
        ready.register(listener, usnet.EPOLLIN)
        unsent = {}  # descriptor: (connection, bytes that wait to go back)
        served = 0
        while most is None or served < most:
            for fd, _ in ready.poll():
                if fd == listener.fileno():
                    conn, peer = listener.accept()
                    conn.setblocking(False)
                    unsent[conn.fileno()] = conn, bytearray()
                    ready.register(conn, usnet.EPOLLIN)
                    print("connected:", *peer)
                elif echo(*unsent[fd]):
                    ready.modify(fd, usnet.EPOLLOUT if unsent[fd][1] else usnet.EPOLLIN)
                else:
                    unsent.pop(fd)[0].close()
                    served += 1


def echo(conn, waiting):
    """One turn of a connection: sends what waits, else reads more. False at its end."""
    try:
        if not waiting:
            waiting += conn.recv(65536)
            if not waiting:
                return False
        del waiting[: conn.send(waiting)]
    except BlockingIOError:
        pass
    except OSError as error:
        print("lost:", error)
        return False
    return True


def ask(host, text):
    """Sends a line and reads it back."""
    with usnet.create_connection((host, PORT), timeout=10) as sock:
        sock.sendall(text.encode() + b"\n")
        print("came back:", sock.makefile().readline().strip())


def simulate(clients):
    world = usnet.World(seed=1)
    hub = world.switch("hub")
    server = world.host("server", "10.9.0.1/24")
    world.link(server, hub, rate="100Mbit", delay="5ms")
    server.run(serve, clients)
    for n in range(clients):
        client = world.host(f"client{n}", f"10.9.0.{n + 2}/24")
        world.link(client, hub, rate="10Mbit", delay="10ms", loss=0.05)
        client.run(ask, "10.9.0.1", f"hello from client {n}")
    world.run_programs()
    print(f"{world.now / 1e9:.3f} s of virtual time, digest {world.digest()}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", help='"sim:" or the name of a port, as "tap:tap0"')
    parser.add_argument("--address", default="10.9.0.2/24", help="address of the stack")
    parser.add_argument("--gateway")
    parser.add_argument("--ask", metavar="HOST", help="be a client of the server there")
    parser.add_argument("--clients", type=int, default=3, help="clients of the simulation")
    options = parser.parse_args()
    if options.port == "sim:":
        simulate(options.clients)
        return
    with usnet.Stack(options.port, options.address, gateway=options.gateway):
        try:
            ask(options.ask, "hello") if options.ask else serve()
        except KeyboardInterrupt:
            print("bye")


if __name__ == "__main__":
    main()
