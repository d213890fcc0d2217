import errno
import socket
import threading

import pytest

from tests.interop.addresses import KERNEL, USNET
from tests.interop.machine import PATIENCE
from tests.interop.payload import difference

pytestmark = pytest.mark.needs("root", "tun")
SIZES = (0, 1, 17, 1471, 1472, 1473, 2960, 4000, 20_000, 65_507)


@pytest.mark.needs("tshark")
def test_datagrams_of_every_size_come_back_in_fragments_too(machine, noise):
    machine.serve("echo", capture=True)
    sock = machine.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect((USNET, 7))
    for size in SIZES:
        sock.send(noise(size))
        assert difference(sock.recv(1 << 16), noise(size)) == ""
    assert machine.complaints() == []


def test_usnet_as_a_client_sends_datagrams_of_every_size(machine, stack, noise):
    server = machine.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((KERNEL, 7000))

    def answer():
        for _ in SIZES:
            data, peer = server.recvfrom(1 << 16)
            server.sendto(data[::-1], peer)

    thread = threading.Thread(target=answer)
    thread.start()
    with stack.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE)
        for size in SIZES:
            assert sock.sendto(noise(size), (KERNEL, 7000)) == size
            data, peer = sock.recvfrom(1 << 16)
            assert peer == (KERNEL, 7000)
            assert difference(data, noise(size)[::-1]) == ""
    thread.join()


def test_a_port_without_a_socket_refuses_the_kernels_datagram(machine):
    machine.serve("echo", "--port", 7)
    sock = machine.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect((USNET, 8))
    sock.send(b"anyone?")
    with pytest.raises(ConnectionRefusedError):
        sock.recv(100)
    sock.connect((USNET, 7))
    sock.send(b"anyone?")
    assert sock.recv(100) == b"anyone?"


def test_usnets_connected_socket_learns_that_the_kernel_refuses(stack):
    with stack.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE)
        sock.connect((KERNEL, 7000))
        sock.send(b"anyone?")
        with pytest.raises(ConnectionRefusedError):
            sock.recv(100)
        sock.send(b"still nobody?")
        with pytest.raises(ConnectionRefusedError):
            sock.recv(100)


def test_a_datagram_too_large_for_udp_is_refused(stack):
    with stack.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        with pytest.raises(OSError) as caught:
            sock.sendto(bytes(65_508), (KERNEL, 7000))
        assert caught.value.errno == errno.EMSGSIZE
