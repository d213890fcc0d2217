"""`usnet ss` and `usnet stat` on stacks of another process: a pair of stacks that talk, with the control socket of one."""

import json
import os
import re
import subprocess
import sys

import pytest
from click.testing import CliRunner

import usnet
from tests.cli.kit import ENVIRONMENT, first_line
from usnet.cli.commands import root
from usnet.sockets.inspect import connection_dtype

OTHER = """
import socket, sys
import usnet
from usnet.backends.pair import make_pair

a, b = make_pair("talk")
server = usnet.Stack(a, "10.9.0.1/24", control=True)
client = usnet.Stack(b, "10.9.0.2/24")
listener = server.create_server(("10.9.0.1", 7), backlog=5)
clients = [client.socket() for _ in range(3)]
for sock in clients:
    sock.setblocking(False)
    sock.connect_ex(("10.9.0.1", 7))
bound = server.socket(usnet.AF_INET, usnet.SOCK_DGRAM)
bound.bind(("", 53))
connected = server.socket(usnet.AF_INET, usnet.SOCK_DGRAM)
connected.connect(("10.9.0.2", 99))
for _ in range(20):
    server.run_once(), client.run_once()
first, second = listener.accept()[0], listener.accept()[0]
clients[0].send(b"x" * 1000)
second.setsockopt(usnet.IPPROTO_TCP, usnet.TCP_NODELAY, 1)
second.send(b"y" * 500)                # queued, and on its way: its peer is not driven any more
for _ in range(20):
    server.run_once()
    if _ == 0:
        client.run_once()
print(listener.fileno(), first.fileno(), second.fileno(), clients[0].getsockname()[1], clients[1].getsockname()[1], flush=True)
end = server.clock.now() + 120 * 10**9
while server.clock.now() < end:
    server.wait(end)
"""


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def other(runtime):
    """A process with a stack: (process, its line: descriptors and ports)."""
    environment = {**ENVIRONMENT, "XDG_RUNTIME_DIR": str(runtime)}
    process = subprocess.Popen([sys.executable, "-c", OTHER], env=environment, stdout=subprocess.PIPE, text=True)
    try:
        yield process, [int(n) for n in first_line(process).split()]
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def ask(runtime, monkeypatch):
    from usnet.backends import control

    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    directories = control.runtime_directories
    monkeypatch.setattr(control, "runtime_directories", lambda: directories()[:1])

    def run(*arguments):
        return CliRunner().invoke(root, [str(a) for a in arguments], prog_name="usnet")

    return run


def rows(result):
    assert (result.exit_code, result.stderr) == (0, "")
    header, *lines = result.stdout.splitlines()
    assert header.split() == ["Netid", "State", "Recv-Q", "Send-Q", "Local", "Peer", "Owner"]
    return [line.split() for line in lines]


def test_ss_lists_what_is_connected_with_its_queues_and_its_owner(other, ask):
    process, (_, first, second, port0, port1) = other
    found = {row[5]: row for row in rows(ask("ss", "-t"))}
    owner = f"-c[{process.pid}]"
    assert found[f"10.9.0.2:{port0}"] == ["tcp", "ESTABLISHED", "1000", "0", "10.9.0.1:7", f"10.9.0.2:{port0}", owner, f"fd={first}"]
    assert found[f"10.9.0.2:{port1}"] == ["tcp", "ESTABLISHED", "0", "500", "10.9.0.1:7", f"10.9.0.2:{port1}", owner, f"fd={second}"]
    (third,) = [row for row in found.values() if row[5] not in (f"10.9.0.2:{port0}", f"10.9.0.2:{port1}")]
    assert third[7:] == ["closed"] and len(found) == 3          # nobody has accepted it yet


def test_ss_lists_listeners_with_what_waits_for_accept(other, ask):
    (listener,) = rows(ask("ss", "--listening", "--tcp"))
    assert listener[:6] == ["tcp", "LISTEN", "1", "5", "10.9.0.1:7", "*:*"]
    assert listener[7] == f"fd={other[1][0]}"


def test_ss_tells_udp_apart(other, ask):
    ((*bound, _, _),) = rows(ask("ss", "-l", "-u"))
    assert bound == ["udp", "UNCONNECTED", "0", "0", "*:53", "*:*"]
    ((*connected, _, _),) = rows(ask("ss", "-u"))
    assert connected[:2] == ["udp", "CONNECTED"] and connected[5] == "10.9.0.2:99"
    assert len(rows(ask("ss", "--all"))) == 6


def test_ss_shows_what_tcp_thinks(other, ask):
    result = ask("ss", "-t", "-i")
    infos = [line for line in result.stdout.splitlines() if line.startswith("       cubic mss:")]
    assert len(infos) == 3
    assert all(re.search(r"mss:1448 cwnd:\d+ ssthresh:\d+ in_flight:\d+ rtt:\S+ms/\S+ms .*rto:\d+\.\d+ms", line) for line in infos)
    assert sum("in_flight:500 " in line for line in infos) == 1
    assert "rcvbuf:1048576" in ask("ss", "-l", "-i").stdout


def test_ss_as_json_has_all_of_it(other, ask):
    answer = json.loads(ask("ss", "--json", "--all").stdout)
    assert (answer["pid"], answer["ports"]) == (other[0].pid, ["pair:talk:a"])
    assert {one["state"] for one in answer["connections"]} == {"LISTEN", "ESTABLISHED", "CONNECTED", "UNCONNECTED"}
    (full,) = [one for one in answer["connections"] if one["send_queue"] == 500]
    assert full["in_flight"] == 500 and full["rcvbuf"] == 1 << 20 and full["rto"] >= 200_000_000
    assert set(full) == set(usnet.sockets.inspect.Connection._fields)


def test_stat_shows_counters_in_three_forms(other, ask):
    table = ask("stat").stdout
    assert re.search(r"tcp\.passive_opens\s+3\b", table) and "tcp.rsts_out" not in table
    assert re.search(r"tcp\.rsts_out\s+0\b", ask("stat", "--all").stdout)
    answer = json.loads(ask("stat", "--json").stdout)
    assert answer["counters"]["tcp"]["passive_opens"] == 3 and answer["by_port"]["pair:talk:a"]["rx_frames"] > 3


def test_stat_speaks_prometheus(other, ask):
    text = ask("stat", "--prometheus").stdout
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names)) > 60
    sample = re.compile(r'(usnet_\w+)\{pid="\d+",program="-c",stack="pair:talk:a"(,(reason|port)="[^"]+")?\} \d+')
    for line in text.splitlines():
        assert line.startswith(("# HELP usnet_", "# TYPE usnet_")) or sample.fullmatch(line), line
    assert {sample.fullmatch(line)[1] for line in text.splitlines() if line[0] != "#"} == set(names)
    assert 'usnet_tcp_passive_opens_total{pid="' in text and 'reason="checksum"} 0' in text
    assert "# TYPE usnet_tcp_established gauge" in text and "# TYPE usnet_memory_connections gauge" in text


def test_stat_watches_and_tells_rates(other, ask):
    result = ask("stat", "--watch", "0.1", "--times", "2")
    assert result.exit_code == 0
    assert result.stdout.count("tcp.passive_opens") == 2 and result.stdout.count("a second") == 1


def test_a_stack_is_chosen_by_pid_program_or_port(other, ask):
    process = other[0]
    for chosen in (process.pid, "-c", "pair:talk:a"):
        assert len(rows(ask("ss", "-t", "--", chosen))) == 3
    result = ask("stat", "elsewhere")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"usnet: no stack 'elsewhere' runs here; there are: -c[{process.pid}] on pair:talk:a\n"


def test_when_none_runs_that_is_one_line(tmp_path, monkeypatch, ask):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    for command in ("ss", "stat"):
        result = ask(command)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == f"usnet: no stack runs here with a control socket (looked in {tmp_path}/usnet)\n"
    result = ask("ss", "--control", tmp_path / "x")
    assert result.stderr == f"usnet: {tmp_path}/x: no stack runs there\n"


def test_what_is_printed_does_not_disturb_the_stack(other, ask):
    before = json.loads(ask("stat", "--json").stdout)["counters"]["tcp"]
    ask("ss", "--all", "-i")
    assert json.loads(ask("stat", "--json").stdout)["counters"]["tcp"]["segments_in"] == before["segments_in"]


def test_a_records_array_says_the_same_as_the_list():
    from usnet.backends.pair import make_pair

    with usnet.Stack(make_pair()[0], "10.9.0.1/24") as stack, stack.create_server(("", 7)) as listener:
        table = stack.connection_table()
        assert table.dtype == connection_dtype()
        (row,), (one,) = table, stack.connections()
        assert (row["protocol"], row["state"], row["lport"], row["fd"]) == (6, 1, 7, listener.fileno())
        assert one == usnet.sockets.inspect.connection_list(stack)[0]
        assert (one.state, one.local, one.descriptor, one.send_queue) == ("LISTEN", ("0.0.0.0", 7), listener.fileno(), 128)


def test_a_stack_without_a_control_socket_opens_none_and_one_with_takes_it_away(tmp_path):
    from usnet.backends.pair import make_pair

    a, b = make_pair()
    path = tmp_path / "control.sock"
    with usnet.Stack(a, "10.9.0.1/24", control=str(path)) as stack, usnet.Stack(b, "10.9.0.2/24"):
        assert stack.open_control() == str(path) and os.listdir(tmp_path) == ["control.sock"]
    assert os.listdir(tmp_path) == []


def test_a_simulated_stack_has_no_control_socket():
    with usnet.World(seed=1) as world, pytest.raises(ValueError, match="not driven in real time"):
        world.host("a", "10.0.0.1/24").stack.open_control()
