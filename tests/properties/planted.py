"""Bugs planted on purpose in the core: the property tests must find each, and say how in a few lines.

    python -m tests.properties.planted                 # all
    python -m tests.properties.planted fin-once        # some

Each bug is one line of the source; the module is compiled anew, a process of its own runs the properties on it, and prints the plan that it shrank to
(kept below failures/planted). The exit code is 1 when one was not found.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.planting import Bug, plant, run

BUGS = (
    Bug("fin-once", "usnet/tcp/output.pyx",  # a FIN that was lost is never sent again
        "cdef bint fin = at + n == k.snd.span and k.flags & TF_FIN_QUEUED",
        "cdef bint fin = at + n == k.snd.span and k.flags & TF_FIN_QUEUED and not k.flags & TF_FIN_SENT"),
    Bug("window-update-lost", "usnet/tcp/calls.pyx",  # a window that was closed opens without a word
        "    if k.state < TCPS_ESTABLISHED or k.flags & TF_FIN_RECEIVED:",
        "    if k.state < TCPS_ESTABLISHED or k.flags & TF_FIN_RECEIVED or k.rcv_adv == k.rcv_nxt:"),
    Bug("no-persist-timer", "usnet/tcp/output.pyx",
        "        tcp_arm(t, c, T_REXMT, now + (CORK_LIMIT if", "        tcp_arm(t, c, T_DELACK, now + (CORK_LIMIT if"),
    Bug("gap-edge", "usnet/tcp/receive.pyx",  # of a segment that overlaps what is here, the byte behind that is not taken
        "else have.r[i].end\n", "else have.r[i].end + 1\n"),
    Bug("timer-after-partial-ack", "usnet/tcp/recovery/newreno.pxd",
        "    elif k.snd_una == k.snd_max:\n", "    elif k.snd_una == k.snd_max or k.flags & TF_RECOVERY:\n",
        modules=("usnet/stack.pyx", "usnet/tcp/recovery/newreno.pyx", "usnet/tcp/recovery/sack.pyx")),
    Bug("delayed-ack-forgotten", "usnet/tcp/timeouts.pyx",  # its timer fires, and nothing happens
        "take_due(k, T_DELACK, now) and k.flags & TF_DELACK:", "take_due(k, T_DELACK, now) and k.flags & TF_PROBE:"),
    Bug("lost-in-closing", "usnet/tcp/teardown.pyx",  # simultaneous close goes the way of an orderly one
        "tcp_set_state(t, k, TCPS_CLOSING)", "tcp_enter_time_wait(t, c, now)"),
    Bug("nothing-behind-a-full-window", "usnet/tcp/timeouts.pyx",  # the probe's timer is not set again
        "    tcp_send_probe(t, c, now)\n    if k.flags & TF_PROBE:\n", "    tcp_send_probe(t, c, now)\n    if False:\n"),
)  # fmt: skip


def attempt(folder: Path | None, seed: int) -> tuple[bool, str]:
    """Whether the properties fail with the bug in `folder`, and what they say."""
    told = run(folder, "import runpy; runpy.run_module('tests.properties.searching', run_name='__main__')", str(seed), "failures/planted")
    if told.returncode not in (0, 1):
        raise RuntimeError(f"exit code {told.returncode}: {told.stderr or told.stdout}")
    return told.returncode == 1, told.stdout


def try_bug(bug: Bug, seed: int) -> bool:
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        found, told = attempt(plant(bug, Path(scratch)), seed)
    print(f"--- {bug.name}: {'found' if found else 'NOT FOUND'} in {time.monotonic() - began:.0f} s\n{told}", flush=True)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[[], *(bug.name for bug in BUGS)], help="which; all")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    found, told = attempt(None, given.seed)
    if found:
        print(f"without any bug planted:\n{told}")
        return 1
    missed = [bug.name for bug in BUGS if (not given.names or bug.name in given.names) and not try_bug(bug, given.seed)]
    print(f"not found: {', '.join(missed)}" if missed else "all found")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
