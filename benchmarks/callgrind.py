"""Instructions per unit of work, counted by callgrind: unlike times, these repeat. Python's own are told from those of usnet's modules.

The work is done twice, in processes of their own, the second time with more of it: what both runs have in common (starting Python, setting up)
falls out of the difference.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def available():
    return shutil.which("valgrind") is not None


def count(code, few, many):
    """Instructions per unit of `code`, a Python expression with {n} in it: {"usnet": ..., "libc": ..., "python": ..., "other": ...} by who
    executed them. `few`, `many`: units of work in the two runs. CalledProcessError when the work fails."""
    first, second = (_run(code.format(n=n)) for n in (few, many))
    return {who: (second[who] - first[who]) / (many - few) for who in second}


def _run(code):
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory) / "out"
        command = ["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={out}", sys.executable, "-X", "frozen_modules=on", "-c", code]
        env = {**os.environ, "PYTHONPATH": os.getcwd(), "PYTHONHASHSEED": "0"}
        subprocess.run(command, check=True, env=env, stdout=subprocess.DEVNULL)
        return by_owner(out.read_text())


def owner(path):
    """Whose instructions an object file's are."""
    if "/usnet/" in path or re.search(r"/build/cp\d+/", path):
        return "usnet"
    name = path.rsplit("/", 1)[-1]
    if name.startswith(("libc.", "libc-", "ld-", "libpthread")):
        return "libc"
    return "python" if "python" in name or ".cpython-" in name else "other"


def by_owner(text):
    """Sums callgrind's own-cost lines by the object file that they belong to."""
    names, total = {}, {"usnet": 0, "libc": 0, "python": 0, "other": 0}
    current, call_follows = "", False
    for line in text.splitlines():
        if line.startswith(("ob=", "cob=")):
            key, _, rest = line.partition("=")
            number, _, name = rest.partition(" ")  # the name stands where the number is first used
            names.setdefault(number, name)
            current = names[number] if key == "ob" else current
        elif line.startswith("calls="):
            call_follows = True  # the next line is what the callee cost
        elif line[:1] in "+-*0123456789" and line[:1]:
            if not call_follows:
                total[owner(current)] += int(line.split()[1])
            call_follows = False
    return total
