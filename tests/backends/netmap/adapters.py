"""Rigs for ports of netmap: on a NIC, a pipe, a VALE switch. `device` makes what answers netmap's calls: the stand-in here, the kernel's in a machine
that has the module."""
from tests.backends.conformance import Adapter, Rig
from usnet.backends.netmap.opening import open_port
from usnet.backends.netmap.standin.interface import NicInterface
from usnet.backends.netmap.standin.kernel import StandIn

SPARE_BUFFERS = 4096


def stand_in(buf_size=2048, **parameters):
    """A kernel with the module, whose buffers have that size."""
    return StandIn(buf_size=buf_size, buf_num=SPARE_BUFFERS, priv_buf_size=buf_size, priv_buf_num=SPARE_BUFFERS, **parameters)


class NicRig(Rig):
    def __init__(self, port, nic):
        ring = port.rx_ring()
        self.port, self.nic, self.waiting = port, nic, []
        self.longest = (ring.num_slots - 1) * ring.buf_size

    def inject(self, frames):
        self.waiting += frames
        self.feed()

    def feed(self):
        while self.waiting:
            if len(self.waiting[0]) > self.longest:
                self.nic.inject([self.waiting.pop(0)])      # the NIC drops it
                continue
            lost = self.nic.stats()["no_room"]
            if not self.nic.inject(self.waiting[:1]) and self.nic.stats()["no_room"] != lost:
                break
            del self.waiting[0]

    def sent(self):
        return self.nic.sent()

    def pull(self, up):
        self.nic.set_link(up)

    def vanish(self):
        self.nic.remove()


class NicAdapter(Adapter):
    """A NIC of the stand-in's, whose wire the rig drives."""
    counts_too_long = False

    def __init__(self, **settings):
        self.settings = settings

    def open(self, arriving=(), *, slots=8, buf_size=2048, spares=0):
        device = stand_in(buf_size)
        nic = device.nic("em0", tx_slots=slots, rx_slots=slots, mtu=1500, rx_buf_max=buf_size)
        port = open_port("em0", device=device, spares=spares, interface=NicInterface(nic), **self.settings)
        rig = NicRig(port, nic)
        rig.inject(arriving)
        return rig


class FarRig(Rig):
    """What is sent to `far`, another port, and from there."""
    def __init__(self, port, far):
        self.port, self.far, self.waiting = port, far, []

    def inject(self, frames):
        self.waiting += frames
        self.feed()

    def feed(self):
        while self.waiting and self.room() and self.far.send(self.waiting[0]):
            del self.waiting[0]

    def room(self):
        return True

    def sent(self):
        got = []
        while frames := self.far.receive():
            got += [f for f, _ in frames]
        return got

    def close(self):
        self.port.close()
        self.far.close()


class ValeRig(FarRig):
    """A switch drops what finds no room, and nobody counts it: nothing is sent without."""
    def room(self):
        ring = self.port.rx_ring()
        return ring.sync() == 0 and ring.space < ring.num_slots - 1


class FarAdapter(Adapter):
    """`near` and `far` are the names of two ports with a way between them. `make_device(buf_size)`: who answers netmap's calls."""
    can_pull = can_vanish = False
    rig = FarRig

    def __init__(self, near, far, make_device, **settings):
        self.near, self.far, self.make_device, self.settings = near, far, make_device, settings

    def open(self, arriving=(), *, slots=8, buf_size=2048, spares=0):
        device = self.make_device(buf_size)
        port = open_port(self.near, device=device, slots=slots, spares=spares, **self.settings)
        try:
            rig = self.rig(port, open_port(self.far, device=device, slots=slots, **self.settings))
            rig.inject(arriving)
        except BaseException:
            port.close()
            raise
        return rig


class PipeAdapter(FarAdapter):
    """The two ends of a pipe."""


class ValeAdapter(FarAdapter):
    """Two ports of a switch."""
    counts_overruns = counts_too_long = False
    rig = ValeRig


def with_nic(buf_size=2048):
    device = stand_in(buf_size)
    device.nic("em0", rx_buf_max=buf_size)
    return device
