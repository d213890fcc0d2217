"""What an error of netmap's is told as."""
import errno

import pytest

from usnet.backends.errors import BackendUnavailable
from usnet.backends.netmap.errors import Facts, failure
from usnet.backends.netmap.names import parse
from usnet.backends.netmap.requests import PortInfo

LINUX = Facts("linux", module=True, parameters={"buf_size": 2048, "buf_num": 1000, "ring_num": 200, "ring_size": 36864, "admode": 0},
              interfaces=("lo", "eth0"), port=PortInfo(0, 256, 256, 2, 2, 1, 1, 1))


def facts(**changed):
    return Facts(**({name: getattr(LINUX, name) for name in LINUX.__dataclass_fields__} | changed))


@pytest.mark.parametrize(("error", "name", "known", "said"), [
    (errno.EBUSY, "eth0/x", LINUX, "leave out '/x'"),
    (errno.EBUSY, "eth0", LINUX, "vale_detach()"),
    (errno.EBUSY, "eth0@offset=4", LINUX, "other offsets"),
    (errno.EINVAL, "vale0:a^", LINUX, "host rings"),
    (errno.EINVAL, "eth0-2", LINUX, "there is no ring 2: the port has 2 transmit and 2 receive rings"),
    (errno.EINVAL, "eth0^1", LINUX, "there is no host ring 1"),
    (errno.EINVAL, "eth0/r", LINUX, "a monitor needs a port that some program has open"),
    (errno.EINVAL, "eth0/z", LINUX, "add t, r or both"),
    (errno.EINVAL, "eth0@offset=3000", LINUX, "more than a buffer's 2048 bytes"),
    (errno.EINVAL, "eth0@offset:initial=100,bits=3", LINUX, "an offset of 100 does not fit in 3 bits"),
    (errno.EINVAL, "eth0", facts(mtu=9000), "MTU of 9000 does not fit netmap's buffers of 2048 bytes"),
    (errno.EINVAL, "eth0", facts(mtu=9000), "echo 9024 > /sys/module/netmap/parameters/buf_size"),
    (errno.EINVAL, "eth0@7", LINUX, "no memory region 7"),
    (errno.EINVAL, "eth0", LINUX, "an API other than 11 to 15"),
    (errno.ENXIO, "eht0", LINUX, "there is no interface eht0 (there are: lo, eth0)"),
    (errno.ENXIO, "eth0", LINUX, "the interface eth0 is there, but"),
    (errno.ENOMEM, "eth0", LINUX, "buf_num is 1000 and 1538 are needed; as root, while no port is open: echo 1538 > /sys"),
    (errno.ENOMEM, "eth0@conf:slots=4096", facts(parameters={"ring_size": 36864}), "ring_size is 36864 and 65792 are needed"),
    (errno.ENOMEM, "eth0@conf:rings=200", facts(parameters={"ring_num": 200}), "ring_num is 200 and 402 are needed"),
    (errno.ENOMEM, "eth0", facts(system="freebsd"), "sysctl dev.netmap.buf_num=1538"),
    (errno.ENOMEM, "eth0", facts(parameters={}), "close other ports, or raise buf_num"),
    (errno.ENOMEM, "vale0:a", LINUX, "port's own region"),
    (errno.EOPNOTSUPP, "eth0@offset=4", LINUX, "has no offsets"),
    (errno.EOPNOTSUPP, "eth0", facts(parameters={"admode": 1}), "echo 0 > /sys/module/netmap/parameters/admode"),
    (errno.EIO, "vale0:a", LINUX, "port_hdr_set('vale0:a', 0)"),
    (errno.EMSGSIZE, "eth0", LINUX, "longer than netmap takes"),
    (errno.ENODEV, "eth0", LINUX, "going away"),
    (errno.E2BIG, "eth0", LINUX, "netmap refused it"),
])
def test_a_refused_registration_says_why_and_what_to_do(error, name, known, said):
    raised = failure(error, "register", name, parse(name), facts=known)
    assert type(raised) in (OSError, *OSError.__subclasses__())
    assert not isinstance(raised, BackendUnavailable)
    assert raised.errno == error
    assert said in str(raised)


@pytest.mark.parametrize(("error", "known", "said"), [
    (errno.ENOENT, facts(module=False), "as root: modprobe netmap"),
    (errno.ENOENT, Facts("freebsd"), "as root: kldload netmap"),
    (errno.ENOENT, LINUX, "in a container, hand the device in"),
    (errno.ENXIO, facts(module=False), "netmap is not loaded"),
    (errno.EACCES, LINUX, "chmod 660 /dev/netmap"),
    (errno.EPERM, LINUX, "run as root"),
])
def test_a_machine_without_netmap_is_told_apart_from_a_refusal(error, known, said):
    raised = failure(error, "open", "eth0", parse("eth0"), facts=known)
    assert isinstance(raised, BackendUnavailable)
    assert raised.errno == error
    assert said in str(raised)


def test_a_device_that_knows_no_netmap_is_not_netmap():
    assert isinstance(failure(errno.ENOTTY, "register", "eth0", parse("eth0"), facts=facts(device="/dev/null")), BackendUnavailable)


@pytest.mark.parametrize(("what", "error", "said"), [
    ("txsync", errno.ENXIO, "not registered any more"),
    ("rxsync", errno.EIO, "a ring is stopped"),
    ("poll", errno.EBUSY, "CSB"),
    ("vale_attach", errno.EBUSY, "attached to a switch already"),
    ("vale_detach", errno.ENXIO, "not attached to that switch"),
    ("vale_delif", errno.EBUSY, "detach it or end that first"),
    ("port_hdr_set", errno.EINVAL, "0, 10 or 12 bytes"),
    ("open", errno.EMFILE, "too many descriptors"),
    ("map", errno.ENOMEM, "buf_num smaller"),
])
def test_other_calls_explain_their_errors_too(what, error, said):
    raised = failure(error, what, "eth0", facts=LINUX)
    assert raised.errno == error
    assert said in str(raised)
    assert "eth0" in str(raised)
