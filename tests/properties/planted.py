"""Bugs planted on purpose in a copy of the core: the property tests must find each, and say how in a few lines.

    python -m tests.properties.planted                 # all
    python -m tests.properties.planted fin-once        # some
    python -m tests.properties.planted --scratch /tmp/planted     # where the copy is built, to go on from there the next time

The first build takes some minutes. Each bug is one line of the source; the copy is built again, a process of its own runs the properties on it, and
prints the plan that it shrank to. The exit code is 1 when one was not found.
"""

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Bug:
    """One line of a file, as it is and as it is planted."""

    name: str
    file: str
    old: str
    new: str


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
        "    if k.snd_una == k.snd_max:\n", "    if k.snd_una == k.snd_max or k.flags & TF_RECOVERY:\n"),
    Bug("delayed-ack-forgotten", "usnet/tcp/timeouts.pyx",  # its timer fires, and nothing happens
        "take_due(k, T_DELACK, now) and k.flags & TF_DELACK:", "take_due(k, T_DELACK, now) and k.flags & TF_PROBE:"),
    Bug("lost-in-closing", "usnet/tcp/teardown.pyx",  # simultaneous close goes the way of an orderly one
        "tcp_set_state(t, k, TCPS_CLOSING)", "tcp_enter_time_wait(t, c, now)"),
    Bug("nothing-behind-a-full-window", "usnet/tcp/timeouts.pyx",  # the probe's timer is not set again
        "    tcp_send_probe(t, c, now)\n    if k.flags & TF_PROBE:\n", "    tcp_send_probe(t, c, now)\n    if False:\n"),
)  # fmt: skip


def tracked() -> list[Path]:
    told = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [Path(line) for line in told.stdout.splitlines() if (ROOT / line).is_file()]


def copy(scratch: Path) -> None:
    """Brings what differs into the copy, so that only that is built."""
    for path in tracked():
        there = scratch / "source" / path
        if not there.exists() or there.read_bytes() != (ROOT / path).read_bytes():
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / path, there)


def build(scratch: Path) -> None:
    """Compiles with -O1 what has changed, and puts it into scratch/site."""
    folder = scratch / "build"
    tools = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

    def meson(*arguments: object) -> None:
        subprocess.run(["meson", *arguments], check=True, stdout=subprocess.DEVNULL, env={**os.environ, "PATH": tools})

    if not (folder / "build.ninja").exists():
        site = f"-Dpython.purelibdir={scratch / 'site'}", f"-Dpython.platlibdir={scratch / 'site'}"
        meson("setup", folder, scratch / "source", "-Doptimization=1", f"--prefix={scratch}", *site)
    meson("install", "-C", folder, "--quiet")


def attempt(scratch: Path, seed: int) -> tuple[bool, str]:
    """Whether the properties fail on what is in scratch/site, and what they say. -S: no other usnet is on the path."""
    borrowed = [path for path in sys.path if path and "site-packages" in path]
    paths = [str(scratch / "site"), str(scratch / "source"), *borrowed, sysconfig.get_path("purelib")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-S", "-m", "tests.properties.searching", str(seed), str(scratch / "failures")]
    told = subprocess.run(command, cwd=scratch, env=environment, capture_output=True, text=True, check=False)
    if told.returncode not in (0, 1):
        raise RuntimeError(f"exit code {told.returncode}: {told.stderr or told.stdout}")
    return told.returncode == 1, told.stdout


def try_bug(scratch: Path, bug: Bug, seed: int) -> bool:
    path = scratch / "source" / bug.file
    text = path.read_text()
    path.write_text(text.replace(bug.old, bug.new))
    try:
        build(scratch)
        began = time.monotonic()
        found, told = attempt(scratch, seed)
    finally:
        path.write_text(text)
    print(f"--- {bug.name}: {'found' if found else 'NOT FOUND'} in {time.monotonic() - began:.0f} s\n{told}", flush=True)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[[], *(bug.name for bug in BUGS)], help="which; all")
    parser.add_argument("--scratch", type=Path, help="directory of the copy")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        scratch = (given.scratch or Path(temporary)).resolve()
        copy(scratch)
        build(scratch)
        found, told = attempt(scratch, given.seed)
        if found:
            print(f"without any bug planted:\n{told}")
            return 1
        missed = [bug.name for bug in BUGS if (not given.names or bug.name in given.names) and not try_bug(scratch, bug, given.seed)]
    print(f"not found: {', '.join(missed)}" if missed else "all found")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
