"""Code blocks, run: Python as it is, in the script's namespace, with an end."""

import contextlib
import sys
import traceback
from types import FrameType
from typing import Any

from usnet.testing.packetdrill.packets import Unsupported

STEPS = 1_000_000
"""Of Python, that a block may take: one that takes more does not end."""


class BlockFailed(Exception):  # noqa: N818
    """What the block says does not hold, or it is no Python."""


class Endless(BaseException):
    """Not an Exception, so that the block cannot catch it."""


def run_block(text: str, names: dict[str, Any]) -> None:
    """BlockFailed says why; Unsupported for a name that usnet does not have."""
    whole = "\n".join(line.strip() if "\n" not in text.strip() else line for line in text.strip().rstrip("\\").split("\n"))
    try:
        code = compile(whole, "code", "exec")
        with contextlib.redirect_stdout(sys.stderr), limited():
            exec(code, names)
    except AssertionError as error:
        values = {name: value for name, value in names.items() if name.startswith("tcpi_") and name in text}
        raise BlockFailed(f"{whole} does not hold: {error} {values}") from error
    except NameError as error:
        raise Unsupported(f"{error.name} in code") from error
    except Endless:
        raise BlockFailed(f"the code does not end: {STEPS} steps were taken") from None
    except (Exception, SystemExit) as error:
        raise BlockFailed(" ".join("".join(traceback.format_exception_only(error)).split())) from error


@contextlib.contextmanager
def limited() -> Any:
    """Counts the steps of Python within."""
    left = STEPS
    before = sys.gettrace()

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal left
        frame.f_trace_opcodes = True        # a loop of one line has no lines
        left -= 1
        if left < 0:
            raise Endless
        return trace

    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)
