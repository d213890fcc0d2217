"""All scenario programs, by name."""
from tests.backends.netmap import scenarios_monitors, scenarios_offload, scenarios_pipes, scenarios_register, scenarios_vale  # noqa: F401
from tests.backends.netmap.world import SCENARIOS as ALL

__all__ = ["ALL"]
