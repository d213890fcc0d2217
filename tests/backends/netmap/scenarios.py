"""All scenario programs, by name."""
from tests.backends.netmap import (  # noqa: F401
    scenarios_monitors,
    scenarios_nic,
    scenarios_offload,
    scenarios_pipes,
    scenarios_register,
    scenarios_vale,
)
from tests.backends.netmap.world import SCENARIOS as ALL

__all__ = ["ALL"]
