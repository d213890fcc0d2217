"""Every call of a stream, in every state: the kernel's sockets and usnet's say the same, and go on alike afterwards."""

import pytest

from tests.sockets import agree
from tests.sockets.differences import REASONS
from tests.sources import ROOT


@pytest.mark.parametrize("call", agree.CALLS)
@pytest.mark.parametrize("state", agree.STATES, ids=lambda state: state.__name__)
def test_a_call_in_a_state_agrees(state, call):
    agree.check(("stream", state.__name__, call), agree.stream_case, state, call)


def test_every_difference_that_is_kept_is_documented():
    text = (ROOT / "docs" / "sockets.md").read_text()
    assert [reason for reason in REASONS if f"- {reason}\n" not in text] == []
