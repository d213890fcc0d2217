"""Bugs planted in loss recovery and congestion control, one line each: the suite must find every one.

    python -m tests.tcp.planted                 # all
    python -m tests.tcp.planted pipe-above      # some

Of each the module with the bug is compiled, and the tests that are to find it run with it. The exit code is 1 when one was not found.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.planting import Bug, found, run_tests

SENDING, RECOVERY = "tests/tcp/test_sack_sending.py", "tests/tcp/test_recovery.py"
BUGS = (
    Bug("lost-only-by-blocks", "usnet/tcp/recovery/scoreboard.pyx",  # IsLost counts blocks, and not bytes
        "if b.n - i >= DUPTHRESH or above > (DUPTHRESH - 1) * mss:", "if b.n - i >= DUPTHRESH:", (SENDING,)),
    Bug("reneging-unnoticed", "usnet/tcp/recovery/scoreboard.pyx",
        "    return b.n == 0 or seq_gt(b.r[0].left, una)\n", "    return True\n", (SENDING,)),
    Bug("half-of-cwnd", "usnet/tcp/congestion/newreno.pyx",  # not of what is out (RFC 5681, equation 4)
        "    return flight // 2 if flight // 2 > 2 * cc.mss else 2 * cc.mss\n",
        "    return cc.cwnd // 2 if cc.cwnd // 2 > 2 * cc.mss else 2 * cc.mss\n", (RECOVERY,)),
)  # fmt: skip
QUICK = ("lost-only-by-blocks", "reneging-unnoticed", "half-of-cwnd")     # those that `make test` plants


def attempt(bug: Bug) -> bool:
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        told = found(bug, Path(scratch))
    print(f"{bug.name}: {'found' if told else 'NOT FOUND'} in {time.monotonic() - began:.0f} s", flush=True)
    return told


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="which; all")
    given = parser.parse_args()
    if unknown := set(given.names) - {bug.name for bug in BUGS}:
        parser.error(f"no bug {', '.join(sorted(unknown))}; there are {', '.join(bug.name for bug in BUGS)}")
    chosen = [bug for bug in BUGS if not given.names or bug.name in given.names]
    told = run_tests(None, tuple(dict.fromkeys(test for bug in chosen for test in bug.tests)))
    if told.returncode:
        print(f"without any bug planted:\n{told.stdout}{told.stderr}")
        return 1
    missed = [bug.name for bug in chosen if not attempt(bug)]
    print(f"not found: {', '.join(missed)}" if missed else f"all {len(chosen)} found")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
