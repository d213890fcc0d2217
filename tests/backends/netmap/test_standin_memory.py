"""Memory of the stand-in: pools, sizes, limits, and parameters that change."""
import errno

import pytest

from tests.backends.netmap.handle import POOLS_INFO_GET, PORT_INFO_GET, Handle, PoolsInfo, PortInfo, opened
from usnet.backends.netmap.standin.kernel import StandIn


def test_memory_of_the_modules_defaults():
    kernel = StandIn()
    kernel.nic("em0")
    handle = Handle(kernel)
    info = PortInfo()
    assert handle.control(PORT_INFO_GET, "em0", info) == 0
    assert (info.memsize, info.mem_id) == (100 * 1024 + 200 * 36864 + 163840 * 2048, 1)
    pools = PoolsInfo()
    assert handle.control(POOLS_INFO_GET, "em0", pools) == 0
    assert (pools.if_offset, pools.if_total, pools.if_size) == (0, 100, 1024)
    assert (pools.ring_offset, pools.ring_total, pools.ring_size) == (102400, 200, 36864)
    assert (pools.buf_offset, pools.buf_total, pools.buf_size) == (102400 + 200 * 36864, 163840, 2048)


@pytest.mark.parametrize(("asked", "got"), [
    ({"buf_size": 2000, "buf_num": 99}, (100, 2048)),          # to a multiple of 64; two of them fill a page
    ({"buf_size": 1, "buf_num": 100}, (128, 64)),
    ({"buf_size": 3008, "buf_num": 10}, (64, 3008)),           # 64 of them are the first to fill whole pages
    ({"buf_size": 65536, "buf_num": 4}, (4, 65536)),
])
def test_sizes_are_rounded_to_cache_lines_and_numbers_to_whole_clusters(asked, got):
    kernel = StandIn(**asked)
    kernel.nic("em0", tx_slots=2, rx_slots=2)
    pools = PoolsInfo()
    assert Handle(kernel).control(POOLS_INFO_GET, "em0", pools) == 0
    assert (pools.buf_total, pools.buf_size) == got


def test_receive_rings_get_the_lowest_buffers_and_transmit_rings_the_next():
    kernel = StandIn(buf_num=2048)
    kernel.nic("em0", tx_rings=2, rx_rings=2, tx_slots=8, rx_slots=4)
    handle = opened(kernel, "em0")
    rings = [handle.ring(i) for i in (3, 4, 0, 1)]              # rx 0, rx 1, tx 0, tx 1
    assert [[slot.buf_idx for slot in ring.slots] for ring in rings] == [
        [2, 3, 4, 5], [6, 7, 8, 9], list(range(10, 18)), list(range(18, 26))]
    assert {slot.len for ring in rings for slot in ring.slots} == {2048}


def test_buffers_that_come_back_are_the_first_to_go():
    kernel = StandIn(buf_num=2048)
    kernel.nic("a", tx_slots=4, rx_slots=4)
    kernel.nic("b", tx_slots=4, rx_slots=4)
    first, second = opened(kernel, "a"), opened(kernel, "b")
    assert [slot.buf_idx for slot in second.rx.slots] == [10, 11, 12, 13]
    first.close()
    again = opened(kernel, "a", extra_bufs=3)
    assert [slot.buf_idx for slot in again.rx.slots] == [2, 3, 4, 5]
    assert again.extra == [20, 19, 18]
    second.close()
    third = opened(kernel, "b")
    assert [slot.buf_idx for slot in third.rx.slots] == [10, 11, 12, 13]


def test_extra_buffers_may_be_fewer_than_asked():
    kernel = StandIn(buf_num=64)
    kernel.nic("em0", tx_slots=4, rx_slots=4)
    handle = opened(kernel, "em0", extra_bufs=1000)
    assert handle.answer.extra_bufs == 64 - 2 - 8
    assert handle.extra == list(range(63, 9, -1))
    assert kernel.pools()["buf"][2] == 0


def test_the_list_of_extra_buffers_is_what_is_freed_at_close():
    kernel = StandIn(buf_num=64)
    kernel.nic("a", tx_slots=4, rx_slots=4)
    kernel.nic("b", tx_slots=4, rx_slots=4)
    keep, handle = opened(kernel, "b"), opened(kernel, "a", extra_bufs=4)
    assert handle.extra == [21, 20, 19, 18]
    handle.nifp.bufs_head = 19                                  # two of them are lost
    handle.close()
    assert kernel.pools()["buf"][2] == 64 - 2 - 8 - 2
    keep.close()                                                # with the last user everything comes back
    assert kernel.pools()["buf"][2] == 62


def test_an_extra_buffer_swapped_into_a_ring_is_freed_with_it():
    kernel = StandIn(buf_num=64)
    kernel.nic("a", tx_slots=4, rx_slots=4)
    kernel.nic("b", tx_slots=4, rx_slots=4)
    keep, handle = opened(kernel, "b"), opened(kernel, "a", extra_bufs=1)
    handle.rx.slots[0].buf_idx, handle.nifp.bufs_head = handle.nifp.bufs_head, handle.rx.slots[0].buf_idx
    handle.close()
    assert kernel.pools()["buf"][2] == 62 - 8
    keep.close()


@pytest.mark.parametrize("parameters", [
    {"ring_num": 2, "ring_size": 4096},
    {"buf_num": 12, "buf_size": 4096},
])
def test_what_does_not_fit_is_enomem_and_leaves_nothing_behind(parameters):
    kernel = StandIn(**({"buf_num": 64} | parameters))
    kernel.nic("a", tx_slots=4, rx_slots=4)
    kernel.nic("b", tx_slots=4, rx_slots=4)
    opened(kernel, "a")
    free = kernel.pools()
    assert Handle(kernel).register("b") == -errno.ENOMEM
    assert kernel.pools() == free


def test_a_ring_with_more_slots_than_its_object_holds_is_enomem():
    kernel = StandIn(buf_num=64, ring_size=256 + 16 * 4)
    kernel.nic("fits", tx_slots=4, rx_slots=4)
    kernel.nic("not", tx_slots=5, rx_slots=4)
    opened(kernel, "fits").close()
    assert Handle(kernel).register("not") == -errno.ENOMEM
    assert kernel.pools()["ring"][2] == kernel.pools()["ring"][0]


def test_interface_descriptions_run_out():
    kernel = StandIn(if_num=10, buf_num=64, if_size=4096)
    kernel.nic("em0", tx_slots=4, rx_slots=4)
    handles = [opened(kernel, "em0") for _ in range(10)]
    assert Handle(kernel).register("em0") == -errno.ENOMEM
    handles[3].close()
    assert opened(kernel, "em0").nifp.name == b"em0"


def test_parameters_change_when_nobody_uses_the_memory():
    kernel = StandIn(buf_num=64)
    kernel.nic("em0", tx_slots=4, rx_slots=4)
    first = opened(kernel, "em0")
    kernel.set_parameter("buf_size", 4096)
    second = opened(kernel, "em0")
    assert second.rx.buf_size == 2048
    first.close()
    second.close()
    assert opened(kernel, "em0").rx.buf_size == 4096


@pytest.mark.parametrize("parameter", [
    {"if_num": 9}, {"if_num": 10001}, {"if_size": 5000}, {"ring_num": 1}, {"ring_num": 1025}, {"ring_size": 64}, {"ring_size": 200000},
    {"buf_num": 3}, {"buf_num": 1000001}, {"buf_size": 65537}, {"buf_size": 1 << 22}, {"buf_size": 0},
])
def test_a_parameter_out_of_range_is_einval_at_register(parameter):
    kernel = StandIn(**({"buf_num": 64} | parameter))
    kernel.nic("em0", tx_slots=4, rx_slots=4)
    assert Handle(kernel).register("em0") == -errno.EINVAL


def test_after_a_bad_parameter_good_ones_are_not_looked_at():
    kernel = StandIn(buf_num=64)
    kernel.nic("em0", tx_slots=4, rx_slots=4)
    opened(kernel, "em0").close()
    kernel.set_parameter("buf_size", 65537)
    assert Handle(kernel).register("em0") == -errno.EINVAL
    kernel.set_parameter("buf_size", 4096)
    assert opened(kernel, "em0").rx.buf_size == 2048            # the module has lost count, and would take the memory away under its user


def test_unknown_parameters_are_refused():
    for name in ("buf", "num", "priv_fwd", "ring_curr_num", ""):
        with pytest.raises(ValueError, match="no parameter"):
            StandIn().set_parameter(name, 1)


def test_what_lay_in_a_ring_and_is_not_set_at_register_stays():
    kernel = StandIn(buf_num=64)
    kernel.nic("em0", tx_slots=4, rx_slots=4)
    handle = opened(kernel, "em0")
    handle.rx.header.flags = 0x4
    handle.rx.write(0, b"left over")
    handle.close()
    again = opened(kernel, "em0")
    assert again.rx.flags == 0x4
    assert bytes(again.memory[again.rx.buffer(2):][:9]) == b"left over"


def test_each_mapping_is_its_own_view_of_one_memory():
    kernel = StandIn(buf_num=64)
    kernel.nic("em0", tx_slots=4, rx_slots=4)
    first, second = opened(kernel, "em0"), opened(kernel, "em0")
    first.tx.slots[0].ptr = 77
    assert second.tx.slots[0].ptr == 77
    memory = first.memory
    first.close()
    second.close()
    assert memory[0] is not None                                # and it outlives the descriptor


def test_mapping_before_register_or_too_much_is_einval():
    kernel = StandIn(buf_num=64)
    kernel.nic("em0", tx_slots=4, rx_slots=4)
    handle = Handle(kernel)
    assert kernel.call_map(handle.fd, 4096) == -errno.EINVAL
    assert handle.register("em0") == 0
    size = handle.answer.memsize
    assert kernel.call_map(handle.fd, size + 1) == -errno.EINVAL
    assert kernel.call_map(handle.fd, 0) == -errno.EINVAL
    assert len(kernel.call_map(handle.fd, 4096)) == 4096
    assert kernel.call_map(handle.fd + 1, size) == -errno.EBADF
