import json

import pytest
from click.testing import CliRunner

import usnet.lab.scenario
from tests.cli.kit import usnet_program
from usnet.cli.commands import root

FIELDS = ["scenario", "seed", "ok", "digest", "failures", "packets", "virtual_seconds", "cpu_seconds"]
TEXT = """
schema = 1
name = "{name}"
about = "twenty segments, of which one in ten is lost"
source = ["a test"]
seed = 5
duration = "30s"
[hosts.client]
app = "request:1@0s"
[hosts.server]
app = "respond:29200"
[[links]]
a = "client"
b = "server"
rate = "10Mbit"
delay = "20ms"
loss = "0.1"
[expect]
delivered = "exact"
"""


@pytest.fixture
def write(tmp_path):
    def write(name, extra=""):
        path = tmp_path / f"{name}.toml"
        path.write_text(TEXT.format(name=name) + extra)
        return str(path)

    return write


def replay(*arguments):
    return CliRunner().invoke(root, ["replay", *map(str, arguments)], prog_name="usnet")


def objects(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_json_is_one_object_a_line_with_the_fields_in_order(write):
    result = replay(write("one"), write("two"), "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    found = objects(result)
    assert [list(o) for o in found] == [FIELDS, FIELDS]
    assert [(o["scenario"], o["seed"], o["ok"], o["failures"]) for o in found] == [
        ("one", 5, True, []),
        ("two", 5, True, []),
    ]
    assert all(
        len(o["digest"]) == 32 and o["packets"] > 20 and o["virtual_seconds"] > 0.08 and o["cpu_seconds"] >= 0
        for o in found
    )


def test_the_seed_can_be_another_and_decides_the_digest(write):
    path = write("one")
    digests = {seed: objects(replay(path, "--json", "--seed", seed))[0]["digest"] for seed in (5, 6)}
    assert digests[5] != digests[6]
    assert objects(replay(path, "--json"))[0]["digest"] == digests[5]


def test_the_digest_is_the_same_in_every_process(write):
    path = write("one")
    found = {
        json.loads(usnet_program("replay", path, "--json", env={"PYTHONHASHSEED": seed}).stdout)["digest"]
        for seed in "01"
    }
    assert found == {objects(replay(path, "--json"))[0]["digest"]}


def test_an_expectation_that_fails_is_exit_1_and_a_reason(write):
    result = replay(write("good"), write("bad", "retransmits = 1000\n"))
    assert result.exit_code == 1
    assert "good" in result.stdout and "FAILED" in result.stdout and "1 of 2 as expected" in result.stdout
    assert result.stderr.startswith("bad (seed 5): ") and "retransmits" in result.stderr and "1000" in result.stderr
    assert "good" not in result.stderr


def test_a_failure_in_json_has_its_reasons_too(write):
    result = replay(write("bad", "retransmits = 1000\n"), "--json")
    assert result.exit_code == 1
    (found,) = objects(result)
    assert found["ok"] is False and "1000" in found["failures"][0]


def test_a_directory_stands_for_its_scenarios(write, tmp_path):
    write("b")
    write("a")
    (tmp_path / "notes.txt").write_text("no scenario")
    assert [o["scenario"] for o in objects(replay(tmp_path, "--json"))] == ["a", "b"]


def test_on_the_rings_of_netmap_it_is_the_same_run(write):
    path = write("one")
    own, netmap = (objects(replay(path, "--json", "--rings", rings))[0] for rings in ("own", "netmap"))
    assert netmap["ok"] and netmap["digest"] == own["digest"]


def test_determinism_is_checked_by_running_twice(write, monkeypatch):
    path = write("one")
    seeds = []
    run = usnet.lab.scenario.run
    monkeypatch.setattr(
        usnet.lab.scenario,
        "run",
        lambda s, seed=None, **options: seeds.append(seed) or run(s, seed=seed, **options),
    )
    assert replay(path, "--check-determinism", "--seed", "9").exit_code == 0
    assert seeds == [9, 9]


def test_a_run_that_cannot_be_repeated_fails(write, monkeypatch):
    path = write("one")
    run, seeds = usnet.lab.scenario.run, iter([1, 2])
    monkeypatch.setattr(usnet.lab.scenario, "run", lambda s, seed=None, **_: run(s, seed=next(seeds)))
    result = replay(path, "--check-determinism", "--json")
    assert result.exit_code == 1
    assert "not deterministic" in objects(result)[0]["failures"][0] and "not deterministic" in result.stderr


def test_captures_are_written_where_asked(write, tmp_path):
    out = tmp_path / "deep" / "captures"
    assert replay(write("one"), "--pcap", out).exit_code == 0
    files = list(out.iterdir())
    assert files and all(
        f.name.startswith("one.") and f.suffix == ".pcapng" and f.stat().st_size > 30_000 for f in files
    )


def test_a_capture_changes_no_digest(write, tmp_path):
    path = write("one")
    assert (
        objects(replay(path, "--json"))[0]["digest"] == objects(replay(path, "--json", "--pcap", tmp_path))[0]["digest"]
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "schema = 1\n[",
        "schema = 99\n",
        TEXT.format(name="x") + "no_such_key = 1\n",
        TEXT.replace("20ms", "20 parsecs"),
        "\0",
        "\xff",
    ],
)
def test_a_file_that_is_no_scenario_is_one_line_and_exit_2(tmp_path, write, text):
    path = tmp_path / "broken.toml"
    path.write_text(text, encoding="latin-1")
    result = replay(write("good"), path)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert str(path) in result.stderr


def test_a_file_that_is_not_there_is_one_line_and_exit_2(tmp_path):
    (tmp_path / "empty").mkdir()
    for path in ("nothing.toml", "empty"):
        result = replay(tmp_path / path)
        assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
        assert path in result.stderr


def test_a_capture_directory_that_cannot_be_made_is_exit_2(write, tmp_path):
    (tmp_path / "file").write_text("")
    result = replay(write("one"), "--pcap", tmp_path / "file" / "x")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)


def test_a_capture_that_cannot_be_written_is_one_line_and_exit_1(write, tmp_path):
    scenario = write("one")
    replay(scenario, "--pcap", tmp_path / "good")
    for path in (tmp_path / "good").iterdir():
        (tmp_path / "bad" / path.name).mkdir(parents=True)
    result = replay(scenario, "--pcap", tmp_path / "bad")
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    assert "bad" in result.stderr


def test_many_seeds_are_summed_up(write):
    result = replay(write("one"), "--seeds", "3..12", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    *runs, summary = objects(result)
    assert [run["seed"] for run in runs] == list(range(3, 13)) and list(runs[0]) == FIELDS
    told = {"scenario": "one", "runs": 10, "held": 10, "share": 1.0, "ok": True, "failures": {}}
    assert {key: summary[key] for key in told} == told
    assert summary["virtual_seconds"]["p100"] == max(run["virtual_seconds"] for run in runs)
    assert objects(replay(write("one"), "--seeds", "3..12", "-j", "2", "--json"))[-1]["virtual_seconds"] == summary["virtual_seconds"]


def test_seeds_that_fail_are_told_with_the_reason_and_a_share_may_fail(write):
    result = replay(write("one", "completion_max = \"500ms\"\n"), "--seeds", "0..9", "--check-determinism")
    assert result.exit_code == 1 and "FAILED" in result.stdout and "50.00%" in result.stdout
    assert result.stderr == "one: 5 of 10: completion_max: expected to take at most (--seed 3, 5, 6, 7, 8)\n"
    assert replay(write("one", "completion_max = \"500ms\"\nshare = \"50%\"\n"), "--seeds", "0..9").exit_code == 0


@pytest.mark.parametrize(("arguments", "message"), [
    (["--seeds", "9..3"], "the first not behind the last"), (["--seeds", "many"], "no range of seeds"),
    (["--seeds", "-3..4"], "seeds are from 0"), (["--seeds", "0..3", "--seed", "1"], "goes with neither"),
    (["--seeds", "0..3", "--pcap", "there"], "goes with neither"), (["--seeds", "1", "-j", "0"], "jobs"),
])
def test_seeds_that_cannot_be_are_told(write, arguments, message):
    result = replay(write("one"), *arguments)
    assert result.exit_code == 2 and message in result.stderr
