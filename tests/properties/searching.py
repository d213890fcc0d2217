"""Searches for a plan that fails, and prints it: python -m tests.properties.searching SEED DIRECTORY. Exit code 1 when there is one."""

import sys

from hypothesis import HealthCheck, Phase, given, seed, settings

from usnet.testing.run_plan import PlanFailed, check_plan
from usnet.testing.strategies import plans

EXAMPLES = 10_000


def search(number: int, directory: str) -> str | None:
    """What is said of the smallest plan that fails; None when none was found."""
    counts = [0, 0]

    @seed(number)
    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, report_multiple_bugs=False, suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )  # fmt: skip
    @given(plans())
    def holds(plan):
        counts[0] += 1
        counts[1] += not check_plan(plan, directory).ok

    try:
        holds()
    except PlanFailed as failure:
        return f"{failure}\n({counts[0]} examples)"
    return None


if __name__ == "__main__":
    told = search(int(sys.argv[1]), sys.argv[2])
    print(told or f"{EXAMPLES} plans, and none failed")
    sys.exit(told is not None)
