"""What netmap offers beside plain rings, on the real module, through the Python binding."""
import socket
import struct
import time

import pytest

from tests.backends.conformance import frame
from tests.netmap import links, module
from usnet.backends import netmap
from usnet.backends.netmap.opening import open_port

SMALL = {"tx_slots": 8, "rx_slots": 8}
BROADCAST = b"\xff" * 6


def to_all(number, size=60):
    return BROADCAST + frame(number, size)[6:]


def ours(frames):
    return [f for f in frames if f[12:14] == b"\x88\xb5"]


def received(port, count, syncs=50):
    found = []
    for _ in range(syncs):
        found += ours(port.receive())
        if len(found) >= count:
            break
        time.sleep(0.002)
    return found


def test_host_rings_carry_the_systems_own_frames(veth):
    name, _ = veth()
    # The system's frames take the way to the host ring only while the NIC's own transmit ring is in netmap mode
    with links.packet_socket(name) as system, netmap.open(name), netmap.open(f"{name}^") as port:
        assert port.rx_rings[0].host and port.tx_rings[0].host
        system.send(frame(1))
        assert received(port, 1) == [frame(1)]
        system.settimeout(5)
        port.send(frame(2, 100))
        while (got := system.recvfrom(4096))[1][2] == socket.PACKET_OUTGOING:
            pass
        assert got[0] == frame(2, 100)


def test_nic_and_host_rings_of_one_descriptor_bridge_the_system_to_the_wire(veth):
    """What the kernel's own stack did before netmap took its interface: through the user's hands now, by buffer swap."""
    name, peer = veth()
    with links.packet_socket(name) as system, links.packet_socket(peer) as wire, netmap.open(f"{name}*") as port:
        (nic_tx, host_tx), (nic_rx, host_rx) = port.tx_rings, port.rx_rings
        for source, target, sender, receiver in ((host_rx, nic_tx, system, wire), (nic_rx, host_tx, wire, system)):
            receiver.settimeout(5)
            sender.send(frame(7, 200))
            for _ in range(50):
                port.rxsync()
                if source.space:
                    break
                time.sleep(0.002)
            assert source.space == 1
            target[target.head].swap(source[source.head])
            source.advance()
            target.advance()
            port.txsync()
            while (got := receiver.recvfrom(4096))[1][2] == socket.PACKET_OUTGOING:
                pass
            assert got[0] == frame(7, 200)


@pytest.mark.parametrize("zero_copy", ["", "z"], ids=["copy", "zero copy"])
@pytest.mark.parametrize("direction", ["t", "r"])
def test_monitors_see_what_passes(zero_copy, direction):
    with netmap.open("mon{1", **SMALL) as a, netmap.open("mon}1", **SMALL) as b:
        with netmap.open(f"mon{{1/{direction}{zero_copy}") as monitor:
            (a if direction == "t" else b).send(frame(1))
            (b if direction == "t" else a).receive()
            (b if direction == "t" else a).rxsync()
            (a if direction == "t" else b).txsync()
            assert monitor.receive() == [frame(1)]
        a.send(frame(2))
        assert b.receive() == [frame(2)]


def test_each_ring_can_have_a_descriptor_of_its_own():
    settings = {**SMALL, "tx_rings": 2, "rx_rings": 2}
    with netmap.open("vale0:r-0", **settings) as first, netmap.open("vale0:r-1", **settings) as second, netmap.open("vale0:far", **settings) as far:
        assert len(first.tx_rings) == len(second.tx_rings) == 1 and second.tx_rings[0].number == 1
        second.send(to_all(1))
        assert (first.tx_rings[0].head, second.tx_rings[0].head) == (0, 1)
        assert far.receive() == [to_all(1)]
        far.send(to_all(2))                     # to all: to their first ring
        assert second.receive() == [] and first.receive() == [to_all(2)]


def test_a_veth_with_several_queues_has_several_rings(veth):
    module.set_parameter("generic_rings", 2)
    try:
        name, _ = veth(queues=2)
        with open_port(name) as port:
            assert len(port.describe()["rx_slots"]) == 2
    finally:
        module.set_parameter("generic_rings", 1)


def test_ports_with_and_without_a_header_understand_each_other():
    with netmap.open("vale0:plain", **SMALL) as plain:
        held = netmap.open("vale0:hdr", **SMALL)
        netmap.port_hdr_set("vale0:hdr", 12)
        held.close()
        with netmap.open("vale0:hdr", **SMALL) as port:
            if port.hdr_len == 0:           # its last user has gone, and with it the port
                netmap.port_hdr_set("vale0:hdr", 12)
                with netmap.open("vale0:hdr") as again:
                    assert again.hdr_len == 12
                    again.send(to_all(1))
                    assert plain.receive() == [to_all(1)]
                    plain.send(to_all(2))
                    assert again.receive() == [to_all(2)]


def test_a_long_segment_arrives_in_segments_where_the_receiver_has_no_header():
    """Of the size that a switch sends to such ports (1514 bytes), whatever the header says."""
    payload = bytes(range(256)) * 40
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40 + len(payload), 1, 0, 64, 6, 0, bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2]))
    tcp = struct.pack("!HHIIBBHHH", 1, 2, 100, 0, 0x50, 0x10, 1000, 0, 0)
    data = BROADCAST + b"\x02\0\0\0\0\x01\x08\0" + ip + tcp + payload
    with netmap.open("vale0:tso", tx_slots=32, rx_slots=32, flags=0x8000) as first, netmap.open("vale0:plain", tx_slots=32, rx_slots=32) as plain:
        netmap.port_hdr_set("vale0:tso", 12)
        ring = first.tx_rings[0]
        whole = struct.pack("<BBHHHHH", 1, 1, 54, 1460, 34, 16, 0) + data
        pieces = [whole[i:i + 2048] for i in range(0, len(whole), 2048)]
        for piece in pieces:
            slot = ring[ring.head]
            slot.data = piece
            slot.flags = netmap.NS_MOREFRAG if piece is not pieces[-1] else 0
            ring.advance()
        first.txsync()
        got = plain.receive()
        assert len(got) == -(-len(payload) // 1460)
        assert b"".join(f[54:] for f in got) == payload
        assert [int.from_bytes(f[38:42], "big") for f in got] == [100 + 1460 * i for i in range(len(got))]


def test_offsets_move_frames_in_their_buffers():
    with netmap.open("off{1", **SMALL, offset=128, initial_offset=64) as a, netmap.open("off}1", **SMALL, offset=128) as b:
        slot = a.tx_rings[0][0]
        assert slot.offset == 64
        a.send(frame(1))
        b.rxsync()
        slot = b.rx_rings[0][0]
        assert bytes(slot.data) == frame(1) and slot.offset == 64


def test_extra_buffers_swap_with_received_ones_and_come_back():
    free = module.free_buffers()
    with netmap.open("vale0:a", mem_id=1, extra_bufs=4, **SMALL) as a, netmap.open("vale0:b", mem_id=1, **SMALL) as b:
        assert len(a.extra_buffers) == 4
        for i, extra in enumerate(a.extra_buffers):
            b.send(to_all(i, 100))
            a.rxsync()
            ring = a.rx_rings[0]
            before = ring[ring.head].buf_idx, extra.buf_idx
            ring[ring.head].swap(extra)
            assert (extra.buf_idx, ring[ring.head].buf_idx) == before
            ring.advance()
            a.rxsync()
        assert [bytes(extra.buf[:100]) for extra in a.extra_buffers] == [to_all(i, 100) for i in range(4)]
    assert module.free_buffers() == free


def test_a_descriptor_can_be_waited_for():
    import select
    with netmap.open("vale0:a", **SMALL) as a, netmap.open("vale0:b", **SMALL) as b:
        fd = a.fileno()
        assert select.select([fd], [], [], 0.05)[0] == []
        b.send(to_all(1))
        assert select.select([fd], [], [], 5)[0] == [fd]
        assert a.receive() == [to_all(1)]
        assert select.select([fd], [], [], 0.05)[0] == []


def test_switches_are_listed_and_persistent_ports_made(veth):
    name, _ = veth()
    netmap.vale_newif("v9", tx_slots=8, rx_slots=8)
    try:
        netmap.vale_attach("vale3:v9")
        netmap.vale_attach(f"vale3:{name}", host=True)
        assert [port.name for port in netmap.vale_list()] == ["vale3:v9", f"vale3:{name}", f"vale3:{name}^"]
        with netmap.open("vale3:x", **SMALL) as x, links.packet_socket(name) as system:
            system.send(to_all(5))
            assert received(x, 1) == [to_all(5)]
        netmap.vale_detach(f"vale3:{name}")
        netmap.vale_detach("vale3:v9")
        assert netmap.vale_list() == []
    finally:
        netmap.vale_delif("v9")
    assert module.users() == 0
