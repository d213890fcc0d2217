"""Whatever two programs do and whatever befalls their segments: no invariant breaks, every call gives what it may, all ends and nothing is left."""
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings, target

from usnet.lab.scenario import load, run
from usnet.testing.plans import End, Link, Mishap, Outage, Plan, Talk, plan_to_scenario, steps, to_toml
from usnet.testing.run_plan import PlanFailed, check_plan, run_plan, save_plan
from usnet.testing.strategies import plans

PHASES = [phase for phase in Phase if phase is not Phase.explain]       # that one traces each line
FAILURES = Path(os.environ.get("USNET_FAILURES", "failures"))


def many(n):
    """Examples of a test: so many by default; a hundred times as many with --hypothesis-profile=night."""
    return n * settings.default.max_examples // 100


@settings(max_examples=many(1500), phases=PHASES)
@given(plans())
def test_whatever_happens_no_invariant_breaks_and_all_ends_as_the_model_says(plan):
    check_plan(plan, FAILURES)


@settings(max_examples=many(100), phases=PHASES)
@given(plans())
def test_the_same_where_the_search_is_for_retransmissions_and_long_silence(plan):
    outcome = check_plan(plan, FAILURES)
    retransmits = sum(host["tcp"]["retransmits"] for host in outcome.statistics["hosts"].values())
    target(float(retransmits), label="segments sent again")
    target(outcome.statistics["watch"]["largest_gap"] / 1e9, label="largest gap, s")


@settings(max_examples=many(100), phases=PHASES)
@given(plans(connections=4, mishaps=20, most=60_000))
def test_larger_plans_with_more_that_goes_wrong(plan):
    check_plan(plan, FAILURES)


@settings(max_examples=many(30))
@given(plans())
def test_a_plan_means_the_same_by_its_text_and_by_its_file(plan):
    names = {"Plan": Plan, "Talk": Talk, "Link": Link, "End": End, "Mishap": Mishap, "Outage": Outage, "steps": steps}
    assert eval(repr(plan), names) == plan


EXAMPLE = Plan(
    talks=(Talk(steps("write 20000; shut; drain"), steps("write 20000; shut; drain")),),
    fates=(Mishap(byte=1460), Mishap("dup", "down", "ack"), Mishap(kind="fin"), Mishap("delay", "down", byte=5000, amount=3_000_000)),
)


def test_all_arrives_and_what_was_lost_is_sent_again():
    outcome = run_plan(EXAMPLE)
    assert outcome.failures == []
    assert sum(call.result for call in outcome.calls if call.call == "recv") == 40_000
    assert outcome.statistics["hosts"]["client"]["tcp"]["retransmits"] == 2
    assert outcome.statistics["links"]["client-server"]["up"]["dropped"]["fate"] == 2
    assert outcome.statistics["watch"]["looks"] > outcome.packets


def test_each_of_two_segments_of_one_instant_earns_its_own_reset():
    """A FIN and an old SYN reach a host at once whose connection is gone."""
    fates = (Mishap(kind="ack", nth=2), Mishap(do="reorder", kind="syn", amount=3), Mishap())
    plan = Plan((Talk(steps("close"), steps("reset")),), fates, (Outage(lasts=1_000_000),), link=Link(rate=1_000_000_000))
    assert run_plan(plan).failures == []


@pytest.mark.parametrize("plan", [EXAMPLE, Plan(), Plan(fates=(Mishap(kind="syn"),), server=End(sack=False), outages=(Outage(5, 10),))])
def test_a_saved_plan_replays_to_the_same_digest_in_another_process(plan, tmp_path):
    path = save_plan(plan, tmp_path)
    here = run_plan(plan)
    assert run(load(path)).digest == here.digest
    command = [sys.executable, "-c", f"from usnet.lab.scenario import load, run; print(run(load({str(path)!r})).digest)"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env={**os.environ, "PYTHONHASHSEED": "77"})
    assert told.stdout.strip() == here.digest


def test_a_plan_that_fails_is_told_in_few_lines_with_a_file_that_replays_it(tmp_path, monkeypatch):
    import usnet.lab.model

    monkeypatch.setattr(usnet.lab.model.Model, "ended", lambda self, peer: False)
    with pytest.raises(PlanFailed) as failure:
        check_plan(Plan(talks=(Talk(steps("shut; drain"), steps("shut; drain")),), fates=(Mishap(kind="fin"),)), tmp_path)
    lines = str(failure.value).splitlines()
    assert lines[0].startswith("model: at 0.0") and "the end of a stream that the peer has not ended" in lines[0]
    assert "drop up: fin, number 1" in lines
    assert "client: shut; drain" in lines
    (file,) = tmp_path.glob("*.toml")
    assert f"usnet replay {file}" in lines
    assert lines[-1] == f"digest {run(load(file)).digest}"


def test_plans_show_only_what_is_not_by_default():
    assert repr(Plan()) == "Plan()"
    assert repr(Plan(fates=(Mishap(kind="fin"),))) == "Plan(fates=(Mishap(kind='fin'),))"
    assert "sack = false" in to_toml(plan_to_scenario(Plan(client=End(sack=False))))
