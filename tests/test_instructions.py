"""The hot paths take no more instructions than recorded (benchmarks/counts.json), or than in the parent commit where nothing is recorded."""

import json

import pytest

from benchmarks import guard

pytestmark = pytest.mark.needs("valgrind")


@pytest.fixture(scope="module")
def now():
    if lacking := guard.missing():
        pytest.skip(f"missing: {lacking}")
    return guard.measure()


@pytest.mark.timeout(3600)      # an unknown compiler: the parent commit is built
def test_hot_paths_take_no_more_instructions_than_before(now):
    vectors, counts = now
    was, whence = guard.before(vectors)
    assert sorted(was) == sorted(counts) == sorted(guard.UNITS)
    assert guard.worse(counts, was) == [], f"more than in {whence}; if that has to be: python -m benchmarks.guard --update"


def test_one_in_thirty_more_is_told_and_a_little_is_not():
    was = {"echo": 1000.0, "bulk": 2000.0}
    assert guard.worse({"echo": 1029.0, "bulk": 1500.0}, was) == []
    [told] = guard.worse({"echo": 1031.0, "bulk": 2000.0}, was)
    assert told == "echo: 1,031.0 instructions, +3.1% beside 1,000.0"


def test_counts_are_kept_for_each_compiler_its_flags_and_the_width_of_vectors(now):
    vectors, _ = now
    key = guard.key(vectors)
    assert vectors in key and guard.options()["optimization"] in key
    assert key != guard.key("another width")


def test_what_is_not_recorded_is_measured_in_the_parent_commit_and_remembered(monkeypatch, tmp_path):
    empty = tmp_path / "counts.json"
    empty.write_text("{}")
    asked = []

    def measure_commit(commit, folder):
        asked.append(commit)
        return "64 bits", {"echo": 1.0}

    monkeypatch.setattr(guard, "RECORDED", empty)
    monkeypatch.setattr(guard, "measure_commit", measure_commit)
    monkeypatch.setattr(guard.building, "KEPT", tmp_path)
    for _ in range(2):
        was, whence = guard.before("64 bits")
        assert was == {"echo": 1.0} and whence.startswith("the parent commit")
    assert asked == [guard.parent()]
    assert json.loads(empty.read_text()) == {}
