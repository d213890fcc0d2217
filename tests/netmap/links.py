"""Interfaces of the virtual machine: veth pairs for the emulated mode, and frames put on them from outside of netmap."""
import contextlib
import ctypes
import fcntl
import socket
import struct
import subprocess
import time
from pathlib import Path

SIOCETHTOOL = 0x8946
# ethtool's set calls: receive and transmit checksums, scatter-gather, TSO, GSO, GRO
OFFLOADS = {"rx": 0x15, "tx": 0x17, "sg": 0x19, "tso": 0x1f, "gso": 0x24, "gro": 0x2c}
SETTLE = 0.02                   # seconds: until a frame has found its way through the kernel


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def no_offloads(name):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for command in OFFLOADS.values():
            value = (ctypes.c_uint32 * 2)(command, 0)
            with contextlib.suppress(OSError):          # not every driver has all of them
                fcntl.ioctl(s, SIOCETHTOOL, struct.pack("=16sQ16x", name.encode(), ctypes.addressof(value)))


def quiet(name, up=True):
    """No address of its own, no ARP, no router solicitations: nothing but what a test sends."""
    Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1")
    no_offloads(name)
    ip("link", "set", name, "arp", "off", "promisc", "on")
    if up:
        ip("link", "set", name, "up")


def veth(name, peer, queues=1):
    subprocess.run(["modprobe", "veth"], check=True)
    ip("link", "add", name, "numrxqueues", str(queues), "numtxqueues", str(queues), "type", "veth", "peer", "name", peer,
       "numrxqueues", str(queues), "numtxqueues", str(queues))
    quiet(name)
    quiet(peer)


def plug(name, peer, up):
    """The cable: the peer goes up or down, until the kernel has noticed, which it does once a second."""
    ip("link", "set", peer, "up" if up else "down")
    for _ in range(500):
        if (Path(f"/sys/class/net/{name}/operstate").read_text().strip() == "up") == up:
            return
        time.sleep(0.01)
    raise AssertionError(f"{name} does not notice its peer")


def remove(name):
    subprocess.run(["ip", "link", "del", name], check=False, capture_output=True)


def packet_socket(name):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    s.bind((name, 0))
    return s


class VethLinks:
    """The events of a scenario (world.py) on veth pairs: "NAME" is the NIC, "NAMEp" its peer."""

    def __init__(self):
        self.sockets = {}

    def __call__(self, event):
        name = event["nic"]
        if event["event"] == "nic":
            veth(name, name + "p")
            self.sockets[name] = (packet_socket(name + "p"), packet_socket(name))
        else:
            wire, host = self.sockets[name]
            (wire if event["event"] == "wire" else host).send(bytes.fromhex(event["frame"]))
        time.sleep(SETTLE)

    def close(self):
        for name, sockets in self.sockets.items():
            for s in sockets:
                s.close()
            remove(name)
