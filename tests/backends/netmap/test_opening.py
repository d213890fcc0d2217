"""What is said about netmap before a port is opened, on made-up machines; and what `usnet doctor` prints of it."""
import json
import os

import pytest
from click.testing import CliRunner

from usnet.backends.findings import ADVICE, GOOD, PROBLEM, Finding
from usnet.backends.netmap import findings, freebsd, linux, opening
from usnet.backends.netmap.findings import Offload
from usnet.backends.registry import examine
from usnet.backends.settings import mac_from_name
from usnet.cli.commands import root


class Machine:
    """A /sys of a machine, under a folder."""

    def __init__(self, folder, monkeypatch):
        self.folder, self.monkeypatch = folder, monkeypatch
        monkeypatch.setattr(linux, "MODULE", folder / "module")
        monkeypatch.setattr(linux, "NET", folder / "net")
        monkeypatch.setattr(linux, "offloads", lambda name: [])
        monkeypatch.setattr(linux, "mtu", lambda name: 1500)
        (folder / "net").mkdir()

    def module(self, holders=(), **parameters):
        (self.folder / "module" / "parameters").mkdir(parents=True)
        for name, value in parameters.items():
            (self.folder / "module" / "parameters" / name).write_text(f"{value}\n")
        for holder in holders:
            (self.folder / "module" / "holders" / holder).mkdir(parents=True)

    def interface(self, name, driver="", flags=0x1003, carrier="1", queues=1):
        at = self.folder / "net" / name
        for i in range(queues):
            (at / "queues" / f"rx-{i}").mkdir(parents=True)
        (at / "flags").write_text(f"{flags:#x}\n")
        (at / "carrier").write_text(carrier + "\n")
        if driver:
            (self.folder / "drivers" / driver).mkdir(parents=True, exist_ok=True)
            (at / "device" / "driver").mkdir(parents=True)
            os.symlink(self.folder / "drivers" / driver, at / "device" / "driver" / "module")


@pytest.fixture
def machine(tmp_path, monkeypatch):
    return Machine(tmp_path, monkeypatch)


def levels(found, level):
    return [each.text for each in found if each.level == level]


# Linux

def test_a_machine_without_the_module_says_how_to_load_it(machine):
    (found,) = linux.access_findings(str(machine.folder / "none"))
    assert found.level == PROBLEM and "modprobe netmap" in found.text


def test_a_loaded_module_without_its_device_is_a_container(machine):
    machine.module()
    (found,) = linux.access_findings(str(machine.folder / "none"))
    assert found.level == PROBLEM and "container" in found.text


def test_parameters_are_numbers_and_missing_ones_are_none(machine):
    assert linux.parameters() == {}
    machine.module(buf_size=2048, admode=0, odd="Y")
    assert linux.parameters() == {"buf_size": 2048, "admode": 0}


def test_an_interface_in_order_is_good_throughout(machine):
    machine.module(holders=["e1000e"], buf_size=2048, admode=0)
    machine.interface("em0", "e1000e")
    found = linux.interface_findings("em0", "all")
    assert {each.level for each in found} == {GOOD}
    assert any("native" in each.text for each in found) and any("1 queue" in each.text for each in found)


@pytest.mark.parametrize(("settings", "level", "what"), [
    ({"flags": 0x1002}, PROBLEM, "ip link set em0 up"), ({"carrier": "0"}, PROBLEM, "no link"), ({"driver": "virtio_net"}, ADVICE, "emulated"),
    ({"queues": 20}, PROBLEM, "ethtool -L em0 combined 16"),
])
def test_what_is_wrong_with_an_interface_is_a_sentence_that_says_what_to_do(machine, settings, level, what):
    machine.module(holders=["e1000e"], buf_size=2048)
    machine.interface("em0", **{"driver": "e1000e", **settings})
    assert any(what in text for text in levels(linux.interface_findings("em0", "all"), level))


def test_native_drivers_can_be_demanded_and_forbidden(machine):
    machine.module(holders=["e1000e"], admode=1)
    machine.interface("em0", "igb")
    machine.interface("em1", "e1000e")
    assert "admode" in levels(linux.driver_findings("em0"), PROBLEM)[0]
    assert levels(linux.driver_findings("em1"), GOOD)
    (machine.folder / "module" / "parameters" / "admode").write_text("2")
    assert "admode is 2" in levels(linux.driver_findings("em1"), ADVICE)[0]


def test_offloads_that_are_on_are_named_with_the_command_that_turns_them_off(machine):
    machine.module()
    machine.interface("em0", "e1000e")
    machine.monkeypatch.setattr(linux, "offloads", lambda name: [
        Offload("gro", True, "merges"), Offload("tso", True, "giants"), Offload("tso", True, "giants"), Offload("rx", False, "partial")])
    (text,) = [t for t in levels(linux.interface_findings("em0", "all"), ADVICE) if "offloads" in t]
    assert text.endswith("ethtool -K em0 gro off tso off") and "gro: merges; tso: giants" in text


def test_offloads_that_cannot_be_read_are_advice(machine):
    machine.module()
    machine.interface("em0", "e1000e")
    machine.monkeypatch.setattr(linux, "offloads", lambda name: None)
    assert any("ethtool -k em0" in text for text in levels(linux.interface_findings("em0", "all"), ADVICE))


def test_one_ring_of_several_needs_the_others_to_be_served_too(machine):
    machine.module()
    machine.interface("em0", "e1000e", queues=4)
    assert any("RSS" in text for text in levels(linux.interface_findings("em0", "one"), ADVICE))
    assert not any("queues" in each.text for each in linux.interface_findings("em0", "host"))


def test_the_features_of_a_real_interface_can_be_read_where_the_kernel_tells():
    found = linux.offloads("lo")
    assert found is None or {each.name for each in found} <= {name for name, _ in linux.OFFLOADS.values()}


@pytest.mark.parametrize(("mtu", "level"), [(1500, GOOD), (2026, GOOD), (2027, PROBLEM), (9000, PROBLEM)])
def test_frames_have_to_fit_the_buffers(mtu, level):
    (found,) = findings.buffer_findings("em0", mtu, 2048)
    assert found.level == level and (level == GOOD or str(-(-(mtu + 22) // 64) * 64) in found.text)


def test_an_unknown_interface_names_those_that_are_there(machine):
    machine.interface("em0")
    (found,) = linux.interface_findings("em7", "all")
    assert found.level == PROBLEM and "em0" in found.text


# What opening makes of it

def test_a_port_on_an_interface_has_its_address_and_mtu_and_on_its_host_rings_another(monkeypatch):
    monkeypatch.setattr(opening.SYSTEM, "mac", lambda name: b"\x02\0\0\0\0\x09")
    monkeypatch.setattr(opening.SYSTEM, "mtu", lambda name: 9000)
    request = opening.as_request("em0")
    assert opening.identity(request, "em0", None, None) == (b"\x02\0\0\0\0\x09", 9000)
    assert opening.identity(opening.as_request("em0^"), "em0", None, None) == (mac_from_name("netmap:em0^"), 9000)
    assert opening.identity(request, None, None, None) == (mac_from_name("netmap:em0"), 1500)
    assert opening.identity(request, "em0", "02:00:00:00:00:01", 1400) == (b"\x02\0\0\0\0\x01", 1400)


# FreeBSD: its programs' output is made up

IFCONFIG = """em0: flags=8843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST> metric 0 mtu 1500
\toptions=481049b<RXCSUM,VLAN_MTU,VLAN_HWTAGGING,TSO4,LRO>
\tether 52:54:00:12:34:56
\tstatus: active
"""


def test_freebsd_is_asked_by_its_own_programs(monkeypatch):
    said = {"ifconfig": IFCONFIG, "sysctl": "dev.netmap.buf_size: 2048\ndev.netmap.admode: 0\n"}
    monkeypatch.setattr(freebsd, "_output", lambda *command: said.get(command[0], ""))
    monkeypatch.setattr(freebsd, "interfaces", lambda: ["em0"])
    assert freebsd.mac("em0") == bytes.fromhex("525400123456") and freebsd.mtu("em0") == 1500
    assert freebsd.parameters() == {"buf_size": 2048, "admode": 0}
    found = freebsd.interface_findings("em0", "all")
    assert levels(found, PROBLEM) == []
    (advice,) = levels(found, ADVICE)
    assert advice.endswith("ifconfig em0 -lro -tso -rxcsum -vlanhwtag")


# The command

def doctor(*arguments):
    return CliRunner().invoke(root, ["doctor", *arguments], prog_name="usnet")


def test_doctor_examines_one_port(monkeypatch):
    monkeypatch.setattr(opening, "examine", lambda address: [Finding(GOOD, "fine"), Finding(ADVICE, f"look at {address}")])
    result = doctor("netmap:em0", "--json")
    assert result.exit_code == 0 and json.loads(result.stdout) == {
        "port": "netmap:em0", "usable": True,
        "findings": [{"level": "good", "text": "fine"}, {"level": "advice", "text": "look at em0"}]}
    shown = doctor("netmap:em0")
    assert shown.exit_code == 0 and "look at em0" in shown.stdout and "advice" in shown.stdout


def test_doctor_fails_where_something_has_to_be_mended_first(monkeypatch):
    monkeypatch.setattr(opening, "examine", lambda address: [Finding(PROBLEM, "it is down")])
    result = doctor("netmap:em0")
    assert result.exit_code == 1 and "it is down" in result.stdout


@pytest.mark.parametrize("name", ["netmap:", "netmap:a b", "nothing", "gopher:em0"])
def test_doctor_refuses_what_names_no_port(name):
    result = doctor(name)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)


def test_other_backends_are_examined_by_their_probe():
    assert [finding.level for finding in examine("pcap:file.pcapng")] == [GOOD]


def test_a_virtual_port_needs_no_interface(monkeypatch):
    monkeypatch.setattr(opening, "access", lambda: [Finding(GOOD, "netmap")])
    assert "no interface" in opening.examine("vale0:a")[-1].text and "no interface" in opening.examine("em0{1")[-1].text


def test_serve_says_in_one_line_why_it_cannot_begin(monkeypatch):
    monkeypatch.setattr(opening, "examine", lambda address: [Finding(ADVICE, "gro is on")])
    monkeypatch.setattr(opening, "PATH", "/nonexistent/netmap")
    result = CliRunner().invoke(root, ["serve", "echo", "--backend", "netmap:em0", "--address", "10.9.0.2/24"], prog_name="usnet")
    assert result.exit_code == 1 and result.stdout == ""
    line, = result.stderr.splitlines()
    assert line.startswith("usnet: ") and ("netmap is not loaded" in line or "there is no" in line)
