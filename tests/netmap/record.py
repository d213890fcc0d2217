"""Runs the scenario programs on the real module and stores the traces: make record-netmap.

    python -m tests.netmap.record FOLDER [NAME...]
"""
import os
import sys
import time
from pathlib import Path

from tests.backends.netmap import scenarios
from tests.backends.netmap.world import SMALL, World
from tests.netmap import module
from tests.netmap.links import VethLinks
from usnet.backends.netmap import trace
from usnet.backends.netmap.device import KernelDevice

GZIP_FROM = 64 * 1024


def record(name, folder):
    program, parameters = scenarios.ALL[name]
    module.reload(**parameters)
    links = VethLinks()
    world = World(KernelDevice(), links)
    error = None
    try:
        program(world)
    except Exception as e:     # one bad program must not cost the others' recordings
        error = e
    world.close()
    links.close()
    world.recorder.check()
    header = {"scenario": name, "parameters": SMALL | parameters, "recorded": f"{os.uname().sysname} {os.uname().release}"}
    path = folder / f"{name}.jsonl"
    trace.store(path, header, world.entries)
    if path.stat().st_size > GZIP_FROM:
        path.unlink()
        path = folder / f"{name}.jsonl.gz"
        trace.store(path, header, world.entries)
    return path, len(world.entries), error


def main(folder, *names):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    failed = 0
    for name in scenarios.ALL:
        if names and not any(n in name for n in names):
            continue
        start = time.monotonic()
        path, count, error = record(name, folder)
        print(f"{path.name}: {count} lines, {path.stat().st_size} bytes, {time.monotonic() - start:.2f} s", flush=True)
        if error:
            print(f"{name} FAILED: {error!r}", flush=True)
        failed += error is not None
    return failed


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
