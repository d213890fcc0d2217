"""A scenario with many seeds: on any number of processes the same; what fails is told with its seeds; lossy-30 holds with 97 of 100."""

from fractions import Fraction

import pytest

from tests.scenarios.test_expectations import changed
from tests.sources import ROOT
from usnet.lab import scenario
from usnet.lab.scenario import Outcome
from usnet.lab.sweep import Sweep, reason, run_seeds

LOSSY_30 = ROOT / "sim_scenarios" / "lossy-30.toml"


def test_nearly_every_transfer_survives_three_packets_in_ten_lost():
    sweep = run_seeds(LOSSY_30, range(1000, 1300))
    assert sweep.wanted == Fraction(97, 100)
    assert sweep.ok, sweep.summary()
    assert sweep.took(50) < 10 and sweep.took(95) < 100
    assert {name.partition(":")[0] for name in sweep.reasons()} <= {"liveness", "errors"}


def test_processes_change_nothing():
    told = []
    one = run_seeds(LOSSY_30, range(5), told=told.append)
    two = run_seeds(LOSSY_30, range(5), jobs=2)
    assert [o.seed for o in told] == [0, 1, 2, 3, 4] and told == one.outcomes
    assert [(o.seed, o.digest, o.failures) for o in two.outcomes] == [(o.seed, o.digest, o.failures) for o in one.outcomes]


def test_failures_are_told_with_their_seeds():
    sweep = run_seeds(changed("lossy-30", {"duration": "1s"}), range(8))
    assert not sweep.ok
    assert sweep.reasons() == {"liveness: not done within": [o.seed for o in sweep.failed]}
    assert sweep.share == Fraction(8 - len(sweep.failed), 8)
    assert sweep.summary()["failures"] == sweep.reasons()
    assert sweep.summary()["held"] == 8 - len(sweep.failed)


def test_the_share_that_must_hold_is_what_the_file_says():
    half = run_seeds(changed("lossy-30", {"duration": "3s", "expect": {"share": "10%"}}), range(10))
    assert half.failed and half.ok
    with pytest.raises(scenario.ScenarioError, match=r"expect: .*probability"):
        changed("lossy-30", {"expect": {"share": "110%"}})


def outcome(seed, seconds, *failures):
    return Outcome("one", seed, not failures, "", list(failures), 0, seconds, 0.0)


def test_times_are_those_of_the_runs_that_held():
    sweep = Sweep("one", outcomes=[outcome(i, float(i)) for i in range(1, 101)] + [outcome(101, 500.0, "bad: 3 of 7")])
    assert [sweep.took(percent) for percent in (1, 50, 97, 100)] == [1.0, 50.0, 97.0, 100.0]
    assert sweep.reasons() == {"bad": [101]} and not sweep.ok
    assert Sweep("none").took(50) is None and not Sweep("none").ok


def test_a_reason_ends_before_its_first_number():
    assert reason(outcome(1, 1.0, "completion: took at most 1 s")) == "completion: took at most"
    assert reason(outcome(1, 1.0, "errors: client: expected none, saw ETIMEDOUT")) == "errors: client: expected none, saw ETIMEDOUT"


def test_another_digest_is_a_failure():
    first = scenario.run(scenario.load(LOSSY_30))
    first.compare(scenario.run(scenario.load(LOSSY_30)))
    assert first.ok
    first.compare(scenario.run(scenario.load(LOSSY_30), seed=2))
    assert not first.ok and "not deterministic" in first.failures[0]


def test_no_jobs_are_refused():
    with pytest.raises(ValueError, match="0 jobs"):
        run_seeds(LOSSY_30, range(2), jobs=0)
