"""Rigs for the backends that are shipped with usnet, except the simulator and netmap."""
import contextlib
import ctypes
import os
import socket
import struct
import time

import pytest

from tests.backends.conformance import Adapter, Rig, finished
from usnet.backends.fates import Fates
from usnet.backends.interface import set_up
from usnet.backends.pair import make_pair
from usnet.backends.pcap.port import open_port as open_pcap
from usnet.backends.tap.port import open_port as open_tap
from usnet.backends.wrappers.capture import CapturePort
from usnet.backends.wrappers.faults import FaultPort
from usnet.backends.wrappers.pcapng import PcapngWriter

CLONE_NEWNET = 0x40000000
ETH_P_ALL, ETH_P_IP = 0x0003, 0x0800
SOL_PACKET, PACKET_VNET_HDR = 263, 15
VNET = struct.Struct("=BBHHHH")         # virtio-net's header
EXPERIMENTAL = b"\x88\xb5"


# A pair: the far end is another port

class PairRig(Rig):
    def __init__(self, port, far):
        self.port, self.far = port, far

    def inject(self, frames):
        assert all(self.far.send(f) for f in frames)

    def sent(self):
        got = []
        while frames := self.far.receive():
            got += [f for f, _ in frames]
        return got

    def pull(self, up):
        self.far.set_link(up)

    def vanish(self):
        self.port.vanish()


class PairAdapter(Adapter):
    def open(self, arriving=(), *, slots=8, buf_size=2048, spares=0):
        rig = PairRig(*make_pair(slots=(slots, 512), buf_size=(buf_size, 2048), spares=(spares, 0)))
        rig.inject(arriving)
        return rig


class OffloadRig(PairRig):
    def inject_large(self, frame, meta):
        assert self.far.send(frame, meta=meta)

    def sent_large(self):
        return finished(self.far.receive(meta=True))


class OffloadAdapter(Adapter):
    has_offloads = True

    def open(self, arriving=(), *, slots=8, buf_size=2048, spares=0):
        rig = OffloadRig(*make_pair(slots=(slots, 512), buf_size=(buf_size, 2048), spares=(spares, 0), offload=True))
        rig.inject(arriving)
        return rig


# TAP: the far end is a packet socket on the kernel's side of the device

def why_no_tap():
    if os.geteuid() != 0:
        return "needs root: makes TAP devices in a network namespace of its own"
    if not os.path.exists("/dev/net/tun"):
        return "no /dev/net/tun"
    return None


@contextlib.contextmanager
def own_network():
    """This thread, and what it opens, in a new network namespace for a while."""
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        if libc.unshare(CLONE_NEWNET) != 0:
            pytest.skip(f"no network namespace of its own: {os.strerror(ctypes.get_errno())}")
        yield
    finally:
        libc.setns(before, CLONE_NEWNET)
        os.close(before)


class TapRig(Rig):
    """Needs own_network()."""
    def __init__(self, port, device):
        self.port, self.device = port, device
        with open(f"/proc/sys/net/ipv6/conf/{device}/disable_ipv6", "w") as f:
            f.write("1")                # else the kernel sends frames of its own
        set_up(device)
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.bind((device, 0))
        self.socket.setblocking(False)
        self.large = self.large_socket()

    def inject(self, frames):
        for f in frames:
            self.socket.send(f)

    def sent(self):
        got, quiet = [], 0
        while quiet < 3:
            try:
                frame, address = self.socket.recvfrom(65536)
            except BlockingIOError:
                quiet += 1
                time.sleep(0.001)
                continue
            except OSError:             # the interface went down
                break
            if address[2] != socket.PACKET_OUTGOING and frame[12:14] == EXPERIMENTAL:
                got.append(frame)
        return got

    def large_socket(self):
        """A packet socket whose frames stand behind their offload headers. None while the device is down."""
        made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IP))
        made.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        made.bind((self.device, ETH_P_IP))
        made.setblocking(False)
        return made

    def inject_large(self, frame, meta):
        header = VNET.pack(meta["flags"] & 1, meta.get("gso_type", 0), meta["hdr_len"], meta.get("gso_size", 0), meta["csum_start"], meta["csum_offset"])
        self.large.send(header + frame)

    def sent_large(self):
        got, end = [], time.monotonic() + 0.2
        while time.monotonic() < end:
            try:
                frame, address = self.large.recvfrom(70000)
            except BlockingIOError:
                time.sleep(0.001)
                continue
            flags, kind, _, size, start, offset = VNET.unpack_from(frame)
            if address[2] != socket.PACKET_OUTGOING:
                got.append((frame[VNET.size:], {"flags": flags & 1, "gso_type": kind, "gso_size": size, "csum_start": start, "csum_offset": offset}))
        return finished(got)

    def pull(self, up):
        set_up(self.device, up)

    def vanish(self):
        from pyroute2 import IPRoute
        with IPRoute() as ip:
            ip.link("del", index=ip.link_lookup(ifname=self.device)[0])

    def close(self):
        self.socket.close()
        self.large.close()
        self.port.close()


class TapAdapter(Adapter):
    has_offloads = True

    def open(self, arriving=(), *, slots=8, buf_size=2048, spares=0):
        port = open_tap("us%d", slots=slots, buf_size=buf_size, spares=spares, mtu=1500)
        rig = TapRig(port, port.device)
        rig.inject(arriving)
        return rig


# A file: what arrives is written first

class FileAdapter(Adapter):
    can_pull = can_vanish = can_inject_later = False

    def __init__(self):
        self.directory = None           # the tests set it

    def open(self, arriving=(), *, slots=8, buf_size=2048, spares=0):
        path = self.directory / "arriving.pcapng"
        with PcapngWriter(path) as w:
            w.add_interface("eth0")
            for i, frame in enumerate(arriving or [b"\0" * 14]):
                w.write(frame, 1_700_000_000_000_000_000 + i)
        rig = Rig()
        rig.port = open_pcap(str(path), slots=slots, buf_size=buf_size, spares=spares)
        return rig


# Wrappers around those above

class WrappedAdapter(Adapter):
    def __init__(self, inner, wrap):
        self.inner, self.wrap = inner, wrap
        for name in ("can_pull", "can_vanish", "can_inject_later", "waits", "can_fragment", "counts_overruns", "counts_too_long", "has_offloads"):
            setattr(self, name, getattr(inner, name))

    def open(self, arriving=(), **settings):
        rig = self.inner.open(arriving, **settings)
        if hasattr(rig.port, "vanish"):
            rig.vanish = rig.port.vanish
        rig.port = self.wrap(rig.port)
        return rig


def capture(port):
    return CapturePort(port, os.devnull)


def harmless(port):
    return FaultPort(port, Fates([{"do": "drop", "match": {"flag": "icmp"}}, {"do": "delay(1s)", "match": {"p": 0}}]))
