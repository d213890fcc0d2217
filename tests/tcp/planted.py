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
RACK, TLP, UNDO, PRR, TRIAL, LINUX_RTO = (f"tests/tcp/test_{name}.py" for name in ("rack", "tlp", "undo", "prr", "trial", "linux_rto"))
CUBIC, HYSTART, DCTCP = (f"tests/tcp/congestion/test_{name}.py" for name in ("cubic", "hystart", "dctcp"))
BUGS = (
    Bug("lost-only-by-blocks", "usnet/tcp/recovery/scoreboard.pyx",  # IsLost counts blocks, and not bytes
        "if b.n - i >= b.dupthresh or above > (b.dupthresh - 1) * mss:", "if b.n - i >= b.dupthresh:", (SENDING,)),
    Bug("reneging-unnoticed", "usnet/tcp/recovery/scoreboard.pyx",
        "    return b.n == 0 or seq_gt(b.r[0].left, una)\n", "    return True\n", (SENDING,)),
    Bug("half-of-cwnd", "usnet/tcp/congestion/newreno.pyx",  # not of what is out (RFC 5681, equation 4)
        "(flight if flight < cc.cwnd else cc.cwnd) // 2)\n", "cc.cwnd // 2)\n", (RECOVERY,)),
    Bug("no-reordering-window", "usnet/tcp/recovery/rack.pyx",  # what was overtaken is given up at once (RFC 8985, 6.2)
        "    wnd = k.min_rtt // 4 * (1 + k.reo_wnd_steps)\n", "    wnd = 0\n", (RACK,)),
    Bug("a-step-for-each-dsack", "usnet/tcp/recovery/rack.pyx",  # and not for a round of them
        "    if dsack and not k.dsack_waits:\n", "    if dsack:\n", (RACK,)),
    Bug("answer-too-soon-counts", "usnet/tcp/recovery/rack.pyx",  # RACK.rtt from the first copy's answer (RFC 8985, 6.2, step 2)
        " or now - sent_at < k.min_rtt):\n", "):\n", (RACK,)),
    Bug("lost-retransmission-unnoticed", "usnet/tcp/recovery/rack.pyx", "        b.resent[i].lost = 1\n", "        b.resent[i].lost = 0\n", (RACK,)),
    Bug("lost-for-what-left-before", "usnet/tcp/recovery/rack.pyx",  # in the same moment
        "e.right if b.rack_again else e.top", "e.right", (RACK,)),
    Bug("all-of-a-record-left-last", "usnet/tcp/recovery/flight.pyx",  # and what arrived of it may have left first
        "    return r.since if r", "    return r.sent_at if r", (RACK,)),
    Bug("one-ack-takes-the-flight", "usnet/tcp/recovery/newreno.pyx",  # that waits for the output behind the burst
        "k.max_window if k.no_room else flight_wanted(k, 0, tcp_flight(k))", "tcp_flight(k)", (PRR,)),
    Bug("prr-forgets-the-burst", "usnet/tcp/recovery/episode.pyx",
        "    return delivered + full - out if full > out else delivered\n", "    return delivered\n", (PRR,)),
    Bug("undo-by-an-older-episode", "usnet/tcp/recovery/undo.pyx",  # what that one sent again was acknowledged
        "    if b.n_resent == 0:\n", "    if True:\n", (UNDO,)),
    Bug("timeout-gives-all-up", "usnet/tcp/recovery/episode.pyx",  # what was sent a moment ago too (RFC 8985, 6.3)
        " below = flight_until(t, k, now - rtt)\n", " below = k.snd_max\n", (RACK,)),
    Bug("probe-mends-unnoticed", "usnet/tcp/recovery/tlp.pyx",  # no reduction for a loss that a probe mended (RFC 8985, 7.4.2)
        "        b.probe = 0\n        return True\n", "        b.probe = 0\n        return False\n", (TLP,)),
    Bug("undo-by-one-dsack", "usnet/tcp/recovery/undo.pyx",  # of two segments that were sent again one is reported (RFC 3708)
        "    return b.undo and b.undo_again == 0\n", "    return b.undo and 0 <= b.undo_again <= 1\n", (UNDO,)),
    Bug("undo-twice", "usnet/tcp/recovery/undo.pyx", "    b.undo = 0\n    b.rack_advanced", "    b.undo = 1\n    b.rack_advanced", (UNDO,)),
    Bug("frto-by-any-ack", "usnet/tcp/recovery/episode.pyx",  # the first ACK behind a timeout is to the retransmission (RFC 5682, 3.1)
        "(v.original and b.frto == FRTO_NEW)", "v.original", (UNDO,)),
    Bug("frto-by-the-first-ack", "usnet/tcp/recovery/trial.pyx",  # which acknowledges what was sent again (RFC 5682, 2.1)
        "    elif v.frto == TRIAL_NEW:  ", "    elif v.frto:  ", (TRIAL,)),
    Bug("eifel-by-any-echo", "usnet/tcp/recovery/trial.pyx",  # that of the retransmission too (RFC 3522, 3.2)
        "seq_lt(ts_ecr, v.resent_ts)", "not seq_lt(v.resent_ts, ts_ecr)", (TRIAL,)),
    Bug("rto-forgets-at-once", "usnet/tcp/rtt.pyx",  # and not by a quarter a round (Linux's tcp_rtt_estimator)
        "                k.rto_var -= (k.rto_var - k.mdev_max) // 4\n", "                k.rto_var = k.mdev_max\n", (LINUX_RTO,)),
    Bug("prr-forgets-what-left", "usnet/tcp/congestion/prr.pyx",  # prr_out (RFC 9937, section 5)
        "// p.recover_fs) - p.out\n", "// p.recover_fs)\n", (PRR,)),
    Bug("half-as-reno-does", "usnet/tcp/congestion/cubic.pyx", "    BETA = 7                    #", "    BETA = 5                    #", (CUBIC,)),
    Bug("no-fast-convergence", "usnet/tcp/congestion/cubic.pyx",  # RFC 9438, 4.7
        "    if cc.cwnd < x.w_max:                   #", "    if False:                               #", (CUBIC,)),
    Bug("time-passes-while-limited", "usnet/tcp/congestion/cubic.pyx",  # RFC 9438, 5.8
        "        cc.epoch += a.now - cc.limited_since\n", "        cc.epoch += 0\n", (CUBIC,)),
    Bug("undo-forgets-the-curve", "usnet/tcp/congestion/cubic.pyx",  # RFC 9438, 4.9
        "    cc.epoch = x.undo_epoch\n", "    cc.epoch = 0\n", (CUBIC,)),
    Bug("any-sample-will-do", "usnet/tcp/congestion/hystart.pyx",  # N_RTT_SAMPLE of RFC 9406
        "    if h.samples < N_RTT_SAMPLE:\n", "    if h.samples < 1:\n", (HYSTART,)),
    Bug("a-round-too-many", "usnet/tcp/congestion/hystart.pyx",  # CSS_ROUNDS of RFC 9406
        "        if h.rounds >= CSS_ROUNDS:\n", "        if h.rounds > CSS_ROUNDS:\n", (HYSTART,)),
    Bug("each-mark-reduces", "usnet/tcp/congestion/dctcp.pyx",  # and not each window with marks (RFC 8257, 3.3)
        "    if s.ce and not x.cwr and not s.recovery:\n", "    if s.ce and not s.recovery:\n", (DCTCP,)),
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
