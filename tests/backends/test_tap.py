"""A TAP device with the kernel's own stack at its other end."""
import errno
import fcntl
import struct
import time

import pytest
from scapy.all import ARP, ICMP, IP, Ether, Raw

from tests.backends.adapters import own_network, why_no_tap
from usnet.backends import interface
from usnet.backends.errors import BackendUnavailable
from usnet.backends.registry import open_port
from usnet.backends.tap import peer

pytestmark = pytest.mark.skipif(why_no_tap() is not None, reason=str(why_no_tap()))


@pytest.fixture(autouse=True)
def network():
    with own_network():
        yield


def wait_for(port, wanted, seconds=2):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for frame, _ in port.receive():
            if wanted(Ether(frame)):
                return Ether(frame)
        time.sleep(0.001)
    raise AssertionError("nothing came")


def test_the_kernel_answers_arp_and_ping():
    with open_port("tap:us7") as port:
        peer.configure_peer("us7", "10.9.0.1/24")
        mac = port.mac.hex(":")
        assert port.link_up and port.mac != interface.get_mac("us7") and port.mac[0] & 3 == 2
        port.send(bytes(Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") / ARP(psrc="10.9.0.2", pdst="10.9.0.1", hwsrc=mac)))
        reply = wait_for(port, lambda f: ARP in f and f[ARP].op == 2)
        assert reply[ARP].hwsrc == interface.get_mac("us7").hex(":")
        port.send(bytes(Ether(src=mac, dst=reply[ARP].hwsrc) / IP(src="10.9.0.2",
                                                                  dst="10.9.0.1") / ICMP(id=7) / Raw(b"hello" * 200)))
        assert wait_for(port, lambda f: ICMP in f and f[ICMP].type == 0)[Raw].load == b"hello" * 200


def test_the_address_stays_the_same_for_a_name_and_can_be_given():
    with open_port("tap:us7") as port:
        first = port.mac
    with open_port("tap:us7") as port:
        assert port.mac == first
    with open_port("tap:us7", mac="02:00:00:00:00:99") as port:
        assert port.mac == bytes.fromhex("020000000099")
    with pytest.raises(ValueError, match="mac"):
        open_port("tap:us7", mac="01:00:00:00:00:99")


def test_the_mtu_is_the_devices_or_sets_it():
    with open_port("tap:us7", mtu=9000) as port:
        assert port.mtu == interface.get_mtu("us7") == 9000
    with pytest.raises(ValueError, match="cannot hold"):
        open_port("tap:us7", mtu=9000, slots=4)


def test_an_ipv6_address_can_be_given_to_the_kernels_end():
    with open_port("tap:us7"):
        peer.configure_peer("us7", "fd00:9::1/64")
        with open("/proc/thread-self/net/if_inet6") as f:
            assert "fd000009000000000000000000000001" in f.read()


def test_a_device_in_use_is_unavailable():
    with open_port("tap:us7"), pytest.raises(BackendUnavailable, match="in use"):
        open_port("tap:us7")


def test_a_frame_longer_than_was_expected_is_counted_not_cut():
    with open_port("tap:us7", mtu=1500, offload=False) as port:
        peer.configure_peer("us7", "10.9.0.1/24")
        interface.set_mtu("us7", 5000)
        import socket
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        s.bind(("us7", 0))
        s.send(b"\xff" * 12 + b"\x88\xb5" + b"z" * 3000)
        s.send(b"\xff" * 12 + b"\x88\xb5" + b"y" * 50)
        s.close()
        assert wait_for(port, lambda f: f.type == 0x88B5)[Raw].load == b"y" * 50
        assert port.statistics()["rx_too_long"] == 1


def test_a_tun_device_is_not_taken_for_a_tap():
    with open("/dev/net/tun", "r+b", buffering=0) as tun:
        fcntl.ioctl(tun, 0x400454CA, struct.pack("16sH22x", b"us8", 0x1001))
        with pytest.raises(OSError, match="us8") as refused:
            open_port("tap:us8")
        assert refused.value.errno == errno.EINVAL
