"""VALE switches of the stand-in: where frames go, what is dropped, and who may be on a switch."""
import ctypes
import errno
from pathlib import Path

import pytest

from tests.backends.netmap.handle import (
    ALL_NIC,
    INDIRECT,
    MOREFRAG,
    NIC_SW,
    NO_LEARN,
    PORT_INFO_GET,
    U16,
    U32,
    Handle,
    Offsets,
    PortInfo,
    Register,
    frame,
    opened,
    structure,
)
from usnet.backends.netmap.standin.kernel import StandIn

ATTACH, DETACH, LIST, NEWIF, DELIF, POLL_ON, POLL_OFF = 3, 4, 5, 8, 9, 10, 11
ALL = b"\xff" * 6

Attach = structure("Attach", reg=Register, port=U32, pad=U32)
Detach = structure("Detach", port=U32, pad=U32)
List = structure("List", bridge=U16, pad=U16, port=U32)
NewIf = structure("NewIf", tx_slots=U32, rx_slots=U32, tx_rings=U16, rx_rings=U16, mem_id=U16, pad=U16)
Polling = structure("Polling", mode=U32, first=U32, n=U32, pad=U32)


def mac(number):
    return bytes([2, 0, 0, 0, 0, number])


def eth(to, by, number=0, size=60):
    return (to if isinstance(to, bytes) else mac(to)) + (by if isinstance(by, bytes) else mac(by)) + frame(number, size - 12)


def ports(kernel, n, **wish):
    return [opened(kernel, f"vale0:p{i}", **wish) for i in range(n)]


def send(port, *frames):
    port.tx.put(*frames)
    assert port.txsync() == 0


def received(port):
    assert port.rxsync() == 0
    found = port.rx.get()
    assert port.rxsync() == 0
    return found


def request(kernel, kind, name, body=None):
    handle = Handle(kernel)
    status = handle.control(kind, name, body)
    handle.close()
    return status


def attach(kernel, name, mode=ALL_NIC, **fields):
    return request(kernel, ATTACH, name, Attach(reg=Register(mode=mode, **fields)))


@pytest.fixture
def kernel():
    return StandIn()


# Where frames go ----------------------------------------------------------------------------------------------------------


def test_a_frame_for_nobody_known_goes_to_all_but_its_sender(kernel):
    a, b, c = ports(kernel, 3)
    data = eth(9, 1)
    send(a, data)
    assert [received(port) for port in (a, b, c)] == [[], [data], [data]]


def test_a_frame_for_a_known_address_goes_there_alone(kernel):
    a, b, c = ports(kernel, 3)
    send(b, eth(9, 2))
    for port in (a, c):
        received(port)
    data = eth(2, 1)
    send(a, data)
    assert [received(port) for port in (a, b, c)] == [[], [data], []]


@pytest.mark.parametrize("to", [ALL, b"\x33\x33\0\0\0\1"])
def test_group_addresses_go_to_all(kernel, to):
    a, b, c = ports(kernel, 3)
    send(a, eth(to, 1))
    assert [len(received(port)) for port in (a, b, c)] == [0, 1, 1]


def test_a_frame_for_the_sender_s_own_port_goes_nowhere(kernel):
    a, b = ports(kernel, 2)
    send(a, eth(ALL, 1), eth(1, 3))
    assert received(b) == [eth(ALL, 1)]


def test_an_address_moves_with_its_last_sender(kernel):
    a, b, c = ports(kernel, 3)
    send(b, eth(ALL, 5))
    send(c, eth(ALL, 5))
    for port in (a, b, c):
        received(port)
    send(a, eth(5, 1))
    assert [len(received(port)) for port in (b, c)] == [0, 1]


def test_a_port_that_sends_on_from_one_address_does_not_win_it_back(kernel):
    a, b, c = ports(kernel, 3)
    send(b, eth(ALL, 5))
    send(c, eth(ALL, 5))
    send(b, eth(ALL, 5))                # the address that it sent from last: not looked at
    for port in (a, b, c):
        received(port)
    send(a, eth(5, 1))
    assert [len(received(port)) for port in (b, c)] == [0, 1]
    send(b, eth(ALL, 6), eth(ALL, 5))
    for port in (a, c):
        received(port)
    send(a, eth(5, 1))
    assert [len(received(port)) for port in (b, c)] == [1, 0]


def test_group_addresses_as_senders_are_not_learnt_and_no_learn_is(kernel):
    a, b, c = ports(kernel, 3)
    b.tx.write(0, eth(ALL, 2), NO_LEARN)
    b.tx.set(1)
    b.txsync()
    send(c, eth(ALL, b"\x03\0\0\0\0\3"))
    for port in (a, b, c):
        received(port)
    send(a, eth(2, 1))
    assert [len(received(port)) for port in (b, c)] == [1, 0]


def test_addresses_with_the_same_hash_displace_each_other(kernel):
    first, second = mac(15), mac(32)     # both have entry 984
    a, b, c = ports(kernel, 3)
    send(b, eth(ALL, first))
    send(c, eth(ALL, second))
    for port in (a, b, c):
        received(port)
    send(a, eth(first, 1))
    assert [len(received(port)) for port in (b, c)] == [1, 1]


def test_who_has_left_is_sent_nothing_until_somebody_else_has_its_number(kernel):
    a, b = ports(kernel, 2)
    send(b, eth(ALL, 2))
    received(a)
    c = opened(kernel, "vale0:c")
    b.close()
    send(a, eth(2, 1))
    assert received(c) == []
    d = opened(kernel, "vale0:d")
    send(a, eth(2, 1))
    assert [len(received(port)) for port in (c, d)] == [0, 1]


def test_runts_are_dropped(kernel):
    a, b = ports(kernel, 2)
    send(a, eth(ALL, 1)[:13], eth(ALL, 1)[:14])
    assert received(b) == [eth(ALL, 1)[:14]]


def test_frames_keep_their_order_though_some_are_for_one_and_some_for_all(kernel):
    a, b, c = ports(kernel, 3)
    send(b, eth(ALL, 2))
    received(a)
    received(c)
    sent = [eth(2 if i % 3 else ALL, 1, i) for i in range(40)]
    send(a, *sent)
    assert received(b) == sent
    assert received(c) == sent[::3]


def test_a_batch_may_be_as_small_as_one_frame():
    kernel = StandIn(bridge_batch=1)
    a, b = ports(kernel, 2)
    sent = [eth(ALL, 1, i) for i in range(10)]
    send(a, *sent)
    assert received(b) == sent


def test_without_batches_all_is_dropped():
    kernel = StandIn(bridge_batch=0)
    a, b = ports(kernel, 2)
    send(a, eth(ALL, 1))
    assert a.tx.state == (1, 1, 0)
    assert received(b) == []


def test_switches_know_nothing_of_each_other(kernel):
    a, b = opened(kernel, "vale0:a"), opened(kernel, "vale1:b")
    send(a, eth(ALL, 1))
    assert received(b) == []


# Rings and slots ----------------------------------------------------------------------------------------------------------


def test_a_sync_takes_all_and_gives_the_slots_back_at_once(kernel):
    a, b = ports(kernel, 2, tx_slots=16, rx_slots=16)
    send(a, *[eth(ALL, 1, i) for i in range(15)])
    assert a.tx.state == (15, 15, 14)
    assert b.rx.state == (0, 0, 0)
    b.rxsync()
    assert b.rx.state == (0, 0, 15)


def test_what_finds_no_room_is_dropped_and_the_first_come_stay(kernel):
    a, b = ports(kernel, 2, tx_slots=32, rx_slots=8)
    sent = [eth(ALL, 1, i) for i in range(20)]
    send(a, *sent)
    assert received(b) == sent[:7]
    send(a, *sent[:3])
    assert received(b) == sent[:3]


def fragments(port, *frames):
    """Each frame is a tuple of its slots' bytes."""
    for parts in frames:
        for i, part in enumerate(parts):
            port.tx.write(port.tx.head, part, MOREFRAG if i < len(parts) - 1 else 0)
            port.tx.advance()
    assert port.txsync() == 0


def test_a_frame_of_several_slots_stays_whole_and_says_how_many(kernel):
    a, b = ports(kernel, 2)
    fragments(a, (eth(ALL, 1), b"x" * 100, b"y" * 7), (eth(ALL, 1),))
    b.rxsync()
    assert b.rx.tail == 4
    assert [b.rx.slots[i].flags for i in range(4)] == [0x300 | MOREFRAG, 0x300 | MOREFRAG, 0x300, 0x100]
    assert b.rx.get() == [eth(ALL, 1), b"x" * 100, b"y" * 7, eth(ALL, 1)]


def test_a_frame_that_does_not_fit_whole_is_dropped_with_all_after_it(kernel):
    a, b = ports(kernel, 2, tx_slots=32, rx_slots=8)
    fragments(a, (eth(ALL, 1, 1), b"1"), (eth(ALL, 1, 2), b"2", b"2"), (eth(ALL, 1, 3), b"3", b"3"), (eth(ALL, 1, 4),))
    b.rxsync()
    assert b.rx.tail == 5
    fragments(a, (eth(ALL, 1, 5), b"5"))
    b.rxsync()
    assert b.rx.tail == 7


def test_a_frame_that_head_cuts_short_goes_as_far_as_it_goes(kernel):
    a, b = ports(kernel, 2)
    a.tx.write(0, eth(ALL, 1), MOREFRAG)
    a.tx.write(1, b"more", MOREFRAG)
    a.tx.set(2)
    a.txsync()
    b.rxsync()
    assert [b.rx.slots[i].flags for i in range(2)] == [0x200 | MOREFRAG, 0x200]
    assert b.rx.tail == 2


def test_a_length_beyond_the_buffer_drops_the_frame(kernel):
    a, b = ports(kernel, 2)
    a.tx.write(0, eth(ALL, 1), length=2049)
    a.tx.write(1, eth(ALL, 1), length=2048)
    a.tx.set(2)
    a.txsync()
    b.rxsync()
    assert [b.rx.slots[i].len for i in range(b.rx.tail)] == [2048]


def test_a_frame_goes_to_the_ring_of_the_same_number_and_group_frames_to_the_first(kernel):
    a = opened(kernel, "vale0:a", tx_rings=4, rx_rings=4)
    b = opened(kernel, "vale0:b", tx_rings=1, rx_rings=2)
    send(b, eth(ALL, 2))
    for i in range(4):
        a.ring(i).put(eth(2, 1, i), eth(ALL, 1, 10 + i))
    a.txsync()
    b.rxsync()
    rings = [b.ring(b.nifp.tx_rings + 1 + i).get() for i in range(2)]
    ones = [eth(2, 1, i) for i in range(4)]
    alls = [eth(ALL, 1, 10 + i) for i in range(4)]
    # What is for all goes to the first ring, and once more with frames for ring 1, 2 or 3 in the same batch, wherever those go
    assert rings == [[ones[0], alls[0], alls[1], ones[2], alls[2], alls[2], alls[3]], [ones[1], alls[1], ones[3], alls[3]]]


def test_bytes_at_the_user_s_own_address_are_sent(kernel):
    a, b = ports(kernel, 2)
    place = ctypes.create_string_buffer(200)
    at = (ctypes.addressof(place) + 63) // 64 * 64
    ctypes.memmove(at, eth(ALL, 1, 7), 60)
    a.tx.slots[0].ptr = at
    a.tx.slots[0].len = 60
    a.tx.slots[0].flags = INDIRECT
    a.tx.slots[1].ptr = 0
    a.tx.slots[1].len = 60
    a.tx.slots[1].flags = INDIRECT      # nowhere: dropped
    a.tx.set(2)
    a.txsync()
    assert received(b) == [eth(ALL, 1, 7)]


def test_offsets_of_sender_and_receiver_may_differ(kernel):
    a, b = Handle(kernel), Handle(kernel)
    sender, receiver = Offsets(reqtype=5, max_offset=256, initial=10, size=56), Offsets(reqtype=5, max_offset=256, initial=100, size=56)
    assert a.register("vale0:a", options=(sender,)) == 0
    assert b.register("vale0:b", options=(receiver,)) == 0
    send(a, eth(ALL, 1, 1))
    b.rxsync()
    assert b.rx.slots[0].ptr == 64 + 10         # as the sender's against lines of 64 bytes, though that is before the receiver's own
    assert received(b) == [eth(ALL, 1, 1)]
    send(b, eth(ALL, 2, 2))
    a.rxsync()
    assert a.rx.slots[0].ptr == 64 + 100 % 64   # on a later line where the sender's is farther into its own
    assert received(a) == [eth(ALL, 2, 2)]


def test_ports_have_memory_of_their_own(kernel):
    a, b = ports(kernel, 2)
    assert a.answer.mem_id != b.answer.mem_id
    assert (a.nifp.flags & 1, b.nifp.flags & 1) == (1, 1)
    assert (a.answer.tx_slots, a.answer.rx_slots, a.answer.tx_rings, a.answer.host_tx_rings) == (1024, 1024, 1, 0)


def test_two_may_share_memory(kernel):
    kernel.nic("eth0")
    a = opened(kernel, "vale0:a", mem_id=1)
    assert a.answer.mem_id == 1
    assert Handle(kernel).register("vale0:b", mem_id=99) == -errno.EINVAL


def test_wishes_are_brought_into_bounds(kernel):
    body = PortInfo(tx_rings=20, rx_rings=2, tx_slots=5000, rx_slots=3)
    assert request(kernel, PORT_INFO_GET, "vale0:x", body) == 0
    assert (body.tx_rings, body.rx_rings, body.tx_slots, body.rx_slots) == (16, 2, 4096, 3)
    assert request(kernel, LIST, "vale0:x", List()) == -errno.ENOENT       # made for the moment of the call


def test_a_name_is_a_switch_a_colon_and_a_port(kernel):
    for name in ("vale0", "vale:", "vale-x:p", "vale0:a234567890123456", "vale5678901234567:p"):
        status = Handle(kernel).register(name)
        assert status == (0 if name == "vale:" else -errno.ENOMEM), name
    assert Handle(kernel).register("val0:p") == 0          # three letters suffice


def test_there_are_as_many_switches_as_the_parameter_says(kernel):
    keep = [opened(kernel, f"vale{i}:p", tx_slots=4, rx_slots=4) for i in range(8)]
    assert Handle(kernel).register("vale8:p") == -errno.ENOMEM
    keep[3].close()
    opened(kernel, "vale8:p")
    opened(StandIn(max_bridges=1), "valeX:p")
    few = StandIn(max_bridges=1)
    opened(few, "valeX:p")
    assert Handle(few).register("valeY:p") == -errno.ENOMEM


def test_a_switch_has_at_most_252_ports(kernel):
    keep = [opened(kernel, f"vale0:p{i}", tx_slots=4, rx_slots=4) for i in range(252)]
    assert Handle(kernel).register("vale0:more") == -errno.ENOMEM
    assert opened(kernel, "vale0:p7").answer.mem_id == keep[7].answer.mem_id


# Interfaces on a switch ---------------------------------------------------------------------------------------------------


def listed(kernel):
    handle, body, found = Handle(kernel), List(), []
    while True:
        raw = bytearray(body)
        status, name = kernel.call_control(handle.fd, LIST, b"", raw)
        if status:
            assert status == -errno.ENOENT
            handle.close()
            return found
        body = List.from_buffer_copy(raw)
        found.append((name.decode(), body.bridge, body.port))
        body.port += 1


def test_ports_are_listed_by_number_and_found_by_name(kernel):
    keep = [opened(kernel, name, tx_slots=4, rx_slots=4) for name in ("vale0:a", "vale0:b", "valeZ:c", "vale0:d")]
    keep[0].close()
    assert listed(kernel) == [("vale0:b", 0, 1), ("vale0:d", 0, 2), ("valeZ:c", 1, 0)]
    body = List()
    assert request(kernel, LIST, "vale0:d", body) == 0
    assert (body.bridge, body.port) == (0, 2)
    assert request(kernel, LIST, "valeZ:none", body) == 0
    assert (body.bridge, body.port) == (1, 255)
    assert request(kernel, LIST, "vale1:d", body) == -errno.ENOENT
    assert request(kernel, LIST, "eth0", body) == -errno.EINVAL


def test_a_persistent_port_is_made_attached_and_used(kernel):
    body = NewIf(tx_rings=2, rx_slots=64)
    assert request(kernel, NEWIF, "v0", body) == 0
    assert (body.tx_rings, body.rx_rings, body.tx_slots, body.rx_slots) == (2, 1, 1024, 64)
    assert body.mem_id > 1
    assert request(kernel, NEWIF, "v0", NewIf()) == -errno.EEXIST
    a = opened(kernel, "vale0:a")
    assert attach(kernel, "vale0:v0") == 0
    assert attach(kernel, "vale0:v0") == -errno.EBUSY
    v = opened(kernel, "v0")
    send(a, eth(ALL, 1))
    assert received(v) == [eth(ALL, 1)]
    send(v, eth(1, 2))
    assert received(a) == [eth(1, 2)]
    assert request(kernel, DELIF, "v0") == -errno.EBUSY
    v.close()
    # Registering has renamed the port to its interface, so that the switch finds it no more: nobody gets it out, as with the module
    assert request(kernel, DETACH, "vale0:v0", Detach()) == -errno.ENXIO
    assert request(kernel, DELIF, "v0") == -errno.EBUSY


def test_a_persistent_port_that_nobody_opened_is_detached_and_removed(kernel):
    request(kernel, NEWIF, "v0", NewIf())
    opened(kernel, "vale0:a")
    assert attach(kernel, "vale0:v0") == 0
    body = Detach()
    assert request(kernel, DETACH, "vale0:v0", body) == 0
    assert body.port == 1
    assert request(kernel, DETACH, "vale0:v0", body) == -errno.ENXIO
    assert request(kernel, DELIF, "v0") == 0
    assert request(kernel, DELIF, "v0") == -errno.ENXIO


def test_a_persistent_port_on_no_switch_sends_into_the_void(kernel):
    request(kernel, NEWIF, "v0", NewIf())
    v = opened(kernel, "v0")
    send(v, eth(ALL, 1))
    assert v.tx.state == (1, 1, 0)
    assert received(v) == []


@pytest.mark.parametrize(("name", "status"), [
    ("vale0:x", -errno.EINVAL), ("vale", -errno.EINVAL), ("a234567890123456", -errno.EINVAL), ("a/b", -errno.EINVAL), ("eth0", -errno.EEXIST),
    ("a23456789012345", 0),
])
def test_names_of_persistent_ports(kernel, name, status):
    kernel.nic("eth0")
    assert request(kernel, NEWIF, name, NewIf()) == status


def test_only_persistent_ports_are_removed(kernel):
    kernel.nic("eth0")
    assert request(kernel, DELIF, "eth0") == -errno.EINVAL
    keep = opened(kernel, "auto{1")
    assert request(kernel, DELIF, "auto") == -errno.EINVAL
    keep.close()


def test_ports_made_by_registering_are_neither_attached_nor_detached(kernel):
    keep = opened(kernel, "vale0:a")
    assert attach(kernel, "vale0:a") == -errno.EBUSY
    assert request(kernel, DETACH, "vale0:a", Detach()) == -errno.EBUSY
    assert attach(kernel, "vale0:nobody") == -errno.EINVAL
    assert request(kernel, DETACH, "vale0:nobody", Detach()) == -errno.ENXIO
    assert attach(kernel, "eth0") == -errno.EINVAL
    assert request(kernel, DETACH, "eth0", Detach()) == -errno.EINVAL
    send(keep, eth(ALL, 1))


def test_a_nic_on_a_switch_keeps_the_rings_and_the_memory_that_it_was_attached_with(kernel):
    """The module believes that nobody has it open, takes new numbers over, and runs past the end of its krings."""
    kernel.nic("eth0")
    keep = opened(kernel, "vale0:a")
    assert attach(kernel, "vale0:eth0") == 0
    info = PortInfo(host_tx_rings=50, host_rx_rings=50, mem_id=keep.answer.mem_id)
    assert request(kernel, PORT_INFO_GET, "eth0", info) == 0
    assert (info.host_tx_rings, info.host_rx_rings, info.mem_id) == (1, 1, 1)
    assert request(kernel, DETACH, "vale0:eth0", Detach()) == 0


def test_a_nic_on_a_switch_passes_frames_both_ways(kernel):
    nic = kernel.nic("eth0")
    a = opened(kernel, "vale0:a")
    assert attach(kernel, "vale0:eth0") == 0
    nic.inject([eth(ALL, 3, 1), eth(ALL, 3, 2)])
    assert received(a) == [eth(ALL, 3, 1), eth(ALL, 3, 2)]
    send(a, eth(3, 1, 3), eth(ALL, 1, 4))
    assert nic.sent() == [eth(3, 1, 3), eth(ALL, 1, 4)]
    assert nic.host_received() == []
    assert nic.inject([eth(ALL, 3, i) for i in range(1000)]) == 1000
    assert len(received(a)) == 1000
    send(a, *[eth(3, 1, i) for i in range(900)])
    assert nic.sent() == [eth(3, 1, i) for i in range(3 * 255)]        # its ring is filled three times, as long as it empties


def test_the_system_behind_a_nic_stays_on_the_switch_when_asked_for(kernel):
    nic = kernel.nic("eth0")
    a = opened(kernel, "vale0:a")
    assert attach(kernel, "vale0:eth0", NIC_SW) == 0
    assert listed(kernel) == [("vale0:a", 0, 0), ("vale0:eth0", 0, 1), ("vale0:eth0^", 0, 2)]
    nic.host_send([eth(ALL, 4, 1)])
    assert received(a) == [eth(ALL, 4, 1)]
    assert nic.sent() == [eth(ALL, 4, 1)]
    nic.inject([eth(4, 3, 2)])
    assert nic.host_received() == [eth(4, 3, 2)]
    assert received(a) == []
    send(a, eth(3, 1, 3), eth(4, 1, 4))
    assert (nic.sent(), nic.host_received()) == ([eth(3, 1, 3)], [eth(4, 1, 4)])


def test_a_nic_on_a_switch_is_nobody_else_s(kernel):
    kernel.nic("eth0")
    assert Handle(kernel).register("vale0:eth0") == -errno.EINVAL
    user = opened(kernel, "eth0")
    assert attach(kernel, "vale0:eth0") == -errno.EBUSY
    user.close()
    assert attach(kernel, "vale0:eth0") == 0
    for name in ("eth0", "vale0:eth0", "eth0{1"):
        assert Handle(kernel).register(name) == -errno.EBUSY, name
    assert attach(kernel, "vale0:eth0") == -errno.EBUSY
    assert attach(kernel, "vale1:eth0") == -errno.EBUSY
    assert request(kernel, DETACH, "vale0:eth0", Detach()) == 0
    assert listed(kernel) == []
    opened(kernel, "eth0")


@pytest.mark.parametrize("fields", [{"mode": 4}, {"mode": 0}, {"mode": 2}, {"ringid": 1}])
def test_a_nic_is_attached_with_all_its_rings(kernel, fields):
    kernel.nic("eth0", tx_rings=2, rx_rings=2)
    assert attach(kernel, "vale0:eth0", **fields) == -errno.EINVAL
    assert listed(kernel) == []
    assert attach(kernel, "vale0:eth0") == 0


def test_detaching_gives_the_nic_back_to_the_system(kernel):
    nic = kernel.nic("eth0")
    attach(kernel, "vale0:eth0", NIC_SW)
    nic.inject([eth(1, 2)])
    assert request(kernel, DETACH, "vale0:eth0", Detach()) == 0
    nic.host_received()
    nic.sent()
    nic.inject([eth(1, 2)])
    nic.host_send([eth(2, 1)])
    assert (nic.host_received(), nic.sent()) == ([eth(1, 2)], [eth(2, 1)])


def test_two_nics_are_bridged_ring_by_ring(kernel):
    one, two = kernel.nic("eth0", tx_rings=2, rx_rings=2), kernel.nic("eth1", tx_rings=2, rx_rings=2)
    attach(kernel, "vale0:eth0")
    attach(kernel, "vale0:eth1")
    two.inject([eth(ALL, 2)])
    one.sent()
    one.inject([eth(2, 1, 1)], 1)
    one.inject([eth(2, 1, 2)], 0)
    assert two.sent() == [eth(2, 1, 1), eth(2, 1, 2)]
    assert one.sent() == []


def test_the_end_of_a_kernel_ends_what_is_attached():
    def life():
        kernel = StandIn()
        kernel.nic("eth0")
        request(kernel, NEWIF, "v0", NewIf())
        attach(kernel, "vale0:eth0", NIC_SW)
        attach(kernel, "vale0:v0")
        request(kernel, POLL_ON, "vale0:eth0", Polling(mode=1, n=1))

    def pages():
        return int(Path("/proc/self/statm").read_text().split()[1])

    life()
    before = pages()
    for _ in range(50):
        life()
    assert pages() - before < 500               # of 4 KiB; rings that stayed would be thousands


def test_polling_is_for_nics_on_a_switch(kernel):
    kernel.nic("eth0", tx_rings=2, rx_rings=2)
    keep = opened(kernel, "vale0:a")
    for kind in (POLL_ON, POLL_OFF):
        assert request(kernel, kind, "vale0:a", Polling(mode=1, n=1)) == -errno.EOPNOTSUPP
        assert request(kernel, kind, "eth0", Polling(mode=1, n=1)) == -errno.EINVAL
        assert request(kernel, kind, "vale0:eth0", Polling(mode=1, n=1)) == -errno.ENXIO
    attach(kernel, "vale0:eth0")
    assert request(kernel, POLL_OFF, "vale0:eth0", Polling(mode=1, n=1)) == -errno.EFAULT
    for wish in ({"mode": 1, "n": 0}, {"mode": 1, "n": 64}, {"mode": 3, "n": 1}, {"mode": 2, "n": 1, "first": 2}):
        assert request(kernel, POLL_ON, "vale0:eth0", Polling(**wish)) == -errno.EINVAL
    assert request(kernel, POLL_ON, "vale0:eth0", Polling(mode=1, n=1)) == 0
    assert request(kernel, POLL_ON, "vale0:eth0", Polling(mode=1, n=1)) == -errno.EFAULT
    assert request(kernel, DETACH, "vale0:eth0", Detach()) == -errno.EBUSY
    assert request(kernel, POLL_OFF, "vale0:eth0", Polling(mode=1, n=1)) == 0
    assert request(kernel, DETACH, "vale0:eth0", Detach()) == 0
    keep.close()
