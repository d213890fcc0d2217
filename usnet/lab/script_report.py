"""Where a script is, and what went wrong in it, in the script's own lines: frames of usnet are left out."""

import contextlib
import linecache
import os
import sys
import traceback
from types import TracebackType

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def is_framework(filename):
    """Whether a frame belongs to usnet or to the machinery of import, not to a script or a library that it uses."""
    return filename.startswith((HERE, "usnet" + os.sep, "<frozen importlib")) or filename.endswith(".pyx")


def frames(frame):
    """Frames of scripts and their libraries, the innermost first."""
    while frame is not None:
        if not is_framework(frame.f_code.co_filename):
            yield frame
        frame = frame.f_back


def where(frame, own_files=()):
    """"client.py:12 in fetch: data = s.recv(100)": the innermost line in one of `own_files`, or in any script or library."""
    found = list(frames(frame))
    if not found:
        return "its first line"
    best = next((f for f in found if f.f_code.co_filename in own_files), found[0])
    text = linecache.getline(best.f_code.co_filename, best.f_lineno).strip()
    return f"{best.f_code.co_filename}:{best.f_lineno} in {best.f_code.co_name}" + (f": {text}" if text else "")


def trimmed(error):
    """The exception, with the traceback of it and of its causes cleared of usnet's frames."""
    seen, left = set(), [error]
    while left:
        here = left.pop()
        if here is None or id(here) in seen:
            continue
        seen.add(id(here))
        kept = []
        tb = here.__traceback__
        while tb is not None:
            if not is_framework(tb.tb_frame.f_code.co_filename):
                kept.append(tb)
            tb = tb.tb_next
        clean = None
        for tb in reversed(kept):
            clean = TracebackType(clean, tb.tb_frame, tb.tb_lasti, tb.tb_lineno)
        here.__traceback__ = clean
        left += [here.__cause__, here.__context__, *getattr(here, "exceptions", ())]
    return error


def last_line(error):
    """"client.py:12" of the innermost frame of an exception that was trimmed."""
    entries = traceback.extract_tb(error.__traceback__)
    if entries:
        return f"{entries[-1].filename}:{entries[-1].lineno}"
    return f"{error.filename}:{error.lineno}" if isinstance(error, SyntaxError) else ""


def show(error, heading, file=None):
    """Prints an exception as the interpreter does, below a line that says whose it is, if it is not None."""
    file = sys.stderr if file is None else file
    with contextlib.suppress(OSError, ValueError):  # nobody reads it
        if heading is not None:
            print(heading, file=file)
        traceback.print_exception(type(error), error, error.__traceback__, file=file)
