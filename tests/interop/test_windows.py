"""Receivers that do not read: windows close, are probed, and open again."""
import socket
import threading

import pytest

from tests.interop.addresses import KERNEL, USNET
from tests.interop.machine import PATIENCE, drive
from tests.interop.payload import difference, read_all

pytestmark = pytest.mark.needs("root", "tun")
SIZE = 6_000_000


@pytest.mark.needs("tshark")
def test_usnet_probes_the_kernels_closed_window_and_goes_on_when_it_opens(machine, stack, noise):
    listener, data, got = machine.listen(7000), noise(SIZE), []
    with stack.create_connection((KERNEL, 7000), timeout=PATIENCE) as sock:
        conn, _ = listener.accept()
        sock.setblocking(False)
        sent = 0

        def fill():
            nonlocal sent
            try:
                sent += sock.send(memoryview(data)[sent:])
            except BlockingIOError:
                pass
            return stack.statistics()["tcp"]["probes"] >= 2

        drive(stack, fill)
        assert sent < SIZE
        reader = threading.Thread(target=lambda: got.append(read_all(conn)))
        reader.start()
        sock.settimeout(PATIENCE)
        sock.sendall(memoryview(data)[sent:])
        sock.shutdown(socket.SHUT_WR)
        drive(stack, lambda: not reader.is_alive())
        conn.close()
    assert difference(got[0], data) == ""
    assert machine.complaints() == []


@pytest.mark.needs("tshark")
def test_the_kernel_probes_usnets_closed_window_and_goes_on_when_it_opens(machine, stack, noise):
    data = noise(SIZE)
    with stack.create_server(("", 7000)) as listener:
        client = machine.socket()

        def write():
            client.connect((USNET, 7000))
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)

        writer = threading.Thread(target=write)
        writer.start()
        listener.settimeout(PATIENCE)
        conn, _ = listener.accept()
        # Until nothing but probes has come for longer than it takes the kernel to send some
        before = -1
        while before != (now := stack.statistics()["tcp"]["bytes_in"]):
            before = now
            end = stack.clock.now() + 700_000_000
            while stack.clock.now() < end:
                stack.run_once()
                stack.wait(end)
        assert 0 < before < SIZE
        conn.settimeout(PATIENCE)
        assert difference(read_all(conn), data) == ""
        writer.join()
        conn.close()
    assert machine.complaints() == []
