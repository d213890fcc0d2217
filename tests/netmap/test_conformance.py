"""What every port must do, by ports of the real module: VALE, pipes, emulated veth."""
import itertools
import subprocess
import time
from pathlib import Path

import pytest

from tests.backends.adapters import TapRig
from tests.backends.conformance import Adapter, Conformance
from tests.backends.netmap.adapters import PipeAdapter, ValeAdapter
from tests.netmap import links, module
from usnet.backends.netmap.device import KernelDevice
from usnet.backends.netmap.opening import open_port

numbers = itertools.count()


@pytest.fixture(scope="module", autouse=True)
def parameters():
    """The module's parameters are its usual ones again afterwards."""
    before = module.parameters()
    yield
    for name in ("priv_buf_size", "generic_ringsize"):
        module.set_parameter(name, before[name])


def private_memory(buf_size):
    module.set_parameter("priv_buf_size", buf_size)
    return KernelDevice()


class TestVale(Conformance):
    adapter = ValeAdapter("vale0:a", "vale0:b", private_memory)


class TestPipe(Conformance):
    adapter = PipeAdapter("conf{1", "conf}1", private_memory)


class TestPipeFromTheOtherEnd(Conformance):
    adapter = PipeAdapter("conf}1", "conf{1", private_memory)


class VethRig(TapRig):
    """The wire's other end is a packet socket on the peer of a veth pair. What finds no room is lost, and only the kernel counts it: nothing is sent
    without."""
    def __init__(self, port, name, peer):
        super().__init__(port, peer)
        self.name, self.waiting, self.removal = name, [], None

    def inject(self, frames):
        self.waiting += frames
        self.feed()

    def feed(self):
        ring = self.port.rx_ring()
        while self.waiting and ring.sync() == 0 and (before := ring.space) < ring.num_slots - 1:
            self.socket.send(self.waiting.pop(0))
            for _ in range(int(links.SETTLE * 1000)):
                if ring.sync() or ring.space > before:
                    break
                time.sleep(0.001)

    def pull(self, up):
        links.plug(self.name, self.device, up)

    def vanish(self):
        # The kernel waits until netmap lets go of it
        self.removal = subprocess.Popen(["ip", "link", "del", self.name])
        for _ in range(1000):
            if not Path("/sys/class/net", self.name).exists():
                break
            time.sleep(0.001)

    def close(self):
        super().close()
        if self.removal:
            assert self.removal.wait(30) == 0
        links.remove(self.name)


class VethAdapter(Adapter):
    can_fragment = False
    counts_overruns = counts_too_long = False
    keeps_sent = False              # the packet socket shares its bytes with the buffers that the emulation sends from

    def open(self, arriving=(), *, slots=8, buf_size=2048, spares=0):
        name = f"vt{next(numbers)}"
        peer = name + "p"
        module.set_parameter("generic_ringsize", slots)
        links.veth(name, peer)
        port = open_port(name, spares=spares)
        rig = VethRig(port, name, peer)
        rig.inject(arriving)
        return rig


class TestEmulatedVeth(Conformance):
    adapter = VethAdapter()
