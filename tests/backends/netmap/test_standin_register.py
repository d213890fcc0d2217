"""Requests of the stand-in: what is bound, what is answered, and what is refused with which errno."""
import ctypes
import errno

import pytest

from tests.backends.netmap.handle import (
    ALL_NIC,
    DEFAULT,
    ERR,
    EXCLUSIVE,
    IN,
    NIC_SW,
    ONE_NIC,
    ONE_SW,
    OUT,
    PIPE_MASTER,
    PIPE_SLAVE,
    POOLS_INFO_GET,
    PORT_HDR_GET,
    PORT_INFO_GET,
    REGISTER,
    RX_ONLY,
    SW,
    TX_ONLY,
    Handle,
    Offsets,
    Option,
    PoolsInfo,
    PortHdr,
    PortInfo,
    Register,
    frame,
    opened,
)
from usnet.backends.netmap.standin.kernel import StandIn


@pytest.fixture
def kernel():
    return StandIn(buf_num=512)


@pytest.fixture
def nic(kernel):
    return kernel.nic("em0", tx_rings=3, rx_rings=2, tx_slots=8, rx_slots=4)


def bound(handle):
    """Which entries of ring_ofs are there."""
    return [i for i in range(7) if handle.nifp.ring_ofs[i]]


# ring_ofs is: tx 0 to 2, host tx 3, rx 4 and 5, host rx 6
@pytest.mark.parametrize(("mode", "ringid", "flags", "rings"), [
    (ALL_NIC, 0, 0, [0, 1, 2, 4, 5]),
    (ALL_NIC, 7, 0, [0, 1, 2, 4, 5]),
    (SW, 0, 0, [3, 6]),
    (NIC_SW, 0, 0, [0, 1, 2, 3, 4, 5, 6]),
    (ONE_NIC, 1, 0, [1, 5]),
    (ONE_NIC, 2, 0, [2, 4]),            # there is no receive ring 2: the first
    (ONE_SW, 0, 0, [3, 6]),
    (ALL_NIC, 0, RX_ONLY, [4, 5]),
    (ALL_NIC, 0, TX_ONLY, [0, 1, 2]),
    (ALL_NIC, 0, TX_ONLY | RX_ONLY, []),
])
def test_rings_that_a_mode_binds(kernel, nic, mode, ringid, flags, rings):
    handle = opened(kernel, "em0", mode, ringid=ringid, flags=flags)
    assert bound(handle) == rings
    handle.close()
    assert kernel.pools()["ring"][2] == 200


@pytest.mark.parametrize(("mode", "ringid"), [
    (DEFAULT, 0), (PIPE_MASTER, 0), (PIPE_SLAVE, 0), (9, 0), (2**32 - 1, 0), (ONE_NIC, 3), (ONE_NIC, 0xFFFF), (ONE_SW, 1)])
def test_modes_and_rings_that_are_none(kernel, nic, mode, ringid):
    assert Handle(kernel).register("em0", mode, ringid=ringid) == -errno.EINVAL


def test_the_answer(kernel, nic):
    handle = opened(kernel, "em0", tx_slots=99, rx_slots=99, tx_rings=9, rx_rings=9)
    answer = handle.answer
    assert (answer.tx_rings, answer.rx_rings, answer.tx_slots, answer.rx_slots) == (3, 2, 8, 4)     # wishes are for software ports
    assert (answer.host_tx_rings, answer.host_rx_rings, answer.mem_id, answer.extra_bufs) == (1, 1, 1, 0)
    nifp = handle.nifp
    assert (nifp.name, nifp.version, nifp.flags, nifp.tx_rings, nifp.rx_rings) == (b"em0", 0, 0, 3, 2)
    assert (nifp.host_tx_rings, nifp.host_rx_rings, nifp.bufs_head) == (1, 1, 0)


def test_more_host_rings_for_whoever_comes_first(kernel, nic):
    first = opened(kernel, "em0", SW, host_tx_rings=2, host_rx_rings=3)
    assert (first.nifp.host_tx_rings, first.nifp.host_rx_rings) == (2, 3)
    second = opened(kernel, "em0", ONE_SW, ringid=2, host_rx_rings=7)
    assert second.answer.host_rx_rings == 3
    first.close()
    second.close()
    assert opened(kernel, "em0").answer.host_rx_rings == 1


def test_descriptors_share_rings(kernel, nic):
    first, second = opened(kernel, "em0"), opened(kernel, "em0", ONE_NIC, ringid=1)
    first.ring(1).slots[0].ptr = 5
    assert second.ring(1).slots[0].ptr == 5
    first.close()
    assert second.ring(1).slots[0].ptr == 5
    assert kernel.pools()["ring"][2] == 198


def test_exclusive_rings(kernel, nic):
    alone = opened(kernel, "em0", ONE_NIC, ringid=1, flags=EXCLUSIVE)
    for mode, ringid, status in ((ONE_NIC, 1, errno.EBUSY), (ALL_NIC, 0, errno.EBUSY), (ONE_NIC, 0, 0), (SW, 0, 0)):
        handle = Handle(kernel)
        assert handle.register("em0", mode, ringid=ringid) == -status
        handle.close()
    other = opened(kernel, "em0", ONE_NIC, ringid=0)
    assert Handle(kernel).register("em0", ONE_NIC, ringid=0, flags=EXCLUSIVE) == -errno.EBUSY
    alone.close()
    other.close()
    assert Handle(kernel).register("em0", flags=EXCLUSIVE) == 0


def test_a_descriptor_registers_once(kernel, nic):
    handle = opened(kernel, "em0")
    assert handle.control(REGISTER, "em0", Register(mode=ALL_NIC)) == -errno.EBUSY
    assert handle.txsync() == 0


def test_without_a_registration(kernel):
    handle = Handle(kernel)
    assert (handle.txsync(), handle.rxsync(), handle.poll(IN | OUT)) == (-errno.ENXIO, -errno.ENXIO, ERR)
    assert handle.close() == 0
    assert (handle.close(), handle.txsync(), handle.poll(IN)) == (-errno.EBADF,) * 3


@pytest.mark.parametrize("name", ["", "em1", "em0 ", "em0-1", "em0^", "em00000000000000"])
def test_names_of_nothing_are_enxio(kernel, nic, name):
    assert Handle(kernel).register(name) == -errno.ENXIO


@pytest.mark.parametrize("version", [0, 13, 16, 65535])
def test_versions_that_the_module_does_not_take(kernel, nic, version):
    assert Handle(kernel).register("em0", version=version) == -errno.EINVAL


def test_the_newer_version_is_taken(kernel, nic):
    assert Handle(kernel).register("em0", version=15) == 0


def test_headers_that_are_refused(kernel, nic):
    handle = Handle(kernel)
    assert handle.control(REGISTER, "em0", Register(mode=ALL_NIC), reserved=1) == -errno.EINVAL
    assert handle.control(REGISTER, "em0") == -errno.EINVAL                     # no body
    assert handle.control(9, "em0", PortHdr()) == -errno.EINVAL                 # a body where there is none
    for kind in (0, 16, 999):
        assert handle.control(kind, "em0") == -errno.EINVAL


def test_after_a_missing_body_the_header_is_spoilt(kernel, nic):
    handle = Handle(kernel)
    header = bytearray(88)
    header[0], header[2] = 14, REGISTER
    header[8:11] = b"em0"
    assert kernel.call_ioctl(handle.fd, 0xC0586997, header) == -errno.EINVAL
    assert header[4] == 1                                                       # the module leaves nr_reserved set


def test_unknown_calls(kernel):
    handle = Handle(kernel)
    assert kernel.call_ioctl(handle.fd, 0xC0586997) == -errno.EINVAL            # NULL
    assert kernel.call_ioctl(handle.fd, 0x12345678, bytearray(8)) == -errno.EOPNOTSUPP
    assert kernel.call_ioctl(999, 0x6994) == -errno.EBADF


@pytest.mark.parametrize(("options", "status", "answers"), [
    ([Option(reqtype=99)], errno.EOPNOTSUPP, [errno.EOPNOTSUPP]),
    ([Option(reqtype=1)], errno.EOPNOTSUPP, [errno.EOPNOTSUPP]),
    ([Option(reqtype=0)], errno.EINVAL, [errno.EINVAL]),
    ([Offsets(reqtype=5), Offsets(reqtype=5)], errno.EINVAL, [errno.EINVAL, errno.EINVAL]),
    ([Offsets(reqtype=5), Option(reqtype=99), Option(reqtype=99)], errno.EOPNOTSUPP, [0, errno.EOPNOTSUPP, errno.EOPNOTSUPP]),
    ([Option(reqtype=2, size=5000)], errno.EMSGSIZE, [0]),
    ([Option(reqtype=99)] * 200, errno.EMSGSIZE, None),
    ([Offsets(reqtype=5, bits=65)], errno.EINVAL, [errno.EINVAL]),
    ([Offsets(reqtype=5, max_offset=2049)], errno.EINVAL, [errno.EINVAL]),
    ([Offsets(reqtype=5, max_offset=256, bits=8)], errno.EINVAL, [errno.EINVAL]),
    ([Offsets(reqtype=5, max_offset=64, initial=65)], errno.EINVAL, [errno.EINVAL]),
])
def test_options_that_are_refused(kernel, nic, options, status, answers):
    opened(kernel, "em0", SW)
    before = kernel.pools()
    handle = Handle(kernel)
    copies = [type(option).from_buffer_copy(option) for option in options]
    assert handle.register("em0", options=copies) == -status
    if answers is not None:
        assert [option.status for option in copies] == answers
    assert handle.txsync() == -errno.ENXIO
    assert kernel.pools() == before


def test_offsets_need_a_driver_that_knows_them(kernel):
    kernel.nic("old0", offsets=False, tx_slots=4, rx_slots=4)
    option = Offsets(reqtype=5, max_offset=8)
    assert Handle(kernel).register("old0", options=[option]) == -errno.EOPNOTSUPP
    assert option.status == errno.EOPNOTSUPP


def test_offsets_of_a_ring_in_use_can_only_be_asked_smaller(kernel, nic):
    opened(kernel, "em0", options=[Offsets(reqtype=5, max_offset=64, bits=16)])
    option = Offsets(reqtype=5, max_offset=32, bits=8)
    second = opened(kernel, "em0", options=[option])
    assert (option.max_offset, second.ring(4).offset_mask) == (64, 0xFFFF)
    for wish in (Offsets(reqtype=5, max_offset=65, bits=16), Offsets(reqtype=5, max_offset=8, bits=17)):
        assert Handle(kernel).register("em0", options=[wish]) == -errno.EBUSY


def test_information_about_ports_and_memory(kernel, nic):
    handle = Handle(kernel)
    info = PortInfo()
    assert handle.control(PORT_INFO_GET, "em0", info) == 0
    assert (info.tx_rings, info.rx_rings, info.tx_slots, info.rx_slots, info.host_tx_rings, info.mem_id) == (3, 2, 8, 4, 1, 1)
    info = PortInfo()
    assert handle.control(PORT_INFO_GET, "", info) == 0                         # of memory alone
    assert (info.memsize, info.mem_id, info.tx_rings) == (100 * 1024 + 200 * 36864 + 512 * 2048, 1, 0)
    assert handle.control(PORT_INFO_GET, "", PortInfo(mem_id=9)) == -errno.EINVAL
    assert handle.control(PORT_INFO_GET, "em9", PortInfo()) == -errno.ENXIO
    assert handle.control(PORT_INFO_GET, "em0", PortInfo(mem_id=9)) == -errno.EINVAL
    assert handle.control(POOLS_INFO_GET, "em9", PoolsInfo()) == -errno.ENXIO
    header = PortHdr(hdr_len=99)
    assert handle.control(PORT_HDR_GET, "em0", header) == 0
    assert header.hdr_len == 0


def test_memory_that_does_not_exist(kernel, nic):
    assert Handle(kernel).register("em0", mem_id=2) == -errno.EINVAL
    assert Handle(kernel).register("em0", mem_id=1) == 0


@pytest.mark.parametrize(("mtu", "settings", "status"), [
    (1500, {}, 0),
    (2048, {}, 0),
    (2049, {}, errno.EINVAL),                                                   # one slot of the NIC, but not of netmap
    (9000, {}, errno.EINVAL),                                                   # netmap's buffers are smaller than the NIC's
    (9000, {"rx_buf_max": 2048}, 0),
    (9000, {"rx_buf_max": 2048, "morefrag": False}, errno.EINVAL),
    (1500, {"rx_buf_max": 1024, "morefrag": False}, errno.EINVAL),
    (1500, {"rx_buf_max": 0}, errno.EIO),
])
def test_the_mtu_against_the_buffers(kernel, mtu, settings, status):
    kernel.nic("em1", mtu=mtu, tx_slots=4, rx_slots=4, **settings)
    assert Handle(kernel).register("em1") == -status
    if status:
        assert Handle(kernel).register("em1", flags=TX_ONLY) == 0               # whoever does not receive is not asked


def test_an_mtu_that_changes_in_use(kernel, nic):
    assert nic.set_mtu(9000) == 0
    assert nic.set_mtu(1500) == 0
    opened(kernel, "em0")
    assert nic.set_mtu(9000) == -errno.EINVAL
    assert nic.set_mtu(1800) == 0


def test_a_nic_that_is_removed(kernel, nic):
    handle = opened(kernel, "em0")
    handle.tx.put(frame(1))
    nic.remove()
    nic.remove()
    assert (handle.txsync(), handle.rxsync(), handle.poll(IN)) == (-errno.EIO, -errno.EIO, ERR)
    assert handle.tx.state == (1, 1, 7)
    assert (nic.inject([frame(2)]), nic.sent(), nic.host_send([frame(3)])) == (0, [], 0)
    assert Handle(kernel).register("em0") == -errno.ENXIO
    assert handle.close() == 0
    again = kernel.nic("em0", tx_slots=4, rx_slots=4)
    fresh = opened(kernel, "em0")
    assert again.inject([frame(2)]) == 1
    assert fresh.rxsync() == 0


def test_names_are_taken_once(kernel, nic):
    with pytest.raises(ValueError, match="em0"):
        kernel.nic("em0")
    for settings in ({"tx_rings": 0}, {"rx_rings": 257}, {"tx_slots": 1}, {"mtu": 0}):
        with pytest.raises(ValueError, match="a NIC has"):
            kernel.nic("em1", **settings)
    with pytest.raises(ValueError, match="a NIC has"):
        kernel.nic("n" * 16)


def test_closing_in_the_middle_gives_everything_back(kernel, nic):
    for _ in range(20):
        handles = [opened(kernel, "em0", NIC_SW, extra_bufs=3) for _ in range(5)]
        nic.inject([frame(1), frame(2)])
        nic.host_send([frame(3)])
        handles[2].rxsync()
        handles[0].ring(0).put(frame(4))
        for i in (3, 0, 4, 1, 2):
            handles[i].close()
    total, _, free = kernel.pools()["buf"]
    assert free == total - 2
    assert ctypes.sizeof(Register) == 56


def test_the_stand_in_may_go_before_its_descriptors_are_closed():
    kernel = StandIn(buf_num=64)
    nic = kernel.nic("em0", tx_slots=4, rx_slots=4)
    handle = opened(kernel, "em0")
    memory = handle.memory
    del handle, kernel
    nic.inject([frame(1)])
    del nic
    assert memory[0] is not None


def test_there_is_an_end_to_descriptors(kernel):
    found = [kernel.call_open() for _ in range(1025)]
    assert found == [*range(1024), -errno.EMFILE]
    kernel.call_close(17)
    assert kernel.call_open() == 17
