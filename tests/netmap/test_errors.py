"""What goes wrong, and what is said about it: module parameters, names, ports that are taken."""
import contextlib
import errno

import pytest

from tests.netmap import links, module
from usnet.backends import netmap
from usnet.backends.netmap.opening import open_port


@pytest.mark.needs("netmap.ko")
@pytest.mark.parametrize(("parameter", "value", "name", "settings"), [
    ("buf_num", 64, "em0", {}),
    ("ring_size", 4096, "em0", {}),
    ("ring_num", 6, "vale0:a", {"mem_id": 1, "tx_rings": 16, "rx_rings": 16, "tx_slots": 2, "rx_slots": 2}),
    ("if_num", 10, "vale0:a", {"mem_id": 1, "tx_slots": 2, "rx_slots": 2}),
])
def test_pools_that_are_too_small_are_named(load, veth, parameter, value, name, settings):
    load(**{parameter: value})
    veth()

    def open_until_it_fails(opened):
        for _ in range(20):
            opened.enter_context(netmap.open(name, **settings))

    with contextlib.ExitStack() as opened, pytest.raises(OSError, match=parameter) as said:
        open_until_it_fails(opened)
    assert said.value.errno == errno.ENOMEM, said.value


@pytest.mark.needs("netmap.ko")
def test_buffers_smaller_than_the_mtu_are_named(load, veth):
    load(buf_size=1024)
    name, _ = veth()
    with pytest.raises(OSError, match="buf_size"):
        open_port(name)


def test_an_unknown_port_is_named():
    for opener in (netmap.open, open_port):
        with pytest.raises(OSError, match="nosuch0") as said:
            opener("nosuch0")
        assert said.value.errno == errno.ENXIO


def test_a_port_of_a_switch_is_busy_to_others(veth):
    name, _ = veth()
    netmap.vale_attach(f"vale0:{name}")
    try:
        with pytest.raises(OSError, match="vale") as said:
            netmap.open(name)
        assert said.value.errno == errno.EBUSY
        with pytest.raises(OSError) as said:
            netmap.vale_attach(f"vale1:{name}")
        assert said.value.errno == errno.EBUSY
    finally:
        netmap.vale_detach(f"vale0:{name}")
    netmap.open(name).close()


def test_exclusive_ports_are_busy_to_others():
    with netmap.open("vale0:a/x"):
        with pytest.raises(OSError) as said:
            netmap.open("vale0:a")
        assert said.value.errno == errno.EBUSY
    netmap.open("vale0:a").close()


def test_an_interface_that_goes_down_and_comes_back_is_noticed(veth):
    name, peer = veth()
    with open_port(name) as port:
        assert port.link_up
        links.plug(name, peer, False)
        assert not port.link_up
        links.plug(name, peer, True)
        assert port.link_up


def test_what_the_doctor_says_where_netmap_is():
    from usnet.backends.netmap.opening import probe
    usable, said = probe()
    assert usable, said
    assert f"buf_num={module.parameters()['buf_num']}" in said


def test_a_monitor_of_a_port_that_nobody_has_open_is_refused():
    with pytest.raises(OSError) as said:
        netmap.open("vale0:nobody/r")
    assert said.value.errno == errno.EINVAL
