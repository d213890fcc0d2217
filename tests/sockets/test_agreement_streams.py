"""Every call of a stream, in every state: the kernel's sockets and usnet's say the same, and go on alike afterwards."""

import pytest

from tests.sockets import agree

# {(state, call): why the difference is kept}; also in docs/sockets.md.
PORT_0 = "port 0 is nobody's: usnet refuses it (EINVAL), the kernel asks the peer and is refused"
TIME_WAIT = "a socket in TIME-WAIT keeps its name; the kernel lets it be bound anew"
DIFFERENCES = {
    ("fresh", "connect to port 0"): PORT_0,
    ("bound", "connect to port 0"): PORT_0,
    ("shut_by_both_first", "bind"): TIME_WAIT,
}


@pytest.mark.parametrize("call", agree.CALLS)
@pytest.mark.parametrize("state", agree.STATES, ids=lambda state: state.__name__)
def test_a_call_in_a_state_agrees(state, call):
    agree.check(DIFFERENCES, (state.__name__, call), agree.stream_case, state, call)
