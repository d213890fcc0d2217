"""A TAP device with the kernel's own stack at its other end."""
import contextlib
import errno
import fcntl
import hashlib
import os
import random
import socket
import struct
import threading
import time

import pytest
from scapy.all import ARP, ICMP, IP, Ether, Raw

import usnet
from tests.backends.adapters import own_network, why_no_tap
from usnet.backends import interface
from usnet.backends.errors import BackendUnavailable
from usnet.backends.registry import open_port
from usnet.backends.ring import PortCaps
from usnet.backends.tap import peer

TUNSETPERSIST, TUNGETIFF, UDP_SEGMENT = 0x400454CB, 0x800454D2, 103

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


def test_offloads_are_as_the_kernel_and_the_rings_allow():
    with open_port("tap:us7") as port:
        assert port.caps & PortCaps.VNET_HDR and {"header", "csum", "tso"} <= set(port.offloads)
    with open_port("tap:us7", slots=8) as port:
        assert port.caps & PortCaps.VNET_HDR and port.offloads == ("header", "csum")
    with open_port("tap:us7", offload=False) as port:
        assert not port.caps & PortCaps.VNET_HDR and port.offloads == ()


def test_what_a_device_had_been_told_before_is_taken_back():
    """One that stays (persistent) remembers; frames of several segments without headers would be rubbish."""
    with open_port("tap:us7") as port:
        fd = port_descriptor(port)
        fcntl.ioctl(fd, TUNSETPERSIST, 1)
    try:
        with open_port("tap:us7", offload=False) as port:
            peer.configure_peer("us7", "10.9.0.1/24")
            with stack_of(port) as stack, stack.socket() as listener:
                listener.settimeout(10)
                listener.bind(("10.9.0.2", 80))
                listener.listen()
                sender = threading.Thread(target=send_to, args=(("10.9.0.2", 80), 300_000))
                sender.start()
                sock, _ = listener.accept()
                with sock:
                    sock.settimeout(10)
                    got = 0
                    while part := sock.recv(65536):
                        got += len(part)
                sender.join()
                assert got == 300_000 and port.statistics()["rx_frames"] > 200
    finally:
        with open_port("tap:us7") as port:
            fcntl.ioctl(port_descriptor(port), TUNSETPERSIST, 0)


def send_to(address, total):
    with contextlib.suppress(OSError), socket.create_connection(address, 10) as sock:
        sock.sendall(bytes(total))


def port_descriptor(port):
    """Of the device: fileno() is of what waits for it."""
    mine = [int(fd) for fd in os.listdir("/proc/self/fd")]
    return next(fd for fd in sorted(mine, reverse=True) if is_device(fd, port.device))


def is_device(fd, name):
    try:
        return os.readlink(f"/proc/self/fd/{fd}") == "/dev/net/tun" and fcntl.ioctl(fd, TUNGETIFF, bytes(40)).startswith(name.encode() + b"\0")
    except OSError:
        return False


def stack_of(port):
    return usnet.Stack(port, "10.9.0.2/24", config={"msl": 1_000_000})


@pytest.mark.parametrize("offload", [False, True])
@pytest.mark.parametrize("total", [1, 1460, 100_001, 5_000_000])
def test_bytes_arrive_from_the_kernel_and_at_it(offload, total):
    data = random.Random(total).randbytes(total)
    with open_port("tap:us7", offload=offload) as port:
        peer.configure_peer("us7", "10.9.0.1/24")
        with stack_of(port) as stack, socket.create_server(("10.9.0.1", 0)) as listener:
            back = threading.Thread(target=echo_once, args=(listener,))
            back.start()
            with stack.socket() as sock:
                sock.connect(listener.getsockname())
                got = both_ways(stack, sock, data)
            back.join()
            assert hashlib.sha256(got).digest() == hashlib.sha256(data).digest()
            frames = port.statistics()
            if total > 1_000_000:
                assert (frames["rx_bytes"] / frames["rx_frames"] > 3000) == offload
                assert (frames["tx_bytes"] / frames["tx_frames"] > 3000) == offload


def echo_once(listener):
    sock, _ = listener.accept()
    with sock:
        while data := sock.recv(200_000):
            sock.sendall(data)


def both_ways(stack, sock, data):
    """Sends all and reads what comes back, at once."""
    sock.setblocking(False)
    got, sent = bytearray(), 0
    end = time.monotonic() + 30
    while len(got) < len(data):
        assert time.monotonic() < end
        stack.run_once()
        try:
            while sent < len(data):
                sent += sock.send(data[sent:sent + 100_000])
        except BlockingIOError:
            pass
        try:
            while part := sock.recv(200_000):
                got += part
        except BlockingIOError:
            pass
    return got


def test_datagrams_that_the_kernel_hands_over_at_once_are_received_each():
    """UDP_SEGMENT: the program's one call, cut by the kernel, or by us where it leaves that to the device."""
    with open_port("tap:us7") as port:
        peer.configure_peer("us7", "10.9.0.1/24")
        with stack_of(port) as stack, stack.socket(socket.AF_INET, socket.SOCK_DGRAM) as mine, \
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as theirs:
            mine.bind(("10.9.0.2", 5000))
            mine.settimeout(5)
            theirs.sendto(b"first", ("10.9.0.2", 5000))             # the kernel asks for our address first
            assert mine.recv(100) == b"first"
            theirs.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 1000)
            theirs.sendto(bytes(i & 255 for i in range(4321)), ("10.9.0.2", 5000))
            got = [mine.recv(5000) for _ in range(5)]
            assert [len(g) for g in got] == [1000] * 4 + [321] and b"".join(got) == bytes(i & 255 for i in range(4321))
            mine.sendto(b"and back", ("10.9.0.1", theirs.getsockname()[1]))
            stack.run_once()
            theirs.settimeout(5)
            assert theirs.recv(100) == b"and back"
