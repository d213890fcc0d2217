"""The suite that every port passes, on a simulated one."""
from tests.backends.conformance import Adapter, Conformance, Rig
from usnet.backends.sim.network import Network
from usnet.backends.sim.port import OwnRings
from usnet.lab.netmap_rings import NetmapRings


class SimRig(Rig):
    """One link without limits; each look at either end first lets the network settle."""

    def __init__(self, network, link, port, far):
        self.network, self.link, self.port, self.far = network, link, port, far

    def inject(self, frames):
        assert all(self.far.send(f) for f in frames)
        self.network.run()

    def sent(self):
        self.network.run()
        return [f for f, _ in self.far.receive()]

    def pull(self, up):
        (self.link.plug if up else self.link.unplug)()
        self.network.run()

    def vanish(self):
        self.port.vanish()
        self.network.run()


class SimAdapter(Adapter):
    waits = False           # no operating system waits for virtual time

    def __init__(self, rings=OwnRings):
        self.rings = rings

    def open(self, arriving=(), *, slots=8, buf_size=2048, spares=0):
        network = Network(rings=self.rings)
        port = network.port("port", slots=slots, buf_size=buf_size, spares=spares, fifo=4096)
        far = network.port("far", slots=4096)
        rig = SimRig(network, network.link(port, far, delay=1), port, far)
        rig.inject(arriving)
        return rig


class TestSim(Conformance):
    adapter = SimAdapter()


class TestSimOnNetmap(Conformance):
    adapter = SimAdapter(NetmapRings)
