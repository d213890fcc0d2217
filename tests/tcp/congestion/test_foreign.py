"""A controller of somebody else's: compiled against ops.pxd, found by its entry point, used by name."""

import importlib.metadata
import socket
import sys

from tests.sockets.outside import compile_module
from usnet.tcp.congestion import registry
from usnet.tcp.congestion.ops import Controller
from usnet.testing.peer import established

SOURCE = '''
from libc.stdint cimport int64_t, uint32_t
from usnet.tcp.congestion.newreno cimport newreno_ops
from usnet.tcp.congestion.ops cimport cc_ack, cc_keep, cc_ops, cc_register, cc_state

cdef cc_ops ops


cdef void on_ack(cc_state *cc, const cc_ack *a) noexcept nogil:
    """Twice as fast as slow start."""
    cc.cwnd += 2 * a.acked


cdef uint32_t ssthresh(cc_state *cc, uint32_t flight, int64_t now) noexcept nogil:
    """Gives up a tenth."""
    cc_keep(cc)
    cc.ssthresh = cc.cwnd - cc.cwnd // 10
    return cc.ssthresh


cdef void on_loss(cc_state *cc, uint32_t flight, int64_t now) noexcept nogil:
    cc.cwnd = ssthresh(cc, flight, now)


ops = newreno_ops
ops.name = b"greedy"
ops.on_ack = on_ack
ops.ssthresh = ssthresh
ops.on_sack_loss = on_loss
ops.on_loss = on_loss
if cc_register(&ops) < 0:
    raise ImportError("there is a controller named greedy")
'''


class Package:
    """What an installed package's metadata gives."""

    name, value, group = "greedy", "usnet_test_greedy", registry.GROUP

    def __init__(self, folder):
        self.folder, self.loaded = folder, 0

    def load(self):
        self.loaded += 1
        sys.modules[self.value] = compile_module(self.folder, self.value, SOURCE)
        return sys.modules[self.value]


def test_a_package_brings_one_along(tmp_path, monkeypatch):
    package = Package(tmp_path)

    def points(*, group, name="greedy"):
        assert group == "usnet.congestion"
        return [package] if name == "greedy" else []

    assert importlib.metadata.entry_points(group="usnet.congestion") == ()
    monkeypatch.setattr(registry, "entry_points", points)
    assert "greedy" in registry.available()
    assert package.loaded == 0
    tcp = established(mss=1000)
    tcp.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"greedy")
    assert package.loaded == 1
    assert tcp.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(b"\0") == b"greedy"
    tcp.send(60_000)
    assert len(tcp.take()) == 10
    tcp.rx(". 1:1(0) ack 2001 win 65535")
    assert tcp.snapshot()["cc"]["cwnd"] == 14_000
    controller = Controller("greedy")
    controller.start(1000)
    assert controller.loss(10_000) == 9000
