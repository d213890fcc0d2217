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


def count(works, tree=building.ROOT, path=None):
    """{(bench, case's number, who): instructions per unit} of works [(bench, number, who, units)], Python's own left out; and {"vectors": the
    width in which usnet sums}. tree: the sources whose usnet does the work; path: where modules are looked for, when it is not this interpreter's."""
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory, "out")
        command = ["valgrind", "-q", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={out}", sys.executable,
                   *(["-S"] if path else []), "-X", "frozen_modules=on", "-m", "benchmarks.counted", json.dumps(works)]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(path or [str(tree)]), "PYTHONHASHSEED": "0"}
        said = subprocess.run(command, check=True, env=env, stdout=subprocess.PIPE, text=True, cwd=directory).stdout
        first, *others = said.splitlines()
        units = {tuple(key): units for key, units in map(json.loads, others)}
        spent = {}
        for part in Path(directory).iterdir():
            text = part.read_text()
            for key in units:
                if f"Client Request: {label(key)}\n" in text:
                    spent[key] = sum(n for who, n in callgrind.by_owner(text).items() if who != "python")
    return {"vectors": json.loads(first), **{key: spent[key] / units[key] for key in units}}


def label(key):
    return "/".join(map(str, key))


def work_of(bench, number, who):
    """The work that a request names: a guarded one, or a case's, usnet's or a peer's."""
    from benchmarks import benches, cases, guard

    if bench == "guard":
        return guard.works()[number]
    case = benches.CASES[bench][number]
    if who == "usnet":
        return case.step_work or case.work
    return {peer.name: peer.work for peer in case.peers if isinstance(peer, cases.Peer)}[who]


def main():
    from benchmarks import cases
    from usnet.wire import checksum

    requests = building.module("counting")
    print(json.dumps(checksum.widths()[-1] if hasattr(checksum, "widths") else None), flush=True)
    for key in json.loads(sys.argv[1]):
        *which, units = key
        with work_of(*which)() as run:
            run(units)
            cases.rest(run)
            requests.start()
            tally = run(units)
            requests.stop(label(which))
        if tally["wrong"]:
            raise RuntimeError(f"{label(which)}: {tally['wrong']} wrong")
        print(json.dumps([which, tally["units"]]), flush=True)


if __name__ == "__main__":
    main()
