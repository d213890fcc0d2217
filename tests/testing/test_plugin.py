"""pytest's plugin: projects that use it, run by pytest's own means."""

import re
import shlex
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

PROGRAMS = '''
import pytest
import usnet
import usnet.testing


def serve():
    with usnet.create_server(("", 7)) as listener:
        while True:
            connection, _ = listener.accept()
            with connection:
                while data := connection.recv(65536):
                    connection.sendall(data)


def echoed(n=5000):
    with usnet.create_connection(("server", 7)) as s:
        s.sendall(bytes(n))
        s.shutdown(usnet.SHUT_WR)
        got = 0
        while data := s.recv(65536):
            got += len(data)
    return got

'''


@pytest.fixture
def project(pytester, monkeypatch):
    """Writes tests with the programs above, runs pytest on them; a function that gives its result."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)

    def run(tests, *arguments):
        pytester.makepyfile(PROGRAMS + tests)
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments)

    return run


def section(result):
    """The lines that the plugin adds to a failure."""
    return re.findall(r"^(?:reproduce|network|capture|picture): .*|^  .*(?:lost|corrupted|arrives).*", result.stdout.str(), re.MULTILINE)


def test_a_pair_carries_bytes_and_a_programs_result_comes_back(project):
    project('''
def test_echo(usnet_pair):
    usnet_pair.server.run(serve)
    assert usnet_pair.call(echoed, 70_000) == 70_000
    assert usnet_pair.world.now > 40_000_000
''').assert_outcomes(passed=1)


def test_client_and_server_are_hosts_of_one_world(project):
    project('''
def test_echo(usnet_world, usnet_client, usnet_server):
    assert usnet_client.world is usnet_server.world is usnet_world
    usnet_server.run(serve)
    program = usnet_client.run(echoed)
    usnet_world.run()
    assert program.value == 5000
''').assert_outcomes(passed=1)


def test_programs_run_to_their_end_when_the_body_has_ended_and_their_error_is_the_tests_failure(project):
    result = project('''
def test_echo(usnet_client, usnet_server):
    usnet_server.run(serve)

    def ask():
        assert echoed() == 5001, "not all came back"

    usnet_client.run(ask)
''')
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*AssertionError: not all came back", "*in program 'client:ask' at * ns"])


def test_the_mark_says_what_the_link_is_like(project):
    project('''
@pytest.mark.usnet(delay="200ms")
class TestSlow:
    @pytest.mark.usnet(seed=7, fates=[{"do": "drop", "at": "server->client", "match": {"flag": "synack", "nth": 1}}])
    def test_both(self, usnet_pair):
        assert usnet_pair.world.seed == 7
        usnet_pair.server.run(serve)
        usnet_pair.call(echoed)
        assert usnet_pair.link.up.delay == 200_000_000
        assert usnet_pair.link.statistics()["down"]["dropped"]["fate"] == 1

    @pytest.mark.usnet(delay="1ms", limit="5s")
    def test_closest(self, usnet_pair):
        assert usnet_pair.link.up.delay == 1_000_000
        assert usnet_pair.limit == 5_000_000_000
''').assert_outcomes(passed=2)


@pytest.mark.parametrize(("mark", "told"), [("0.02", "takes its arguments by name"), ("lost=0.02", "a link has no lost")])
def test_a_mark_that_cannot_be_is_an_error_that_says_so(project, mark, told):
    result = project(f'''
@pytest.mark.usnet({mark})
def test_echo(usnet_pair):
    pass
''')
    result.assert_outcomes(errors=1)
    assert told in result.stdout.str()


def test_the_seed_comes_from_the_tests_name_and_the_option_wins(project):
    seeds = '''
def test_one(usnet_world):
    print("seed", usnet_world.seed)

@pytest.mark.usnet(seed=5)
def test_two(usnet_world):
    print("seed", usnet_world.seed)

def test_three():
    with usnet.testing.world() as world:
        print("seed", world.seed)
    with usnet.testing.world(seed=9) as world:
        print("seed", world.seed)
'''

    def found(*arguments):
        return re.findall(r"(?:^|[. ])seed (\d+)", project(seeds, "-s", *arguments).stdout.str(), re.MULTILINE)

    one, two, three, told = found()
    assert (two, told) == ("5", "9")
    assert one != three
    assert found() == [one, two, three, told]
    assert found("--usnet-seed=3") == ["3", "3", "3", "9"]


def test_a_test_that_is_a_coroutine_runs_on_the_client(project):
    project('''
import asyncio


async def greet(reader, writer):
    writer.write(b"hello")
    writer.close()


async def listen():
    async with await asyncio.start_server(greet, "0.0.0.0", 80) as server:
        await server.serve_forever()


class TestGreeting:
    @pytest.mark.parametrize("delay", [1, 2])
    async def test_hello(self, usnet_pair, delay):
        usnet_pair.server.run(listen)
        await asyncio.sleep(delay)
        reader, writer = await asyncio.open_connection("server", 80)
        assert await reader.read() == b"hello"
        writer.close()
        assert usnet_pair.world.now > delay * 1_000_000_000


async def test_it_may_fail(usnet_pair):
    await asyncio.sleep(1)
    assert not usnet_pair.world.now
''').assert_outcomes(passed=2, failed=1)


SCENARIO = '''
schema = 1
name = "slow"
about = "a slow link"
source = ["none"]
duration = "60s"
[hosts.client]
[hosts.server]
[[links]]
a = "client"
b = "server"
delay = "300ms"
'''


@pytest.mark.parametrize(("place", "name"), [("slow.toml", "slow.toml"), ("sim_scenarios/slow.toml", "slow"), ("nets/slow.toml", "nets/slow.toml")])
def test_a_mark_names_a_scenario(project, pytester, place, name):
    (pytester.path / place).parent.mkdir(exist_ok=True)
    (pytester.path / place).write_text(SCENARIO)
    project(f'''
@pytest.mark.usnet(scenario="{name}")
def test_echo(usnet_pair):
    usnet_pair.server.run(serve)
    usnet_pair.call(echoed)
    assert usnet_pair.world.now > 1_200_000_000
''').assert_outcomes(passed=1)


def test_a_scenario_that_is_not_there_is_an_error_that_names_it(project):
    result = project('''
@pytest.mark.usnet(scenario="none")
def test_echo(usnet_pair):
    pass
''')
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*none: No such file or directory*"])


LOSSY = '''
@pytest.mark.usnet(loss=0.1)
def test_lossy(usnet_pair):
    usnet_pair.server.run(serve)
    n = usnet_pair.call(echoed, 40_000)
    assert n == 1, usnet_pair.world.digest()
'''


def test_a_failure_names_what_reproduces_it_and_what_was_captured(project, pytester):
    result = project(LOSSY, "--usnet-artifacts=evidence", "--usnet-seed=11")
    result.assert_outcomes(failed=1)
    first, network, *more = section(result)
    assert re.fullmatch(r"network: seed 11, \d+ frames sent, \d+ impaired, [\d.]+ s of virtual time", network)
    lost = [line for line in more if line.startswith("  ")]
    assert lost and all(re.fullmatch(r"  [\d.]+ s, (client to server|server to client): TCP .* lost \(loss\)", line) for line in lost)
    ends = [line.partition(": ")[2] for line in more if line.startswith("capture: ")]
    assert [path.rpartition("/")[2] for path in ends] == ["client-server.client.pcapng", "client-server.server.pcapng"]
    for path in ends:
        assert Path(path).read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"
    (picture,) = [line.partition(": ")[2] for line in more if line.startswith("picture: ")]
    assert "<svg" in Path(picture).read_text()[:1000]
    assert all(path.startswith(str(pytester.path / "evidence")) for path in [*ends, picture])

    command = shlex.split(first.removeprefix("reproduce: "))
    assert command[0] == "pytest" and "--usnet-seed=11" in command
    again = pytester.runpytest_subprocess("-p", "no:cacheprovider", *command[1:])
    digests = [set(re.findall(r"AssertionError: ([0-9a-f]{32})", r.stdout.str())) for r in (result, again)]
    assert len(digests[0]) == 1 and digests[0] == digests[1]


def test_without_a_place_evidence_goes_into_pytests_temporary_directory(project, tmp_path):
    result = project(LOSSY, f"--basetemp={tmp_path / 'base'}")
    paths = [line.partition(": ")[2] for line in section(result) if line.startswith(("capture", "picture"))]
    assert len(paths) == 3 and all(path.startswith(str(tmp_path / "base")) for path in paths)


def test_nothing_is_written_for_tests_that_pass(project, pytester):
    project('''
@pytest.mark.usnet(loss=0.1)
def test_lossy(usnet_pair):
    usnet_pair.server.run(serve)
    assert usnet_pair.call(echoed) == 5000
''', "--usnet-artifacts=evidence").assert_outcomes(passed=1)
    assert not (pytester.path / "evidence").exists()


def test_evidence_that_cannot_be_written_does_not_hide_the_failure(project, pytester):
    (pytester.path / "evidence").write_text("a file is in the way")
    result = project(LOSSY, "--usnet-artifacts=evidence")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*assert 40000 == 1*", "reproduce: *", "capture and picture could not be written: *"])


def test_a_context_manager_is_explained_too(project):
    result = project('''
def test_echo():
    with usnet.testing.pair(seed=3, loss=0.2) as net:
        net.server.run(serve)
        assert net.call(echoed) == 0
''')
    result.assert_outcomes(failed=1)
    assert [line for line in section(result) if line.startswith("network: seed 3, ")]


def test_a_test_without_a_network_is_not_explained(project):
    result = project("def test_none():\n    assert 0\n")
    result.assert_outcomes(failed=1)
    assert section(result) == []


def test_a_program_that_never_ends_fails_the_test_at_the_limit(project):
    result = project('''
def wait():
    with usnet.socket(usnet.AF_INET, usnet.SOCK_DGRAM) as s:
        s.recv(1)

@pytest.mark.usnet(limit="3s")
def test_waits(usnet_client):
    usnet_client.run(wait)

def test_waits_in_a_call():
    with usnet.testing.pair(limit="3s") as net:
        net.call(wait)
''')
    result.assert_outcomes(failed=2)
    assert result.stdout.str().count("CheckFailed: at 3 s of virtual time, the limit, these programs still wait: client:wait (in ") >= 2


def test_a_broken_rule_fails_the_test_unless_checks_are_switched_off(project):
    planted = '''
@pytest.mark.usnet(checks={checks})
def test_echo(usnet_pair, _usnet_watched):
    usnet_pair.server.run(serve)
    usnet_pair.call(echoed)
    _usnet_watched.observer.tell("ack", 0, "planted")
'''
    result = project(planted.format(checks=True))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*CheckFailed: ack: at 0.000000000 s planted"])
    project(planted.format(checks=False)).assert_outcomes(passed=1)


def test_workers_of_xdist_write_to_different_places(project, pytester):
    tests = "".join(LOSSY.replace("test_lossy", f"test_{i}") for i in range(2))
    result = project(tests, "-n2", "--usnet-artifacts=evidence")
    result.assert_outcomes(failed=2)
    paths = [line.partition(": ")[2] for line in section(result) if line.startswith("picture")]
    assert len(set(paths)) == 2
    assert len(list((pytester.path / "evidence").iterdir())) == 2


LIGHT = ["usnet", "usnet.testing", "usnet.testing.plugin", "usnet.testing.running"]


def test_a_project_that_does_not_use_it_imports_next_to_nothing(pytester):
    pytester.makepyfile(f'''
import sys


def test_light():
    assert sorted(name for name in sys.modules if name.split(".")[0] == "usnet") == {LIGHT!r}
    assert [name for name in ("hypothesis", "simpy", "greenlet", "numpy", "matplotlib") if name in sys.modules] == []
''')
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:hypothesispytest")
    result.assert_outcomes(passed=1)


def test_it_can_be_left_out(project):
    result = project("def test_none(usnet_pair):\n    pass\n", "-p", "no:usnet")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*fixture 'usnet_pair' not found"])
