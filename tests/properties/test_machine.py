"""Calls, faults and time in any order: behind each step no invariant is broken, and in the end everything arrives and is given back."""
from hypothesis import HealthCheck, settings

from tests.properties.test_plans import PHASES, many
from usnet.testing.machine import TcpMachine

TestTcp = TcpMachine.TestCase
TestTcp.settings = settings(
    max_examples=many(100), stateful_step_count=30, phases=PHASES, suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
