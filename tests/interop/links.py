"""Good and bad links between usnet and its device: faults as `usnet serve --faults` has them, of both directions."""
import pytest

LINKS = {"good": "", "bad": "loss=0.02,reorder=0.02,duplicate=0.02"}
BOTH_LINKS = pytest.mark.parametrize("stack", LINKS, indirect=True)
"""Of a test that uses the fixture `stack`: once on each."""
