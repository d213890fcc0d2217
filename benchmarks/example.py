"""One example of a property test: two hosts, a handshake, 20 KB each way with segments lost, doubled and late, a close; everything checked that
usnet.testing checks. Drawing the example is not in it."""

import contextlib
import importlib.util
import time

from benchmarks.rows import tally


def missing():
    found = importlib.util.find_spec("usnet.testing") and importlib.util.find_spec("usnet.testing.run_plan")
    return None if found else "usnet.testing.run_plan"


def plan():
    from usnet.testing.plans import Mishap, Plan, Talk, steps

    return Plan(
        talks=(Talk(client=steps("write 20000; shut; drain"), server=steps("write 20000; shut; drain")),),
        fates=(Mishap("drop", "up", "data", byte=4000), Mishap("dup", "down", "ack"), Mishap("delay", "down", "data", byte=9000, amount=30_000_000)),
    )


@contextlib.contextmanager
def run_plans(step=0):
    """A work as in benchmarks/native.py. step: nothing here, time is virtual."""
    from usnet.testing.run_plan import run_plan

    one = plan()

    def run(units):
        wrong, began = 0, time.process_time_ns()
        for _ in range(units):
            wrong += not run_plan(one).ok
        return tally(time.process_time_ns() - began, units, wrong)

    yield run
