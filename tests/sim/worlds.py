"""What the tests of this room share."""
from usnet.backends.sim.network import Network


def frame(n=0, size=64, dst=b"\xff" * 6, src=b"\x02" + b"\x00" * 5):
    """A frame of `size` bytes with the number n in it."""
    return (dst + src + b"\x08\x00" + n.to_bytes(4, "big")).ljust(size, b"\x00")


def number(data):
    return int.from_bytes(data[14:18], "big")


def collect(port):
    """Arrivals at a port, as [(ns, frame)], filled as the network runs."""
    arrivals = []
    port.host.callback = lambda now: arrivals.extend((now, data) for data, _ in port.receive())
    return arrivals


def pair(seed=0, rings=None, **link):
    """(network, port a, port b, link, arrivals at b)"""
    net = Network(seed)
    a, b = net.port("a", **(rings or {})), net.port("b", **(rings or {}))
    return net, a, b, net.link(a, b, **link), collect(b)


def send_each(net, port, times, size=64, first=0):
    """Sends frame n at times[n]."""
    for n, t in enumerate(times):
        net.call_at(t, port.send, frame(first + n, size))
