"""Instructions per unit of work, counted by callgrind from the first to the last unit, set-up and warming excluded: all works in one process.

python -m benchmarks.counted is that process: it reads [bench, case, who, units] lists from its argument and says what each did."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import building, callgrind

HEADER = "/usr/include/valgrind/callgrind.h"


def missing():
    return building.missing(f"valgrind:{HEADER}") or (None if callgrind.available() else "valgrind (apt install valgrind)")


def count(works):
    """{(bench, case's number, who): instructions per unit} of works [(bench, number, who, units)]; Python's own are left out."""
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory, "out")
        command = ["valgrind", "-q", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={out}", sys.executable,
                   "-X", "frozen_modules=on", "-m", "benchmarks.counted", json.dumps(works)]
        env = {**os.environ, "PYTHONPATH": str(building.ROOT), "PYTHONHASHSEED": "0"}
        said = subprocess.run(command, check=True, env=env, stdout=subprocess.PIPE, text=True, cwd=building.ROOT).stdout
        units = {tuple(key): units for key, units in map(json.loads, said.splitlines())}
        spent = {}
        for part in Path(directory).iterdir():
            text = part.read_text()
            for key in units:
                if f"Client Request: {label(key)}\n" in text:
                    spent[key] = sum(n for who, n in callgrind.by_owner(text).items() if who != "python")
    return {key: spent[key] / units[key] for key in units}


def label(key):
    return "/".join(map(str, key))


def main():
    from benchmarks import benches, cases

    requests = building.module("counting")
    for bench, number, who, units in json.loads(sys.argv[1]):
        case = benches.CASES[bench][number]
        work = (case.step_work or case.work) if who == "usnet" else {peer.name: peer.work for peer in case.peers if isinstance(peer, cases.Peer)}[who]
        with work() as run:
            run(units)
            requests.start()
            tally = run(units)
            requests.stop(label((bench, number, who)))
        cases.right(tally, bench, case, who)
        print(json.dumps([[bench, number, who], tally["units"]]), flush=True)


if __name__ == "__main__":
    main()
