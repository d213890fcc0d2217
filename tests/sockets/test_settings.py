"""Settings: what may be said, what is refused and how, and that a stack does as it was told."""

import dataclasses
import re
import socket
import tomllib

import pytest

import usnet
from tests.sources import PACKAGE, ROOT
from usnet.backends.pair import make_pair
from usnet.cli.config import described
from usnet.sockets.settings import SECTIONS, Settings, SettingsError
from usnet.stack import StackCore


def fields_of(path, struct):
    text = (PACKAGE / path).read_text()
    body = re.search(rf"cdef struct {struct}:\n((?:    .*\n)+)", text)[1]
    return set(re.findall(r"^    u?int\d+_t (\w+)", body, re.MULTILINE))


def test_all_of_the_core_can_be_set_by_the_cores_names_and_has_the_cores_defaults():
    assert Settings().core() == StackCore(1, 16, 16, 16).configuration()
    assert {f.name for f in dataclasses.fields(SECTIONS["tcp"])} == fields_of("tcp/state.pxd", "tcp_config")
    assert {f.name for f in dataclasses.fields(SECTIONS["ip"])} == fields_of("ip/state.pxd", "ip_config")


def test_the_limits_of_settings_fit_into_the_core():
    core = StackCore(1, 16, 16, 16)
    for section in ("tcp", "ip", "driver"):
        for f in dataclasses.fields(SECTIONS[section]):
            for end in ("least", "most"):
                if end in f.metadata:
                    changes = {f"{section}.{f.name}": f.metadata[end]}
                    if f.name == "rto_max" or (f.name.startswith("rto_") and end == "most"):
                        changes["tcp.rto_max"] = f.metadata["most"]     # what must keep to another
                    wanted = Settings().with_changes(changes).core()
                    core.configure(**wanted)
                    assert core.configuration() == wanted


def test_what_is_written_as_toml_reads_the_same():
    settings = Settings.from_dict({
        "interface": {
            "backend": "pair:x", "address": ["10.9.0.1/24", "10.8.0.1/16"], "gateway": "10.9.0.9", "routes": [["10.7.0.0/16", ""]],
            "options": {"slots": 64}, "neighbours": {"10.9.0.2": "02-00-00-00-00-AA"}, "vlan": 5,
        },
        "tcp": {"rcvbuf": "8096B", "msl": "1.5s", "sndbuf": 32384, "timestamps": False},
        "serve": {"root": 'a "b" \\ ü'},
        "hosts": {"server": "10.9.0.2", "both": ["10.9.0.2", "10.9.0.3"]},
    })
    assert Settings.from_dict(tomllib.loads(settings.to_toml())) == settings
    assert (settings.tcp.msl, settings.tcp.rcvbuf, settings.tcp.timestamps) == (1_500_000_000, 8096, False)
    assert settings.interface.neighbours == {"10.9.0.2": "02:00:00:00:00:aa"}
    assert Settings.from_dict(tomllib.loads(Settings().to_toml())) == Settings()


@pytest.mark.parametrize(("text", "says"), [
    ("[tcp]\nrto_minn = 1", r"tcp\.rto_minn is no setting \(the nearest is tcp\.rto_min\)"),
    ("[tpc]\nrto_min = 1", r"tpc is no setting \(the nearest is tcp\)"),
    ('[tcp]\nrto_min = "fast"', r"tcp\.rto_min must be a time \(200ms, 1\.5s, or ns\), not 'fast'"),
    ('[tcp]\nrto_min = "0.3ns"', r"tcp\.rto_min must be a time"),
    ("[tcp]\nrto_min = 1.5", r"tcp\.rto_min must be a time"),
    ("[tcp]\nrto_min = true", r"tcp\.rto_min must be a time"),
    ('[tcp]\ndelack = "1s"', r"tcp\.delack must lie between 0 and 500ms, not be 1s"),
    ('[tcp]\nrto_max = "1ms"', r"tcp\.rto_min must not be longer than tcp\.rto_max"),
    ('[tcp]\nrto_initial = "2h"', r"tcp\.rto_initial must not be longer"),
    ("[tcp]\nmss = 20", r"tcp\.mss must be 0, or 64"),
    ('[tcp]\nsndbuf = "2GiB"', r"tcp\.sndbuf must lie between 1B and 1GiB"),
    ('[tcp]\ncongestion = "vegas"', r"tcp\.congestion must be one of newreno, cubic, none, dctcp, bbr.* not 'vegas'"),
    ('[tcp]\nhystart = "on"', r"tcp\.hystart must be one of off, cubic, all, not 'on'"),
    ("[tcp]\ntimestamps = 1", r"tcp\.timestamps must be true or false, not 1"),
    ("[ip]\nttl = 0", r"ip\.ttl must lie between 1 and 255"),
    ("[limits]\nsockets = 0", r"limits\.sockets must lie between"),
    ("[tcp]\nmss = ,", r"line 2"),
    ("tcp = 5", r"tcp must be a table, not 5"),
    ("[interface]\naddress = '10.9.0.1'", r"interface\.address must be an IPv4 address with a prefix"),
    ("[interface]\naddress = 5", r"interface\.address must be an address or a list"),
    ("[interface]\ngateway = '10.9.0.1/24'", r"interface\.gateway must be an IPv4 address without a prefix"),
    ("[interface]\nroutes = ['10.0.0.0/8']", r"interface\.routes must be a list of"),
    ("[interface]\nroutes = [['10.0.0.1/8', '']]", r"interface\.routes must be routes to IPv4 networks"),
    ("[interface]\nneighbours = {'10.9.0.2' = 'x'}", r"interface\.neighbours\.10\.9\.0\.2 must be an Ethernet address"),
    ("[interface]\nbackend = 5", r"interface\.backend must be text"),
    ("[hosts]\nserver = 'nowhere'", r"hosts\.server must be an IPv4 address"),
    ("hosts = 5", r"hosts must be a table"),
    ("[tcp", r"Expected '\]'"),
])
def test_what_is_wrong_in_a_file_names_the_file_and_the_key(tmp_path, text, says):
    path = tmp_path / "usnet.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=says) as caught:
        Settings.load(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_file_that_is_no_text_is_refused_by_its_name(tmp_path):
    (tmp_path / "x.toml").write_bytes(b"\xff")
    with pytest.raises(SettingsError, match=r"x\.toml"):
        Settings.load(tmp_path / "x.toml")


def test_settings_do_not_change_but_others_can_be_made_of_them():
    settings = Settings()
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.tcp = None
    other = settings.with_changes({"tcp.rcvbuf": "64KiB", "hosts.a": "10.0.0.1"})
    assert (other.tcp.rcvbuf, other.hosts, settings) == (65536, {"a": "10.0.0.1"}, Settings())
    for key, says in (("tcp", "name one of its keys"), ("tcp.nothing", "no setting"), ("nothing.x", "no setting")):
        with pytest.raises(SettingsError, match=says):
            settings.with_changes({key: 1})
    with pytest.raises(SettingsError, match="must be a Tcp"):
        Settings(tcp={})


def test_the_document_lists_every_setting_as_it_is():
    assert (ROOT / "docs" / "settings.md").read_text() == described()


def test_the_docstrings_name_fields_and_units():
    assert "rcvbuf: receive buffer of a connection (SO_RCVBUF) (bytes, 1B to 1GiB)" in SECTIONS["tcp"].__doc__
    assert "keep_interval" in SECTIONS["tcp"].__doc__ and "(ns, " in SECTIONS["tcp"].__doc__


SETTINGS = {
    "interface": {"address": "10.9.0.1/24", "gateway": "10.9.0.2", "routes": [["10.7.0.0/16", "10.9.0.2"]],
                  "neighbours": {"10.9.0.77": "02:00:00:00:00:77"}},
    "limits": {"connections": 4, "sockets": 8, "chunks": 64},
    "tcp": {"rcvbuf": "8096B", "sndbuf": 32384, "msl": "30s", "keepalive": True, "keep_idle": "120s"},
    "driver": {"burst": 1024, "rounds": 3, "look_interval": "2us", "poll_interval": "5ms"},
    "hosts": {"server": "10.9.0.2", "both": ["10.9.0.3", "10.9.0.4"]},
}


def test_a_stack_of_settings_is_as_they_say():
    port, _ = make_pair()
    with usnet.Stack.from_settings(Settings.from_dict(SETTINGS), port) as stack:
        core = stack.core.configuration()
        assert (core["rcvbuf"], core["sndbuf"], core["burst"], core["rounds"]) == (8096, 32384, 1024, 3)
        assert (stack.look_interval, stack.poll_interval) == (2000, 5_000_000)
        assert usnet.getaddrinfo("server", 7, 0, usnet.SOCK_STREAM)[0][4] == ("10.9.0.2", 7)
        assert usnet.gethostbyname_ex("both")[2] == ["10.9.0.3", "10.9.0.4"]
        assert stack.core.settings == {"max_connections": 4, "max_chunks": 64, "max_sockets": 11}
        with stack.socket() as sock:
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == 8096
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 120
        with stack.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"x", ("10.9.0.77", 9))         # no ARP: its address is known
        assert stack.statistics()["ip"]["arp_requests_out"] == 0
        socks = [stack.socket() for _ in range(4)]
        with pytest.raises(OSError, match="No buffer space"):
            stack.socket()
        for sock in socks:
            sock.close()


def test_a_stack_of_settings_opens_its_backend_by_name_with_its_options():
    settings = Settings.from_dict({"interface": {"backend": "pair:of-settings", "options": {"mtu": 9000, "buf_size": 9216}}})
    with usnet.Stack.from_settings(settings) as stack, usnet.Stack("pair:of-settings"):
        assert stack.ports[0].mtu == 9000
    with pytest.raises(ValueError, match="only tap: devices"):
        usnet.Stack.from_settings(settings.with_changes({"interface.peer_address": "10.9.0.9/24"}))
    usnet.open_port("pair:of-settings").close()


def test_keepalive_for_all_reaches_accepted_connections_too_unless_the_listener_says_no(us):
    us.server.configure(keepalive=1)
    for wanted in (1, 0):
        with us.server.create_server(("", 7)) as listener, us.tcp() as client:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, wanted)
            client.setblocking(False)
            client.connect_ex((us.host, 7))
            us.settle()
            with listener.accept()[0] as accepted:
                assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == wanted
                assert client.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0


def test_impossible_bursts_are_refused():
    core = StackCore(1, 16, 16, 16)
    for name in ("burst", "rounds", "tx_retry"):
        with pytest.raises(ValueError, match="burst and rounds"):
            core.configure(**{name: 0})
