"""Opening ports, on the stand-in: registration, rings, buffers, what is given back."""
import errno
import gc
import os
import struct

import pytest

from usnet.backends.errors import BackendUnavailable
from usnet.backends.netmap import (
    Descriptor,
    Device,
    KernelDevice,
    pools_info,
    port_hdr_get,
    port_hdr_set,
    port_info,
    vale_attach,
    vale_delif,
    vale_detach,
    vale_list,
    vale_newif,
)
from usnet.backends.netmap import open as netmap_open
from usnet.backends.netmap.abi import CONSTANTS as ABI
from usnet.backends.netmap.intercept import Intercept
from usnet.backends.netmap.standin.kernel import StandIn


@pytest.fixture
def kernel():
    return StandIn(buf_num=4096)


@pytest.fixture
def nic(kernel):
    return kernel.nic("eth0", tx_rings=3, rx_rings=2, tx_slots=64, rx_slots=32)


def rings(port):
    return [ring.number for ring in port.tx_rings], [ring.number for ring in port.rx_rings]


@pytest.mark.parametrize(("name", "tx", "rx"), [
    ("eth0", [0, 1, 2], [0, 1]),
    ("eth0-1", [1], [1]),
    ("eth0-2", [2], [0]),
    ("eth0^", [3], [2]),
    ("eth0^0", [3], [2]),
    ("eth0*", [0, 1, 2, 3], [0, 1, 2]),
    ("eth0/T", [0, 1, 2], []),
    ("eth0/R", [], [0, 1]),
    ("eth0-1/xR", [], [1]),
])
def test_a_name_binds_its_rings_and_no_others(kernel, nic, name, tx, rx):
    with netmap_open(name, kernel) as port:
        assert rings(port) == (tx, rx)
        assert [ring.host for ring in port.tx_rings] == [number == 3 for number in tx]
        assert [ring.host for ring in port.rx_rings] == [number == 2 for number in rx]
        assert all(len(ring) == 64 for ring in port.tx_rings if not ring.host)
        assert all(len(ring) == 32 for ring in port.rx_rings if not ring.host)


def test_an_open_port_tells_what_the_module_answered(kernel, nic):
    with Descriptor("eth0", kernel) as d:
        assert (d.version, d.mem_id, d.hdr_len, d.max_offset, d.buf_size, d.private_memory) == (14, 1, 0, 0, 2048, False)
        assert d.info["nr_tx_rings"] == 3
        assert d.info["nr_rx_slots"] == 32
        assert d.n_bufs == pools_info("eth0", kernel).buf_total == 4096
        assert d.memsize == port_info("eth0", kernel).memsize


def test_two_nics_share_a_region_and_vale_ports_have_their_own(kernel, nic):
    kernel.nic("eth1")
    with Descriptor("eth0", kernel) as a, Descriptor("eth1", kernel) as b, Descriptor("vale0:a", kernel) as v, Descriptor("vale0:b", kernel) as w:
        assert a.mem_id == b.mem_id == 1
        assert len({a.mem_id, v.mem_id, w.mem_id}) == 3
        assert v.private_memory
        with Descriptor("vale0:c@share=vale0:a", kernel) as c:
            assert c.mem_id == v.mem_id


def test_extra_buffers_are_distinct_and_in_no_ring(kernel, nic):
    with netmap_open("eth0", kernel, extra_bufs=16) as port:
        extra = {buffer.buf_idx for buffer in port.extra_buffers}
        in_slots = {slot.buf_idx for ring in port.tx_rings + port.rx_rings for slot in ring}
        assert len(extra) == 16
        assert not extra & in_slots
        assert all(2 <= i < port.n_bufs for i in extra)


def test_fewer_extra_buffers_than_asked_for_are_no_error(kernel, nic):
    with netmap_open("eth0", kernel, extra_bufs=100_000) as port:
        assert 0 < len(port.extra_buffers) < 4096
        assert port.info["nr_extra_bufs"] == len(port.extra_buffers)


def test_closing_gives_every_buffer_back_also_swapped_ones(kernel, nic):
    with netmap_open("eth0-1", kernel):
        before = kernel.pools()["buf"][2]
        with netmap_open("eth0-0", kernel, extra_bufs=8) as port:
            for extra, slot in zip(port.extra_buffers, port.tx_rings[0], strict=False):
                slot.swap(extra)
            assert kernel.pools()["buf"][2] < before
        assert kernel.pools()["buf"][2] == before


def test_a_port_that_nobody_closed_is_given_back_when_it_is_forgotten(kernel, nic):
    port = netmap_open("eth0/x", kernel)
    with pytest.raises(OSError, match="in use"):
        netmap_open("eth0", kernel)
    del port
    gc.collect()
    netmap_open("eth0", kernel).close()


def test_closing_twice_is_one_close(kernel, nic):
    port = netmap_open("eth0", kernel)
    assert not port.closed
    port.close()
    port.close()
    assert port.closed
    assert "closed" in repr(port)
    with pytest.raises(OSError, match=r"closed|not registered"):
        port.txsync()


def test_a_header_in_front_of_frames_is_told_and_can_be_refused(kernel):
    with netmap_open("vale0:a", kernel):
        port_hdr_set("vale0:a", 12, kernel)
        assert port_hdr_get("vale0:a", kernel) == 12
        with netmap_open("vale0:a", kernel) as again:
            assert again.hdr_len == 12
        with pytest.raises(OSError, match="virtio-net header") as refused:
            netmap_open("vale0:a", kernel, vnet_header=False)
        assert refused.value.errno == errno.EIO
        with pytest.raises(OSError, match="0, 10 or 12"):
            port_hdr_set("vale0:a", 11, kernel)


def test_frames_begin_at_the_offset_that_was_asked_for(kernel):
    with netmap_open("vale0:a@offset:initial=64,bits=16", kernel) as a, netmap_open("vale0:b", kernel) as b:
        assert a.descriptor.max_offset == 64
        assert {slot.offset for slot in a.tx_rings[0]} == {64}
        a.send(b"\xff" * 60)
        assert bytes(a.tx_rings[0][0].buf[64:124]) == b"\xff" * 60
        assert b.receive() == [b"\xff" * 60]


@pytest.mark.parametrize(("name", "error", "said"), [
    ("eth1", errno.ENXIO, "no such interface"),
    ("vale0:a^", errno.EINVAL, "host rings"),
    ("eth0-3", errno.EINVAL, "there is no ring 3: the port has 3 transmit and 2 receive rings"),
    ("eth0/r", errno.EINVAL, "a monitor needs a port"),
    ("eth0@77", errno.EINVAL, "no memory region 77"),
    ("eth0@offset=5000", errno.EINVAL, "the port cannot be had|more than a buffer"),
])
def test_a_refusal_has_netmaps_errno_and_a_reason(kernel, nic, name, error, said):
    with pytest.raises(OSError, match=said) as refused:
        netmap_open(name, kernel)
    assert refused.value.errno == error
    with netmap_open("eth0", kernel):       # and leaves nothing behind
        pass


def test_memory_that_is_too_small_is_told_as_such():
    kernel = StandIn(buf_num=64)
    kernel.nic("eth0")
    with pytest.raises(OSError, match="buf_num") as refused:
        netmap_open("eth0", kernel)
    assert refused.value.errno == errno.ENOMEM


@pytest.mark.parametrize("api", [11, 12, 13])
def test_kernels_without_niocctrl_are_registered_by_the_old_call(api):
    kernel = StandIn(legacy_only=api, buf_num=4096)
    kernel.nic("eth0", tx_rings=2, rx_rings=2)
    for name, bound in (("eth0", ([0, 1], [0, 1])), ("eth0-1", ([1], [1])), ("eth0^", ([2], [2])), ("eth0{1", ([0], [0]))):
        with netmap_open(name, kernel, extra_bufs=4) as port:
            assert port.version == api
            assert rings(port) == bound
            assert len(port.extra_buffers) == 4
            assert 3000 < port.n_bufs <= 4096
    with pytest.raises(OSError, match="15 bytes"):
        netmap_open("an-interface-of-16".replace("-", "_"), kernel)
    with pytest.raises(OSError, match="offsets"):
        netmap_open("eth0@offset=4", kernel)
    with pytest.raises(OSError, match="no such interface"):
        netmap_open("eth7", kernel)


def test_a_kernel_that_takes_api_15_alone_is_spoken_to_in_that(kernel, nic):
    versions = []

    def only_15(call, fd, *details):
        if call == "ioctl" and details[0] == ABI["NIOCCTRL"]:
            versions.append(struct.unpack_from("H", details[1])[0])
            return None if versions[-1] == 15 else -errno.EINVAL
        return None

    with netmap_open("eth0", Intercept(kernel, only_15)) as port:
        assert port.version == 15
    assert versions[0] == 14


@pytest.mark.parametrize(("failing", "error", "said"), [("open", errno.EMFILE, "too many descriptors"), ("map", errno.ENOMEM, "may not map")])
def test_a_call_that_fails_midway_leaves_nothing_open(kernel, nic, failing, error, said):
    device = Intercept(kernel, lambda call, *_: -error if call == failing else None)
    with pytest.raises(OSError, match=said) as refused:
        netmap_open("eth0/x", device)
    assert refused.value.errno == error
    netmap_open("eth0/x", kernel).close()


def test_without_the_device_netmap_is_unavailable(tmp_path):
    with pytest.raises(BackendUnavailable, match="there is no"):
        netmap_open("eth0", KernelDevice(str(tmp_path / "netmap")))
    with pytest.raises(BackendUnavailable, match="does not answer netmap's calls"):
        netmap_open("eth0", KernelDevice("/dev/null"))
    with pytest.raises(OSError):
        netmap_open("eth0", Device())


def test_a_device_gives_its_descriptors_back(tmp_path):
    device = KernelDevice("/dev/null")
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(300):
        with pytest.raises(BackendUnavailable):
            netmap_open("eth0", device)
    assert len(os.listdir("/proc/self/fd")) == before


def test_ports_of_switches_are_listed_attached_and_removed(kernel, nic):
    with netmap_open("vale0:a", kernel), netmap_open("vale1:b", kernel):
        assert [port.name for port in vale_list(kernel)] == ["vale0:a", "vale1:b"]
    assert vale_list(kernel) == []
    vale_newif("v0", tx_slots=128, device=kernel)
    assert port_info("v0", kernel).tx_slots == 128
    with pytest.raises(OSError) as refused:
        vale_newif("v0", device=kernel)
    assert refused.value.errno == errno.EEXIST
    vale_attach("vale2:v0", device=kernel)
    assert [port.name for port in vale_list(kernel)] == ["vale2:v0"]
    with pytest.raises(OSError, match="attached to a switch"):
        vale_delif("v0", kernel)
    vale_detach("vale2:v0", kernel)
    vale_delif("v0", kernel)
    with pytest.raises(OSError, match="no such interface"):
        vale_delif("v0", kernel)


def test_extra_buffers_go_back_also_where_the_descriptor_cannot_be_made():
    kernel = StandIn(buf_num=2000, ring_num=600, if_size=4096)
    kernel.nic("eth0", tx_rings=256, tx_slots=2, rx_slots=2)
    kernel.nic("eth1", tx_slots=2, rx_slots=2)
    with netmap_open("eth1", kernel):
        start = kernel.pools()
        with pytest.raises(OSError):
            netmap_open("eth0*", kernel, extra_bufs=8)      # 257 rings of a direction
        assert kernel.pools() == start
