"""What tests open is closed behind them, and no test may have made a transition that RFC 9293 does not know."""

import pytest

from usnet.tcp.states import illegal_transitions
from usnet.testing.peer import close_all


@pytest.fixture(autouse=True)
def _closed_behind():
    before = illegal_transitions()
    yield
    close_all()
    assert illegal_transitions() == before
