"""python -m benchmarks [NAME ...]: usnet and its peers in turn, in one run; medians and ratios (less is better)."""

import argparse
import json
import sys

from benchmarks import benches, building, cases, plain, rows, vast, wan

OTHERS = {"idle": vast.idle, "hold": vast.hold, "churn": vast.churn, "wan": wan.rows}
WANTS = {"wan": wan.missing}
NAMES = list(dict.fromkeys([*benches.CASES, *OTHERS, *plain.CASES]))


def options(argv):
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; all when none is given")
    parser.add_argument("--json", action="store_true", help="one JSON object a row")
    parser.add_argument("--runs", type=int, default=5, help="how often each is measured (default 5)")
    parser.add_argument("--share", type=float, default=1, help="of the usual amount of work in a run")
    parser.add_argument("--case", default="", help="only cases with this in their name")
    parser.add_argument("--connections", type=int, help="of idle and hold (default 100,000), and of churn (1,000,000)")
    parser.add_argument("--times", action="store_true", help="times only")
    parser.add_argument("--instructions", action="store_true", help="instructions only")
    found = parser.parse_args(argv)
    unknown = [name for name in found.names if name not in NAMES]
    if unknown:
        parser.error(f"no benchmark {unknown[0]}; there are {', '.join(NAMES)}")
    if not (found.times or found.instructions):
        found.times = found.instructions = True
    return found


def measure(name, found):
    """All rows of a benchmark."""
    lacking = WANTS.get(name, building.missing)() if name in benches.CASES or name in OTHERS else None
    if lacking:
        print(f"{name}: missing: {lacking}", file=sys.stderr)
    else:
        for number, case in enumerate(benches.CASES.get(name, [])):
            if found.case in case.name:
                yield from cases.rows(name, number, case, found)
        if name in OTHERS:
            yield from OTHERS[name](found)
    lacking = plain.missing(name)
    if lacking:
        print(f"{name}: missing: {lacking}", file=sys.stderr)
    elif found.times:
        yield from plain.measure(name, found.runs, found.case)


def main(argv=None):
    found = options(argv)
    for name in found.names or NAMES:
        for made in measure(name, found):
            print(json.dumps(made) if found.json else rows.line(made), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
