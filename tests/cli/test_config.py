"""`usnet config`, and `usnet serve --config`: what wins over what, and how mistakes are told."""

import json
import re
import signal
import sys
import tomllib

import pytest
from click.testing import CliRunner

from tests.cli.kit import Namespace, stop
from usnet.backends import registry
from usnet.backends.errors import BackendUnavailable
from usnet.cli.commands import root
from usnet.sockets.settings import Settings

FILE = """
[interface]
backend = "tap:em1"
address = "10.10.10.2/24"
peer_address = "10.10.10.1/24"

[serve]
port = 35355

[tcp]
rcvbuf = "8096B"
sndbuf = 32384
"""
device = pytest.mark.needs("root", "tun")


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "usnet.toml"
    path.write_text(FILE)
    return path


def invoke(*arguments):
    return CliRunner().invoke(root, [str(a) for a in arguments], prog_name="usnet")


def shown(*arguments):
    result = invoke("config", *arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    return Settings.from_dict(tomllib.loads(result.stdout))


def test_it_shows_what_is_in_effect_as_toml(config):
    assert shown() == shown("--show") == Settings()
    assert shown("--config", config) == Settings.load(config)
    changed = shown("--config", config, "--set", "tcp.rcvbuf=64KiB", "--set", 'interface.routes=[["10.8.0.0/16", ""]]', "--show")
    assert changed == Settings.load(config).with_changes({"tcp.rcvbuf": 65536, "interface.routes": [["10.8.0.0/16", ""]]})


class Brought:
    """A controller that an installed package's entry point names."""

    name, value, group = "swift", "somebody.swift", "usnet.congestion"
    dist = type("Distribution", (), {"name": "somebodys-controllers"})


def test_it_lists_the_controllers_that_there_are_without_loading_any(monkeypatch):
    from usnet.tcp.congestion import registry as controllers

    monkeypatch.setattr(controllers, "entry_points", lambda group: [Brought] if group == "usnet.congestion" else [])
    done = CliRunner().invoke(root, ["config", "--controllers", "--set", "tcp.congestion=dctcp"])
    assert done.exit_code == 0
    rows = [line.split(maxsplit=1) for line in done.output.splitlines()]
    assert [row for row in rows if row[1] != "of this program"] == [
        ["newreno", "built in"], ["cubic", "built in"], ["none", "built in"], ["dctcp", "built in, in use"], ["bbr", "built in"],
        ["swift", "of somebody.swift (somebodys-controllers)"],
    ]  # fmt: skip


@pytest.mark.parametrize(("text", "says"), [
    ("[tcp]\nrto_minn = 1", "tcp.rto_minn is no setting (the nearest is tcp.rto_min)"),
    ("[tcp]\nmsl = 'x'", "tcp.msl must be a time (200ms, 1.5s, or ns), not 'x'"),
    ("[tcp", "Expected ']' at the end of a table declaration (at end of document)"),
])
def test_a_mistake_in_the_file_is_one_line_with_file_and_key(tmp_path, text, says):
    path = tmp_path / "usnet.toml"
    path.write_text(text)
    for command in (("config",), ("serve", "echo"), ("serve", "http")):
        result = invoke(*command, "--config", path)
        assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"usnet: {path}: {says}\n")


def test_a_file_that_is_not_there_is_one_line(tmp_path):
    result = invoke("config", "--config", tmp_path / "none.toml")
    assert (result.exit_code, result.stderr) == (2, f"usnet: {tmp_path}/none.toml: No such file or directory\n")


@pytest.mark.parametrize(("change", "says"), [("tcp.rto", "KEY=VALUE"), ("tcp.x=1", "tcp.x is no setting"), ("tcp.mss=1", "tcp.mss must be")])
def test_a_wrong_change_is_one_line(change, says):
    result = invoke("config", "--set", change)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert "--set" in result.stderr and says in result.stderr


@pytest.fixture
def opened(monkeypatch):
    """What serve would open."""
    found = []

    def open_port(name, **options):
        found.append((name, options))
        raise BackendUnavailable("not here")

    monkeypatch.setattr(registry, "open_port", open_port)
    return found


def test_options_win_over_changes_and_those_over_the_file(config, opened):
    config.write_text(FILE + "\n[interface.options]\nslots = 64\n")
    assert invoke("serve", "echo", "--config", config).stderr.endswith("usnet: not here\n")
    invoke("serve", "echo", "--config", config, "--set", "interface.backend=tap:two")
    invoke("serve", "echo", "--config", config, "--set", "interface.backend=tap:two", "--backend", "tap:three")
    assert opened == [("tap:em1", {"slots": 64}), ("tap:two", {"slots": 64}), ("tap:three", {"slots": 64})]


@pytest.mark.parametrize(("change", "says"), [
    ("interface.gateway=10.1.1.1", "10.1.1.1 does not lie in 10.10.10.2/24's network"),
    ("interface.address=10.10.10.0/24", "no address that a host can have"),
    ("interface.peer_address=10.10.10.2/24", "the server's own address"),
    ("serve.faults=loss=2", "serve.faults: loss"),
])
def test_settings_of_a_file_are_examined_as_options_are(config, opened, change, says):
    result = invoke("serve", "echo", "--config", config, "--set", change)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert says in result.stderr
    assert opened == []


def test_a_root_that_is_not_there_is_told(config, opened):
    result = invoke("serve", "http", "--config", config, "--set", "serve.root=/nowhere/at/all")
    assert (result.exit_code, opened) == (2, []) and "serve.root: /nowhere/at/all is no directory" in result.stderr


@pytest.fixture
def namespace():
    with Namespace() as made:
        yield made


@device
@pytest.mark.needs("nc")
def test_the_file_says_what_options_do_not(namespace, config):
    with namespace.serving("echo", "--config", str(config)) as process:
        assert namespace.run("nc", "-N", "10.10.10.2", "35355", input=b"hello").stdout == b"hello"
        listed = ask(namespace, process, "ss", "-l")
        (listener,) = [one for one in listed["connections"] if one["protocol"] == "tcp"]
        assert (listener["local"], listener["rcvbuf"], listener["sndbuf"]) == (["0.0.0.0", 35355], 8096, 32384)
        assert listed["ports"] == ["tap:em1"]
        assert ask(namespace, process, "stat")["counters"]["tcp"]["accepted"] == 1
        assert stop(process, signal.SIGTERM)[0] == 0


def ask(namespace, process, *arguments):
    done = namespace.run(sys.executable, "-W", "error", "-m", "usnet", arguments[0], "--json", *arguments[1:], process.pid, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@device
@pytest.mark.needs("nc")
def test_a_server_writes_its_log_where_it_was_told(namespace, config, tmp_path):
    log = tmp_path / "usnet.log"
    with namespace.serving("echo", "--config", str(config), "--log", str(log)) as process:
        namespace.run("nc", "-N", "10.10.10.2", "35355", input=b"hello")
        stop(process, signal.SIGTERM)
    said = [re.sub(r"^\S+ \S+ ", "", line) for line in log.read_text().splitlines()]
    assert said[0] == "INFO listening on 10.10.10.2 port 35355 (echo, tap:em1)"
    assert re.fullmatch(r"INFO 10\.10\.10\.1:\d+ connected", said[1]) and re.fullmatch(r"INFO 10\.10\.10\.1:\d+ closed", said[2])
    assert said[3].startswith("INFO stopped after") and len(said) == 4


@device
def test_a_control_socket_that_cannot_be_had_is_one_line_when_it_was_asked_for(namespace, config):
    command = [sys.executable, "-W", "error", "-m", "usnet", "serve", "echo", "--config", config, "--control", "/nowhere/at/all.sock"]
    done = namespace.run(*command, check=False, text=True)
    assert (done.returncode, done.stderr) == (1, "usnet: /nowhere/at/all.sock: No such file or directory\n")
