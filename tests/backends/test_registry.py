"""Ports open by name, and what is missing is said."""
import pytest

from usnet.backends import registry
from usnet.backends.errors import BackendUnavailable
from usnet.backends.tap import port as tap_port


def test_the_shipped_backends_are_known_in_order():
    known = list(registry.backends())
    assert known == sorted(known) and {"sim", "tap", "pcap", "pair"} <= set(known)


def test_a_pair_opens_end_by_end():
    a = registry.open_port("pair:one", slots=4)
    b = registry.open_port("pair:one")
    a.send(b"x" * 60)
    assert [f for f, _ in b.receive()] == [b"x" * 60]
    assert (a.name, b.name) == ("pair:one:a", "pair:one:b")


@pytest.mark.parametrize("name", ["ether:0", "tap0", ""])
def test_an_unknown_scheme_names_the_known_ones(name):
    with pytest.raises(ValueError, match=r"pair.*pcap.*tap"):
        registry.open_port(name)


def test_a_backend_that_is_not_installed_is_unavailable(monkeypatch):
    monkeypatch.setitem(registry.BUILT_IN, "ghost", "usnet.backends.ghost:open_port")
    with pytest.raises(BackendUnavailable, match="ghost"):
        registry.open_port("ghost:x")
    assert registry.probe("ghost")[0] is False
    assert registry.probe("pair")[0] is True


@pytest.mark.parametrize(("error", "says"), [(2, "modprobe tun"), (13, "permission")])
def test_a_tap_without_its_device_says_what_to_do(monkeypatch, error, says):
    def refuse(*_):
        raise OSError(error, "no")
    monkeypatch.setattr(tap_port.os, "open", refuse)
    with pytest.raises(BackendUnavailable, match=says):
        registry.open_port("tap:us0")


@pytest.mark.parametrize("name", ["", "much-too-long-a-name", "a/b", "a b"])
def test_a_tap_is_not_opened_under_a_name_that_cannot_be(name):
    with pytest.raises(ValueError, match="name of an interface"):
        registry.open_port(f"tap:{name}")
