"""The calls before API 14, at a stand-in of today and at one that has no others."""
import errno

import pytest

from tests.backends.netmap.handle import IN, NIOCGINFO, NIOCREGIF, ONE_NIC, REGISTER, SW, Handle, Register, frame, opened
from usnet.backends.netmap.standin.kernel import StandIn

OLD_NO_TX_POLL, OLD_SW_RING, OLD_HW_RING = 0x1000, 0x2000, 0x4000


def with_nic(**settings):
    kernel = StandIn(buf_num=256, **settings)
    return kernel, kernel.nic("em0", tx_rings=2, rx_rings=2, tx_slots=8, rx_slots=4)


def test_todays_module_takes_the_old_calls_with_its_own_version():
    kernel, nic = with_nic()
    handle = Handle(kernel)
    assert handle.legacy(NIOCREGIF, name=b"em0", version=14, flags=1, arg3=3) == 0
    old = handle.old
    assert (old.tx_slots, old.rx_slots, old.tx_rings, old.rx_rings, old.arg2, old.arg3) == (8, 4, 2, 2, 1, 3)
    assert (handle.nifp.host_tx_rings, len(handle.extra)) == (1, 3)
    handle.tx.put(frame(1))
    assert handle.txsync() == 0
    assert nic.sent() == [frame(1)]
    assert Handle(kernel).legacy(NIOCREGIF, name=b"em0", version=13, flags=1) == -errno.EINVAL
    assert Handle(kernel).legacy(NIOCREGIF, name=b"em9", version=14, flags=1) == -errno.ENXIO


@pytest.mark.parametrize(("ringid", "flags", "rings"), [
    (0, 0, [0, 1, 3, 4]),
    (OLD_HW_RING | 1, 0, [1, 4]),
    (OLD_SW_RING, 0, [2, 5]),
    (OLD_SW_RING | OLD_HW_RING, 0, [2, 5]),
    (1, ONE_NIC, [1, 4]),
    (0, SW, [2, 5]),
    (0, 3, [0, 1, 2, 3, 4, 5]),
])
def test_rings_are_named_by_bits_or_by_modes(ringid, flags, rings):
    kernel, _ = with_nic()
    handle = Handle(kernel)
    assert handle.legacy(NIOCREGIF, name=b"em0", version=14, ringid=ringid, flags=flags) == 0
    assert [i for i in range(6) if handle.nifp.ring_ofs[i]] == rings


def test_no_tx_poll_is_a_bit_of_the_ring():
    kernel, nic = with_nic()
    handle = Handle(kernel)
    assert handle.legacy(NIOCREGIF, name=b"em0", version=14, ringid=OLD_NO_TX_POLL) == 0
    handle.tx.put(frame(1))
    handle.poll(IN)
    assert nic.sent() == []


def test_information_by_the_old_call():
    kernel, _ = with_nic()
    handle = Handle(kernel)
    assert handle.legacy(NIOCGINFO, name=b"em0", version=14) == 0
    assert (handle.old.tx_rings, handle.old.rx_slots, handle.old.arg2) == (2, 4, 1)
    assert handle.old.memsize == 100 * 1024 + 200 * 36864 + 256 * 2048
    assert handle.legacy(NIOCGINFO, name=b"", version=14) == 0
    assert (handle.old.arg2, handle.old.tx_rings) == (1, 0)
    assert handle.legacy(NIOCGINFO, name=b"em9", version=14) == -errno.ENXIO
    assert kernel.call_ioctl(handle.fd, NIOCGINFO) == -errno.EINVAL


def test_commands_that_are_none():
    kernel, _ = with_nic()
    assert Handle(kernel).legacy(NIOCREGIF, name=b"em0", version=14, cmd=99) == -errno.EINVAL
    assert Handle(kernel).legacy(NIOCREGIF, name=b"em0", version=14, cmd=8) == -errno.ENOMEM       # which says so itself


@pytest.mark.parametrize("api", [11, 12, 13])
def test_an_old_module_knows_the_old_calls_alone(api):
    kernel, nic = with_nic(legacy_only=api)
    handle = Handle(kernel)
    assert handle.control(REGISTER, "em0", Register(mode=1)) == -errno.EOPNOTSUPP
    assert handle.legacy(NIOCREGIF, name=b"em0", version=api, flags=1) == 0
    assert (handle.nifp.host_tx_rings, handle.nifp.host_rx_rings) == (0, 0)
    assert [bool(handle.nifp.ring_ofs[i]) for i in range(6)] == [True, True, False, True, True, False]
    nic.inject([frame(1)])
    assert handle.rxsync() == 0
    assert handle.ring(3).get() == [frame(1)]
    handle.close()


def test_an_old_module_takes_its_neighbours_versions_and_names_its_own():
    kernel, _ = with_nic(legacy_only=11)
    handle = Handle(kernel)
    assert handle.legacy(NIOCREGIF, name=b"em0", version=14, flags=1) == 0
    assert handle.old.version == 11
    assert Handle(kernel).legacy(NIOCGINFO, name=b"em0", version=10) == -errno.EINVAL
    assert Handle(kernel).legacy(NIOCGINFO, name=b"em0", version=15) == 0
    with pytest.raises(ValueError, match="from 11 to 13"):
        StandIn(legacy_only=14)


def test_old_and_new_share_rings():
    kernel, _ = with_nic()
    new, old = opened(kernel, "em0"), Handle(kernel)
    assert old.legacy(NIOCREGIF, name=b"em0", version=15, flags=1) == 0
    new.tx.slots[0].ptr = 9
    assert old.tx.slots[0].ptr == 9
