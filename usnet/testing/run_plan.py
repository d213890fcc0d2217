"""Runs plans, and judges them: every invariant behind every event, every rule of the passive observer, every call against the model, then rest.

    outcome = run_plan(plan)                # what became of it
    check_plan(plan, save="failures")       # AssertionError, with the plan and the file that replays it
"""

import hashlib
from pathlib import Path

from usnet.lab.reuse import Worlds
from usnet.lab.scenario import Outcome, from_tables, run
from usnet.lab.world import World
from usnet.testing.plans import Plan, plan_to_scenario, to_toml

INSTANT_LIMIT = 100_000
"""Events at one instant, without a delay, that no plan needs."""


WORLDS = Worlds()
"""Those of plans: they differ in little but what befalls them."""


class PlanFailed(AssertionError):  # noqa: N818
    """A plan broke a rule. The text says which one, when, what the plan was, and how to run it again."""


def run_plan(plan: Plan) -> Outcome:
    """What becomes of a plan. `failures` are texts that begin with a rule's name; docs/properties.md lists the rules.

    The run is that of the plan's scenario, so its digest is that of `usnet replay` with the saved file."""
    try:
        return run(from_tables(Path("plan.toml"), plan_to_scenario(plan)), progress=_limit, worlds=WORLDS)
    except RuntimeError as error:           # no time passes, or nothing is left to happen
        return Outcome("plan", plan.seed, False, "", [f"liveness: {error}"], 0, 0.0, 0.0)


def _limit(world: World) -> None:
    """What is small and without an end is told soon."""
    world.network.scheduler.instant_limit = INSTANT_LIMIT


def check_plan(plan: Plan, save: str | Path | None = None) -> Outcome:
    """As run_plan(), but a failure is PlanFailed. save: the directory that its scenario goes to."""
    outcome = run_plan(plan)
    if outcome.ok:
        return outcome
    told = [*outcome.failures[:4], *(["..."] if len(outcome.failures) > 4 else []), "", str(plan), ""]
    if save is not None:
        path = save_plan(plan, save, outcome.failures[0])
        told.append(f"usnet replay {path}")
    raise PlanFailed("\n".join([*told, f"digest {outcome.digest}"]))


def save_plan(plan: Plan, directory: str | Path, about: str = "drawn by a property test") -> Path:
    """Writes the plan's scenario into a directory, under a name of its own: the file's path."""
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    name = f"plan-{hashlib.blake2b(repr(plan).encode(), digest_size=4).hexdigest()}"
    path = directory / f"{name}.toml"
    path.write_text(to_toml(plan_to_scenario(plan, name, about)), encoding="utf-8")
    return path
