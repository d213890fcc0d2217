"""Host rings of the stand-in: what the system's own stack sends and receives while netmap has the NIC."""
import pytest

from tests.backends.netmap.handle import FORWARD, IN, NIC_SW, ONE_NIC, ONE_SW, OUT, SW, Handle, Offsets, frame, opened
from usnet.backends.netmap.standin.kernel import StandIn

NR_FORWARD = 0x4
SLOTS = 8


@pytest.fixture
def kernel():
    return StandIn(buf_num=512)


@pytest.fixture
def nic(kernel):
    return kernel.nic("em0", tx_slots=SLOTS, rx_slots=SLOTS)


def host_rings(handle):
    return handle.ring(handle.nifp.tx_rings), handle.ring(handle.nifp.tx_rings + handle.nifp.host_tx_rings + handle.nifp.rx_rings)


def test_without_netmap_the_host_has_the_wire(kernel, nic):
    assert nic.host_send([frame(1)]) == 1
    assert nic.inject([frame(2)]) == 1
    assert (nic.sent(), nic.host_received()) == ([frame(1)], [frame(2)])
    port = opened(kernel, "em0")
    nic.inject([frame(3)])
    assert nic.host_received() == []
    port.close()
    nic.inject([frame(4)])
    assert nic.host_received() == [frame(4)]


def test_what_the_host_sends_arrives_in_its_ring(kernel, nic):
    port = opened(kernel, "em0", NIC_SW)
    _, rx = host_rings(port)
    assert nic.host_send([frame(1), frame(2, 1514)]) == 2
    assert (rx.state, nic.sent()) == ((0, 0, 0), [])
    assert port.rxsync() == 0
    assert rx.get() == [frame(1), frame(2, 1514)]


def test_what_goes_into_the_hosts_ring_arrives_at_the_host(kernel, nic):
    port = opened(kernel, "em0", SW)
    tx, _ = host_rings(port)
    tx.put(frame(1), frame(2, 14), frame(3, 13), frame(4, 2048))
    tx.slots[3].flags = FORWARD
    assert port.txsync() == 0
    assert nic.host_received() == [frame(1), frame(2, 14), frame(4, 2048)]      # 13 bytes are no frame
    assert tx.state == (4, 4, 3)
    assert tx.slots[3].flags == 0
    assert nic.sent() == []


def test_the_hosts_queue_is_as_long_as_its_ring_has_room(kernel, nic):
    port = opened(kernel, "em0", NIC_SW)
    _, rx = host_rings(port)
    assert nic.host_send([frame(i) for i in range(20)]) == SLOTS - 1
    port.rxsync()
    assert nic.host_send([frame(50)]) == 0
    assert rx.get() == [frame(i) for i in range(SLOTS - 1)]
    port.rxsync()
    assert nic.host_send([frame(50), frame(51, 2049)]) == 1                      # the other is longer than a buffer


def test_the_host_is_cut_off_while_only_the_nics_rings_are_open(kernel, nic):
    opened(kernel, "em0")
    assert nic.host_send([frame(i) for i in range(20)]) == SLOTS - 1
    assert nic.sent() == []


def test_with_only_the_host_rings_open_the_host_keeps_the_wire(kernel, nic):
    port = opened(kernel, "em0", SW)
    assert nic.host_send([frame(1)]) == 1
    assert nic.sent() == [frame(1)]
    nic.inject([frame(2)])
    assert nic.host_received() == [frame(2)]
    assert port.poll(IN) == 0


def test_queues_of_the_host_spread_over_its_rings(kernel):
    nic = kernel.nic("em0", tx_rings=2, rx_rings=2, tx_slots=SLOTS, rx_slots=SLOTS)
    port = opened(kernel, "em0", NIC_SW, host_rx_rings=2)
    for queue in range(3):
        nic.host_send([frame(queue)], queue=queue)
    port.rxsync()
    first = 2 + 1 + 2
    assert port.ring(first).get() == [frame(0), frame(2)]
    assert port.ring(first + 1).get() == [frame(1)]


def test_the_host_wakes_its_watchers(kernel, nic):
    import select

    opened(kernel, "em0")
    port = opened(kernel, "em0", ONE_SW)
    fd = kernel.call_watch(port.fd, IN)
    assert not select.select([fd], [], [], 0)[0]
    nic.host_send([frame(1)])
    assert select.select([fd], [], [], 0)[0]


@pytest.mark.parametrize("by", ["ring", "parameter"])
def test_marked_frames_of_the_wire_go_up_by_themselves(kernel, nic, by):
    port = opened(kernel, "em0")
    nic.inject([frame(1), frame(2), frame(3)])
    port.rxsync()
    port.rx.slots[1].flags = FORWARD
    port.rx.set(3)
    if by == "ring":
        port.rx.header.flags = NR_FORWARD
    else:
        kernel.set_parameter("fwd", 1)
    port.rxsync()
    assert nic.host_received() == ([frame(2)] if by == "ring" else [frame(1), frame(2), frame(3)])
    assert port.rx.slots[1].flags == 0


def test_marked_frames_stay_where_nobody_asked_for_it(kernel, nic):
    port = opened(kernel, "em0")
    nic.inject([frame(1)])
    port.rxsync()
    port.rx.slots[0].flags = FORWARD
    port.rx.set(1)
    port.rxsync()
    assert nic.host_received() == []


def test_marked_frames_of_the_host_go_out_by_themselves(kernel, nic):
    port = opened(kernel, "em0", NIC_SW)
    _, rx = host_rings(port)
    rx.header.flags = NR_FORWARD
    nic.host_send([frame(1), frame(2), frame(3)])
    assert port.poll(IN) == IN
    buffers = {rx.slots[1].buf_idx, port.tx.slots[0].buf_idx}
    rx.slots[1].flags = FORWARD
    rx.set(3)
    assert port.poll(IN) == 0
    assert nic.sent() == [frame(2)]                                             # in the same call
    assert {rx.slots[1].buf_idx, port.tx.slots[0].buf_idx} == buffers
    assert port.tx.state == (1, 1, 7)


def test_the_hosts_frames_stay_with_whoever_has_not_all_transmit_rings(kernel):
    nic = kernel.nic("em0", tx_rings=2, rx_rings=1, tx_slots=SLOTS, rx_slots=SLOTS)
    nics, host = opened(kernel, "em0", ONE_NIC, ringid=0), opened(kernel, "em0", ONE_SW)
    other = opened(kernel, "em0", ONE_NIC, ringid=1)
    _, rx = host_rings(host)
    rx.header.flags = NR_FORWARD
    nic.host_send([frame(1)])
    host.poll(IN)
    rx.slots[0].flags = FORWARD
    rx.set(1)
    host.poll(IN | OUT)
    assert nic.sent() == []
    assert nics.tx.state == (0, 0, 7)
    assert other.ring(1).state == (0, 0, 7)


@pytest.mark.parametrize("head", [SLOTS, 2**31])
def test_forwarding_to_a_ring_whose_user_writes_rubbish_forwards_nothing(kernel, nic, head):
    """The module believes the user's head there, and writes wherever it points to."""
    port = opened(kernel, "em0", NIC_SW)
    _, host = host_rings(port)
    kernel.set_parameter("fwd", 1)
    nic.host_send([frame(1), frame(2)])
    assert port.rxsync() == 0
    host.set(2)
    port.tx.set(head)
    assert port.rxsync() == 0
    assert nic.sent() == [] and host.state == (2, 2, 2) and port.tx.header.head == head


def test_a_frame_of_the_hosts_that_an_offset_moves_beyond_its_buffer_stays_in_the_memory():
    """The module checks lengths alone, and writes on into the next buffer."""
    kernel = StandIn(buf_num=36, buf_size=512)
    nic = kernel.nic("em0", tx_slots=SLOTS, rx_slots=SLOTS, mtu=200, rx_buf_max=512)
    handle = Handle(kernel)
    assert handle.register("em0", NIC_SW, (Offsets(reqtype=5, size=32, max_offset=500, initial=500),), extra_bufs=8) == 0
    _, host = host_rings(handle)
    last = kernel.pools()["buf"][0] - 1
    for i in range(SLOTS):
        host.slots[i].buf_idx = last
    assert nic.host_send([frame(1, 512)]) == 1 and handle.rxsync() == 0
    assert host.slots[0].len == 512 and bytes(handle.memory[host.buffer(last) + 500:host.buffer(last) + 512]) == frame(1, 512)[:12]
