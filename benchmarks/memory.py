"""usnet: two stacks joined by a pair of ports in memory, in one thread, checksums in software."""

import usnet
from benchmarks import work
from usnet.backends.clock import MonotonicClock
from usnet.backends.pair import make_pair

ADDRESS = ("10.0.0.2", 7)


class Joined:
    """Two stacks face to face, and a listener on the second. `ports`: theirs; a pair in memory when None. `options`: of both stacks."""

    def __init__(self, ports=None, **options):
        ports = ports or make_pair(clock=MonotonicClock())
        config = {"msl": 1_000_000}  # ns: TIME-WAIT is not what is measured
        self.near = usnet.Stack(ports[0], "10.0.0.1/24", seed=1, config=config, **options)
        self.far = usnet.Stack(ports[1], "10.0.0.2/24", seed=2, config=config, **options)
        self.listener = self.far.socket()
        self.listener.setblocking(False)
        self.listener.bind(ADDRESS)
        self.listener.listen(128)

    def turn(self):
        self.near.run_once()
        self.far.run_once()
        self.near.run_once()

    def pair(self):
        """A connected pair of non-blocking sockets."""
        client = self.near.socket()
        client.setblocking(False)
        client.connect_ex(ADDRESS)
        for _ in range(10):
            self.turn()
            try:
                server, _ = self.listener.accept()
            except BlockingIOError:
                continue
            server.setblocking(False)
            return client, server
        raise RuntimeError("no connection after ten turns")

    def close(self):
        self.listener.close()
        self.near.close(linger=0)
        self.far.close(linger=0)


def with_stacks(function):
    joined = Joined()
    try:
        return function(joined)
    finally:
        joined.close()


def bulk():
    def run(joined):
        client, server = joined.pair()
        with client, server:
            return work.bulk(client, server, joined.turn)

    return with_stacks(run)


def echo(connections, requests=20_000):
    def run(joined):
        pairs = [joined.pair() for _ in range(connections)]
        spent = work.echo([c for c, _ in pairs], [s for _, s in pairs], joined.turn, requests // connections)
        for client, server in pairs:
            client.close()
            server.close()
        return spent

    return with_stacks(run)


def connect():
    return with_stacks(lambda joined: work.connect(joined.pair, 3000))
