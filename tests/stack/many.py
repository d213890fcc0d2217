"""Random tests by the thousand: `python -m tests.stack.test_random_worlds FIRST COUNT`."""
import sys


def run_many(run, after):
    """run(seed) for COUNT seeds from FIRST on; after() behind each. Prints what fails, and a count."""
    first, count = map(int, sys.argv[1:])
    bad = 0
    for seed in range(first, first + count):
        try:
            run(seed)
        except Exception as failure:
            bad += 1
            print(seed, type(failure).__name__, str(failure)[:600], flush=True)
        after()
    print(f"{count - bad} passed, {bad} failed")
