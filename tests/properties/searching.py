"""Searches for a plan that fails, and prints it, or else how much was tried: python -m tests.properties.searching SEED DIRECTORY [EXAMPLES].

Exit code 1 when there is one.
"""
import sys
import time
from dataclasses import dataclass

from hypothesis import HealthCheck, Phase, given, seed, settings

from usnet.testing.run_plan import PlanFailed, check_plan
from usnet.testing.strategies import plans

EXAMPLES = 10_000


@dataclass
class Volume:
    """What a search ran: plans, frames sent on all links, virtual and processor time. What failed counts as an example alone."""

    examples: int = 0
    packets: int = 0
    virtual_seconds: float = 0.0
    cpu_seconds: float = 0.0

    def __str__(self) -> str:
        return f"{self.examples:,} plans, {self.packets:,} packets, {self.virtual_seconds:,.0f} virtual seconds, {self.cpu_seconds:,.1f} s of CPU"


def search(number: int, directory: str, examples: int = EXAMPLES) -> tuple[str | None, Volume]:
    """What is said of the smallest plan that fails (None when none was found), and how much was run. CPU is of all: drawing and shrinking too."""
    volume = Volume()
    start = time.process_time()

    @seed(number)
    @settings(
        max_examples=examples, deadline=None, database=None, report_multiple_bugs=False, suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )  # fmt: skip
    @given(plans())
    def holds(plan):
        volume.examples += 1
        outcome = check_plan(plan, directory)
        volume.packets += outcome.packets
        volume.virtual_seconds += outcome.virtual_seconds

    failed = None
    try:
        holds()
    except PlanFailed as failure:
        failed = str(failure)
    volume.cpu_seconds = time.process_time() - start
    return failed, volume


if __name__ == "__main__":
    told, ran = search(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else EXAMPLES)
    print(f"{told}\n({ran})" if told else f"{ran}, and none failed")
    sys.exit(told is not None)
