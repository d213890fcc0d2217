"""What every port must do, by ports of the real module: VALE, pipes, emulated veth."""
import itertools
import time

from tests.backends.adapters import TapRig
from tests.backends.conformance import Adapter, Conformance
from tests.backends.netmap.adapters import PipeAdapter, ValeAdapter
from tests.netmap import links, module
from usnet.backends.netmap.device import KernelDevice
from usnet.backends.netmap.opening import open_port

numbers = itertools.count()


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
    """The wire's other end is a packet socket on the peer of a veth pair."""
    def __init__(self, port, name, peer):
        super().__init__(port, peer)
        self.name = name

    def inject(self, frames):
        for frame in frames:
            self.socket.send(frame)
        time.sleep(links.SETTLE)

    def vanish(self):
        links.remove(self.name)

    def close(self):
        super().close()
        links.remove(self.name)


class VethAdapter(Adapter):
    can_fragment = False
    counts_overruns = counts_too_long = False

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
