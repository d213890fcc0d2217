"""Runs a public corpus of packetdrill scripts: python -m tests.conformance.corpus DIRECTORY [--update]

Counts a folder, the commonest reasons, the same by --strict; exit code 1 when a script that is listed as passing (passing/*.txt) does not.
--update adds what passes now to that list.
"""

import argparse
import re
import sys
import time
from collections import Counter
from pathlib import Path

from usnet.testing.packetdrill.runner import Result, run_script

LISTS = Path(__file__).parent / "passing"
CORPORA = {"google": ("gtests/net/tcp", "linux"), "freebsd": ("state-event-engine", "freebsd")}
"""Name of the list: what the corpus has in it, and the profile of its scripts."""
REASONS = 10


def corpus_of(directory: Path) -> tuple[str, Path, str]:
    """The list's name, where the scripts are, their profile."""
    for name, (mark, profile) in CORPORA.items():
        if (directory / mark).is_dir():
            return name, directory / mark if name == "google" else directory, profile
    sys.exit(f"{directory}: neither google/packetdrill nor freebsd-net/tcp-testsuite")


def run_all(root: Path, profile: str, strict: bool) -> dict[str, Result]:
    return {str(path.relative_to(root)): run_script(path, profile, strict) for path in sorted(root.rglob("*.pkt"))}


def listed(name: str) -> set[str]:
    path = LISTS / f"{name}.txt"
    return set(path.read_text().split()) if path.exists() else set()


def show(results: dict[str, Result]) -> None:
    folders: dict[str, Counter[str]] = {}
    reasons: Counter[str] = Counter()
    for name, result in results.items():
        folders.setdefault(name.partition("/")[0], Counter())[result.outcome] += 1
        if result.outcome != "passed":
            last = result.text.rpartition("\n")[2].strip()
            reasons[f"{result.outcome}: {re.sub(r'[0-9]+', 'N', last)[:100]}"] += 1
    for folder, counts in sorted(folders.items()):
        print(f"{folder:24} passed {counts['passed']:4}  failed {counts['failed']:4}  skipped {counts['skipped']:4}")
    for reason, count in reasons.most_common(REASONS):
        print(f"{count:5}  {reason}")


def passed(results: dict[str, Result]) -> set[str]:
    return {name for name, result in results.items() if result.outcome == "passed"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--update", action="store_true")
    options = parser.parse_args()
    name, root, profile = corpus_of(options.directory)
    start = time.process_time()
    results = run_all(root, profile, False)
    spent = time.process_time() - start
    show(results)
    good = passed(results)
    print(f"{name}: {len(good)} of {len(results)} pass in {spent:.1f} s of CPU; {len(passed(run_all(root, profile, True)))} with --strict")
    lost = sorted(listed(name) - good)
    for script in lost:
        print(f"no longer passes: {script}: {results[script].text if script in results else 'not there'}")
    if options.update:
        (LISTS / f"{name}.txt").write_text("\n".join(sorted(listed(name) | good)) + "\n")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
