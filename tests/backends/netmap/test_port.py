"""What a port of netmap does beside what every port must: on the stand-in."""
import gc

import pytest

from tests.backends.conformance import bodies, frame
from tests.backends.netmap.adapters import stand_in, with_nic
from tests.backends.netmap.handle import SW, opened
from usnet.backends import netmap
from usnet.backends.netmap.intercept import Intercept
from usnet.backends.netmap.opening import open_port
from usnet.backends.poller import OSPoller
from usnet.backends.ring import PortCaps

EBUSY, EINVAL, ENXIO = -16, -22, -6
TXSYNC = 0x6994
NS_BUF_CHANGED, NS_FORWARD, NS_INDIRECT = 1, 4, 0x10


@pytest.fixture
def ports():
    """Opens ports that are closed in the end."""
    made = []

    def make(name, device, **settings):
        made.append(open_port(name, device=device, **settings))
        return made[-1]
    yield make
    for port in made:
        port.close()


# Names, addresses, pools

def test_a_port_says_what_it_is(ports):
    device = with_nic()
    port = ports("em0", device, mtu=1400, mac="02:00:00:00:00:07")
    said = port.describe()
    assert (said["name"], said["mtu"], said["mac"]) == ("netmap:em0", 1400, "02:00:00:00:00:07")
    assert PortCaps.SWAP in port.caps and PortCaps.VNET_HDR not in port.caps
    assert port.device is device and port.request.name == "em0"


def test_ports_without_an_interface_have_an_address_made_from_their_name(ports):
    device = with_nic()
    addresses = [ports(name, device).mac for name in ("em0", "em0{1", "em0}1", "vale0:a", "vale0:b", "em0^")]
    assert len(set(addresses)) == 6 and all(a[0] & 3 == 2 for a in addresses)


def test_ports_of_one_region_have_one_pool_and_private_memory_is_another(ports):
    device, other = with_nic(), with_nic()
    nic, pipe, a, b = (ports(name, device) for name in ("em0", "em0{1", "vale0:a", "vale0:b"))
    assert nic.pool == pipe.pool and len({nic.pool, a.pool, b.pool, ports("em0", other).pool}) == 4


@pytest.mark.parametrize(("settings", "what"), [
    ({"slots": -1}, "slots"), ({"slots": (1, 2, 3)}, "slots"), ({"rings": "many"}, "rings"), ({"spares": -1}, "spares"), ({"mtu": 60}, "mtu"),
    ({"mac": "ff:ff:ff:ff:ff:ff"}, "mac"),
])
def test_settings_that_make_no_sense_are_refused(settings, what):
    with pytest.raises(ValueError, match=what):
        open_port("em0", device=with_nic(), **settings)


def test_what_netmap_refuses_is_an_oserror_that_says_what_to_do():
    with pytest.raises(OSError, match="em7"):
        open_port("em7", device=with_nic())
    with pytest.raises(OSError, match="no ring 5"):
        open_port("em0-5", device=with_nic())


# Rings

def test_each_ring_is_synced_alone(ports):
    device = stand_in()
    nic = device.nic("em0", tx_rings=2, rx_rings=4, tx_slots=16, rx_slots=16)
    port = ports("em0", device)
    assert (port.describe()["tx_slots"], port.describe()["rx_slots"]) == ([16] * 2, [16] * 4)
    for ring in range(4):
        nic.inject([frame(ring)], ring)
    assert port.rx_ring(2).sync() == 0
    assert [port.rx_ring(i).space for i in range(4)] == [0, 0, 1, 0]
    for i in (0, 1):
        port.tx_ring(i).write(0, frame(10 + i))
        port.tx_ring(i).advance()
    assert port.tx_ring(1).sync() == 0 and nic.sent() == [frame(11)]
    assert port.tx_ring(0).sync() == 0 and nic.sent() == [frame(10)]
    assert bodies(port.receive()) == [frame(0), frame(1), frame(2), frame(3)]
    with pytest.raises(IndexError):
        port.rx_ring(4)


def test_one_ring_of_a_nic_is_a_port(ports):
    device = stand_in()
    nic = device.nic("em0", tx_rings=2, rx_rings=2)
    one, zero = ports("em0-1", device), ports("em0-0", device)
    nic.inject([frame(1)], 1)
    nic.inject([frame(0)], 0)
    assert bodies(one.receive()) == [frame(1)] and bodies(zero.receive()) == [frame(0)]
    assert one.send(frame(5)) and nic.sent() == [frame(5)]


def test_more_rings_than_a_port_has_are_refused_with_advice():
    device = stand_in()
    device.nic("em0", tx_rings=17, rx_rings=17, tx_slots=8, rx_slots=8)
    with pytest.raises(ValueError, match="em0-1"):
        open_port("em0", device=device)
    open_port("em0-16", device=device).close()


def test_host_rings_carry_what_the_system_sends(ports):
    device = stand_in()
    nic = device.nic("em0")
    port = ports("em0^", device)
    ports("em0", device)                # netmap takes the system's frames only while the ring that they would leave by is open too
    nic.host_send([frame(1)])
    assert bodies(port.receive()) == [frame(1)]
    assert port.send(frame(2)) and nic.host_received() == [frame(2)]


def test_nic_and_host_rings_together_come_in_that_order(ports):
    device = stand_in()
    nic = device.nic("em0", tx_rings=2, rx_rings=2)
    port = ports("em0*", device)
    assert len(port.describe()["rx_slots"]) == 3
    nic.host_send([frame(1)])
    nic.inject([frame(2)], 1)
    port.sync()
    assert [port.rx_ring(i).space for i in range(3)] == [0, 1, 1]
    assert port.send(frame(3), 2) and nic.host_received() == [frame(3)] and nic.sent() == []


def test_a_pipe_is_made_with_as_many_rings_as_are_wished_for(ports):
    device = with_nic()
    left, right = (ports(name, device, rings=2, slots=(8, 16)) for name in ("em0{x", "em0}x"))
    assert left.describe()["tx_slots"] == [8, 8] and len(right.describe()["rx_slots"]) == 2
    assert left.send(frame(1), 1)
    assert right.rx_ring(0).sync() == 0 and right.rx_ring(0).space == 0
    assert bodies(right.receive()) == [frame(1)]


# Buffers

def test_a_frame_is_forwarded_between_two_nics_without_a_copy(ports):
    device = stand_in()
    left, right = device.nic("em0"), device.nic("em1")
    a, b = ports("em0", device), ports("em1", device)
    assert a.pool == b.pool
    for i in range(600):                        # more than twice around the rings
        left.inject([frame(i, 80)])
        rx, tx = a.rx_ring(), b.tx_ring()
        assert rx.sync() == 0 and rx.space == 1
        mine, theirs = rx.slot(rx.head), tx.slot(tx.head)
        rx.set_slot(rx.head, buf_idx=theirs.buf_idx, flags=NS_BUF_CHANGED)
        tx.set_slot(tx.head, buf_idx=mine.buf_idx, len=mine.len, flags=NS_BUF_CHANGED)
        rx.advance()
        tx.advance()
        assert (rx.sync(), tx.sync()) == (0, 0)
        assert right.sent() == [frame(i, 80)]


def test_a_swapped_buffer_is_the_drivers_also_where_the_flag_was_forgotten(ports):
    device = stand_in()
    nic = device.nic("em0")
    port = ports("em0", device, spares=1)
    ring = port.tx_ring()
    ring.set_slot(ring.head, buf_idx=port.spare_buffers[0])
    ring.write(ring.head, frame(9))
    ring.advance()
    assert ring.sync() == 0 and nic.sent() == [frame(9)]


def test_spare_buffers_go_back_at_close_each_once(ports):
    device = with_nic()
    ports("em0^", device)                               # keeps the region alive
    free = device.pools()["buf"][2]
    port = open_port("em0", device=device, spares=10)
    assert len(set(port.spare_buffers)) == 10 and device.pools()["buf"][2] == free - 512 - 10
    rx = port.rx_ring()
    rx.set_slot(3, buf_idx=port.spare_buffers[0])       # the one that was in the slot is lost, but none is given back twice
    port.close()
    assert device.pools()["buf"][2] == free - 1
    again = ports("em0", device, spares=10)
    indices = again.spare_buffers + [r.slot(i).buf_idx for r in (again.rx_ring(), again.tx_ring()) for i in range(256)]
    assert len(set(indices)) == len(indices) == 522


def test_fewer_spare_buffers_may_be_given(ports):
    spares = ports("em0", with_nic(), spares=100_000).spare_buffers
    assert 0 < len(spares) < 100_000


def test_a_closed_port_can_still_be_looked_at(ports):
    port = ports("em0", with_nic())
    tx, rx = port.tx_ring(), port.rx_ring()
    port.close()
    assert (tx.space, rx.space, tx.sync()) == (0, 0, ENXIO)
    with pytest.raises(IndexError):
        rx.read(0)
    with pytest.raises(ValueError, match="closed"):
        port.fileno()


def test_no_indirect_buffer_and_no_forwarding_flag_reaches_the_module(ports):
    device = stand_in()
    port, far = ports("vale0:a", device), ports("vale0:b", device)
    ring = port.tx_ring()
    ring.write(ring.head, frame(1), flags=NS_INDIRECT | NS_FORWARD)
    ring.advance()
    assert ring.sync() == 0 and bodies(far.receive()) == [frame(1)]


def test_a_frame_is_not_written_into_a_buffer_outside_of_the_pool(ports):
    port = ports("em0", with_nic())
    ring = port.tx_ring()
    ring.set_slot(ring.head, buf_idx=2**31)
    with pytest.raises(IndexError, match="buffer"):
        port.send(frame(1))
    ring.head = 2**31
    with pytest.raises(OSError, match="Invalid argument"):
        port.send(frame(1))
    assert port.send(frame(1))


# Offsets

def test_frames_begin_at_the_offset_and_the_room_is_what_lies_behind_it(ports):
    device = stand_in()
    nic = device.nic("em0")
    port = ports("em0", device, offsets=128)
    nic.inject([frame(1, 1000)])
    ring = port.rx_ring()
    assert ring.sync() == 0 and ring.offset(ring.head) == 128 and ring.room(ring.head) == 2048 - 128
    assert bodies(port.receive()) == [frame(1, 1000)]
    assert port.send(frame(2, 1500)) and nic.sent() == [frame(2, 1500)]


@pytest.mark.parametrize(("length", "offset"), [(2048 - 127, 128), (60, 129), (60, 2**40)])
def test_an_offset_beyond_the_largest_or_a_frame_beyond_the_buffer_is_refused(ports, length, offset):
    device = stand_in()
    nic = device.nic("em0")
    port = ports("em0", device, offsets=128)
    ring = port.tx_ring()
    ring.set_slot(ring.head, len=length, offset=offset)
    ring.advance()
    assert ring.sync() == EINVAL and nic.sent() == []
    assert port.send(frame(3)) and nic.sent() == [frame(3)]


# The virtio-net header

def with_header(name, length, device):
    """A port of a switch has a header from its making to its end: whoever makes it holds it until the one under test is open."""
    made = netmap.open(name, device)
    netmap.port_hdr_set(name, length, device)
    return made


def little(*numbers):
    return b"".join(n.to_bytes(2, "little") for n in numbers)


@pytest.fixture
def headed(ports):
    """(a port with a header of `length` bytes, the binding's port at the other end, with the same)"""
    raws = []

    def make(length=12, **parameters):
        device = stand_in(**parameters)
        with with_header("vale0:a", length, device):
            port = ports("vale0:a", device)
        raws.append(with_header("vale0:b", length, device))
        return port, raws[-1]
    yield make
    for raw in raws:
        raw.close()


def test_the_header_is_hidden_and_becomes_the_meta(headed):
    port, raw = headed()
    assert PortCaps.VNET_HDR in port.caps
    raw.send(bytes([1, 1]) + little(54, 1400, 34, 16, 0) + frame(1, 200))
    ring = port.rx_ring()
    assert ring.sync() == 0 and ring.space == 1
    meta = ring.meta(ring.head)
    assert (meta["flags"], meta["gso_type"], meta["gso_size"], meta["hdr_len"]) == (1, 1, 1400, 54)
    assert (meta["csum_start"], meta["csum_offset"]) == (34, 16)
    assert ring.slot(ring.head).len == 200 and ring.read(ring.head) == frame(1, 200)
    assert port.statistics()["rx_bytes"] == 200


@pytest.mark.parametrize("length", [10, 12])
def test_the_meta_becomes_the_header(headed, length):
    port, raw = headed(length)
    tx = port.tx_ring()
    assert tx.room(tx.head) == 2048 - length
    tx.write(tx.head, frame(2, 300))
    tx.set_meta(tx.head, flags=1, csum_start=34, csum_offset=6, gso_size=500, gso_type=3, hdr_len=42)
    tx.advance()
    assert tx.sync() == 0
    header = (bytes([1, 3]) + little(42, 500, 34, 6, 0))[:length]
    assert [bytes(f) for f in raw.receive()] == [header + frame(2, 300)]
    assert port.statistics()["tx_bytes"] == 300


def test_a_frame_with_a_header_may_span_slots(headed):
    port, raw = headed(buf_size=256)
    expected = [frame(1, 1000), frame(2, 244), frame(3, 245), frame(4, 256)]
    assert all(port.send(f) for f in expected)
    assert [bytes(f) for f in raw.receive()] == [bytes(12) + f for f in expected]
    for f in expected:
        raw.send(bytes(12) + f)
    assert bodies(port.receive()) == expected


def test_headers_are_written_and_read_anew_each_time_around_the_ring(ports):
    device = stand_in()
    with with_header("vale0:a", 12, device), with_header("vale0:b", 12, device):
        a, b = (ports(name, device) for name in ("vale0:a", "vale0:b"))
    tx, rx = a.tx_ring(), b.rx_ring()
    for i in range(2500):
        tx.write(tx.head, frame(i, 60 + i % 1000))
        tx.set_meta(tx.head, flags=i % 2, csum_start=i % 2 and i)
        tx.advance()
        assert tx.sync() == 0 and rx.sync() == 0
        assert rx.read(rx.head) == frame(i, 60 + i % 1000)
        assert (rx.meta(rx.head)["flags"], rx.meta(rx.head)["csum_start"]) == (i % 2, i % 2 and i)
        rx.advance()


def test_a_received_buffer_with_its_offset_goes_out_by_swapping(headed):
    port, raw = headed()
    raw.send(bytes([1, 0]) + little(0, 0, 14, 2, 0) + frame(1, 99))
    rx, tx = port.rx_ring(), port.tx_ring()
    assert rx.sync() == 0
    mine, offset = rx.slot(rx.head), rx.offset(rx.head)
    theirs = tx.slot(tx.head).buf_idx
    tx.set_slot(tx.head, buf_idx=mine.buf_idx, len=mine.len, flags=NS_BUF_CHANGED, offset=offset)
    tx.set_meta(tx.head, **{name: rx.meta(rx.head)[name] for name in ("flags", "csum_start", "csum_offset")})
    rx.set_slot(rx.head, buf_idx=theirs, flags=NS_BUF_CHANGED)
    tx.advance()
    rx.advance()
    assert (tx.sync(), rx.sync()) == (0, 0)
    assert [bytes(f) for f in raw.receive()] == [bytes([1, 0]) + little(0, 0, 14, 2, 0) + frame(1, 99)]


def test_a_frame_that_leaves_no_room_for_its_header_is_refused(headed):
    port, raw = headed()
    ring = port.tx_ring()
    ring.set_slot(ring.head, len=2048 - 11)
    ring.advance()
    assert ring.sync() == EINVAL and list(raw.receive()) == []
    assert port.send(frame(1)) and [bytes(f) for f in raw.receive()] == [bytes(12) + frame(1)]


def test_offsets_and_a_header_do_not_go_together():
    device = stand_in()
    with with_header("vale0:a", 12, device), pytest.raises((ValueError, OSError)):
        open_port("vale0:a", device=device, offsets=64)


def test_a_sync_that_was_refused_leaves_frames_as_they_were_for_the_next(ports):
    inner, refuse = stand_in(), []
    device = Intercept(inner, lambda call, fd, *details: EBUSY if refuse and call == "ioctl" and details[0] == TXSYNC else None)
    with with_header("vale0:a", 12, inner), with_header("vale0:b", 12, inner) as far:
        port = ports("vale0:a", device)
        tx = port.tx_ring()
        tx.write(tx.head, frame(1, 200))
        tx.advance()
        refuse.append(True)
        assert [tx.sync(), tx.sync()] == [EBUSY, EBUSY]
        refuse.clear()
        assert tx.sync() == 0
        assert [bytes(f) for f in far.receive()] == [bytes(12) + frame(1, 200)]
        assert port.statistics()["tx_bytes"] == 200


def test_slots_that_come_back_while_the_port_is_waited_for_may_be_filled_at_once():
    """Waiting polls, and polling syncs: the ring has room before the next sync, and its user fills what it sees."""
    device = stand_in()
    with open_port("p{1", device=device, slots=4) as near, open_port("p}1", device=device, slots=4) as far, OSPoller() as poller:
        poller.add_port(near)
        ring = near.tx_ring()
        got = []
        for i in range(0, 30, 3):
            for n in range(i, i + 3):
                ring.write(ring.head, frame(n))
                ring.advance()
            assert ring.sync() == 0 and ring.space == 0
            got += [f for f, _ in far.receive()]
            far.receive()               # gives the slots back
            assert poller.wait(poller.clock.now() + 1_000_000_000)
            assert ring.space == 3
        assert got == [frame(n) for n in range(30)]
        assert near.statistics()["ring_resets"] == 0


# The end

class Holder:
    """Holds itself and others: nothing but the garbage collector ends it."""

    def __init__(self, *others):
        self.others = [self, *others]


def mapping_of_a_closed_descriptor(device):
    handle = opened(device, "em0")
    handle.close()
    return handle.memory


@pytest.mark.parametrize("what", [
    lambda device: open_port("em0", device=device, spares=3),
    lambda device: open_port("em0", device=Intercept(device, lambda call, fd, *details: None)),
    lambda device: netmap.open("em0", device),
    lambda device: (lambda port: (port, port.rx_rings[0].slots, port.buffer(5)))(netmap.open("em0", device)),
    mapping_of_a_closed_descriptor,
], ids=["port", "port on an intercepted device", "binding", "views", "mapping"])
def test_the_garbage_collector_ends_what_was_left_open_in_any_order(what):
    device = with_nic()
    keeper = opened(device, "em0", SW)
    start = device.pools()
    made = what(device)
    Holder(made, device)
    del made
    gc.collect()
    assert device.pools() == start
    keeper.close()
