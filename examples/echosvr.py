"""The sample of libusnet, on usnet: an echo server on epoll, 10 events and 5 seconds a poll.

python examples/echosvr.py tap:tap0 --address 10.10.10.2/24 --port 35355
python examples/echosvr.py sim:                                      with a client, in a simulated network

`python examples/echosvr.py --config FILE` takes everything from settings (docs/settings.md). The same in Cython, without the
GIL: examples/cython_echo.
"""

import argparse

import usnet

EVENTS = 10
TIMEOUT = 5.0  # seconds of one poll


class EchoServer:
    """serve() until Ctrl-C, or until `most` connections have ended."""

    def __init__(self, address, port):
        self.listener = usnet.socket(usnet.AF_INET, usnet.SOCK_STREAM)
        self.listener.setblocking(False)
        self.listener.bind((address, port))
        self.listener.listen()
        self.epoll = usnet.epoll()
        self.epoll.register(self.listener, usnet.EPOLLIN)
        self.connections = {}  # descriptor: (socket, bytes that wait to go back)
        self.ended = 0

    def serve(self, most=None):
        while most is None or self.ended < most:
            for fd, events in self.epoll.poll(TIMEOUT, EVENTS):
                if fd == self.listener.fileno():
                    self.accept()
                else:
                    self.handle(fd, events)

    def accept(self):
        connection, peer = self.listener.accept()
        connection.setblocking(False)
        self.connections[connection.fileno()] = connection, bytearray()
        self.epoll.register(connection, usnet.EPOLLIN)
        print(f"accepted {peer[0]} port {peer[1]}")

    def handle(self, fd, events):
        connection, waiting = self.connections[fd]
        try:
            if events & usnet.EPOLLIN and not waiting:
                waiting += connection.recv(8192)
                if not waiting:  # the peer has said all
                    return self.end(fd)
            del waiting[: connection.send(waiting)]
        except BlockingIOError:
            pass
        except OSError as error:
            print("lost:", error)
            return self.end(fd)
        self.epoll.modify(fd, usnet.EPOLLOUT if waiting else usnet.EPOLLIN)

    def end(self, fd):
        self.connections.pop(fd)[0].close()
        self.ended += 1

    def close(self):
        for fd in list(self.connections):
            self.end(fd)
        self.epoll.close()
        self.listener.close()


def serve(address, port, most=None):
    server = EchoServer(address, port)
    try:
        server.serve(most)
    finally:
        server.close()


def simulate(port):
    """A client sends messages of 60 bytes and compares what comes back."""
    world = usnet.World(seed=1)
    server = world.host("server", "10.10.10.2/24")
    client = world.host("client", "10.10.10.3/24")
    world.link(server, client, rate="100Mbit", delay="1ms", loss=0.01)

    def ask():
        with usnet.create_connection(("10.10.10.2", port)) as sock:
            for number in range(1000):
                message = number.to_bytes(4, "big") * 15
                sock.sendall(message)
                assert sock.recv(60, usnet.MSG_WAITALL) == message
        print("1000 messages came back")

    server.run(serve, "10.10.10.2", port, 1)
    client.run(ask)
    world.run_programs()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("backend", nargs="?", help='"sim:" or the name of a port, as "tap:tap0"')
    parser.add_argument("--config", metavar="FILE")
    parser.add_argument("--address", default="10.10.10.2/24")
    parser.add_argument("--port", type=int, default=35355)
    options = parser.parse_args()
    if options.backend == "sim:":
        return simulate(options.port)
    if options.config:
        settings = usnet.Settings.load(options.config)
    else:
        settings = usnet.Settings().with_changes({"interface.backend": options.backend or "tap:em1", "interface.address": options.address})
    with usnet.Stack.from_settings(settings):
        try:
            serve(settings.interface.address[0].partition("/")[0], settings.serve.port or options.port)
        except KeyboardInterrupt:
            print("bye")


if __name__ == "__main__":
    main()
