"""Bulk both ways over a bad link against the kernel: losses are repaired with SACK, which both ends use."""
import socket
import struct
import threading

import pytest

from tests.interop.addresses import DEVICE, KERNEL, PREFIX, USNET
from tests.interop.captures import fields
from tests.interop.machine import PATIENCE, drive
from tests.interop.payload import difference, read_all

pytestmark = pytest.mark.needs("root", "tun", "tshark")
SIZE = 3_000_000
OPT_SACK = 2  # TCPI_OPT_SACK in tcp_info.tcpi_options


@pytest.fixture
def lossy(machine):
    """A stack of this process whose link loses 2 % of the packets each way, with its frames captured as it sent and got them."""
    from usnet import Stack
    from usnet.backends.fate import Fate
    from usnet.backends.registry import open_port
    from usnet.backends.tap.peer import configure_peer
    from usnet.backends.wrappers.capture import CapturePort
    from usnet.backends.wrappers.faults import FaultPort

    with machine.entered():
        port = open_port(f"tap:{DEVICE}")
        configure_peer(port.device, f"{KERNEL}/{PREFIX}")
    rules = [Fate("drop", at="both", flag="data", p=0.02), Fate("drop", at="both", flag="ack", p=0.02)]
    stack = Stack(CapturePort(FaultPort(port, rules, 1), machine.capture_file()), f"{USNET}/{PREFIX}")
    machine._cleanup.callback(stack.close)
    return stack


def kernel_uses_sack(sock: socket.socket) -> bool:
    """TCP_INFO: state, ca_state, retransmits, probes, backoff, options."""
    return bool(struct.unpack_from("6B", sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104))[5] & OPT_SACK)


def blocks_sent(machine, sender: str) -> int:
    return len(fields(machine.captures[0], f"ip.src == {sender} && tcp.options.sack_le", "frame.number"))


def test_usnets_losses_are_repaired_by_the_kernels_reports(machine, lossy, noise):
    listener, data, got = machine.listen(7000), noise(SIZE), []
    with lossy.create_connection((KERNEL, 7000), timeout=PATIENCE) as sock:
        conn, _ = listener.accept()
        assert kernel_uses_sack(conn)
        reader = threading.Thread(target=lambda: got.append(read_all(conn)))
        reader.start()
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        drive(lossy, lambda: not reader.is_alive())
        conn.close()
        counters = lossy.statistics()["tcp"]
    assert difference(got[0], data) == ""
    assert counters["sacks_in"] > 20
    assert counters["sacks_bad"] == counters["sacks_reneged"] == counters["sacks_full"] == 0
    assert counters["fast_retransmits"] > 10
    assert counters["rto_count"] < counters["fast_retransmits"]
    drive(lossy, lambda: lossy.statistics()["memory"]["scoreboards"] == 0)
    assert machine.complaints() == []
    assert blocks_sent(machine, KERNEL) > 20


def test_the_kernels_losses_are_repaired_by_usnets_reports(machine, lossy, noise):
    data, info = noise(SIZE), []
    with lossy.create_server(("", 7000)) as listener:
        client = machine.socket()

        def write():
            client.connect((USNET, 7000))
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            info.append(kernel_uses_sack(client))

        writer = threading.Thread(target=write)
        writer.start()
        listener.settimeout(PATIENCE)
        conn, _ = listener.accept()
        conn.settimeout(PATIENCE)
        assert difference(read_all(conn), data) == ""
        writer.join()
        conn.close()
    assert info == [True]
    counters = lossy.statistics()["tcp"]
    assert counters["sacks_out"] > 20
    assert lossy.statistics()["memory"]["out_of_order"] == 0
    assert machine.complaints() == []
    assert blocks_sent(machine, USNET) > 20
