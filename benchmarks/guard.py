"""Instructions of the hot paths, recorded in counts.json: a change that takes more than 3 % more of them shows.

    python -m benchmarks.guard              # this build beside what is recorded for its compiler, flags and processor
    python -m benchmarks.guard --update     # records what this build takes

Where nothing is recorded for a compiler, its flags, and the width of the vectors that callgrind lets a program see, the parent commit is built in
the same way and counted instead: the commit before the last one, or the last one while something is changed. That takes as long as a build."""

import argparse
import functools
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks import building, counted

RECORDED = building.ROOT / "benchmarks" / "counts.json"
TOLERANCE = 0.03
UNITS = {"bulk, copying": 1_000, "bulk, zero-copy": 1_000, "echo, 64 connections": 1_920, "connect and close": 192}


def works():
    """{name: work}: what is guarded. Time goes on by steps, so that counts repeat."""
    from benchmarks import native
    from benchmarks.benches import STEP

    return {
        "bulk, copying": functools.partial(native.bulk, step=STEP),
        "bulk, zero-copy": functools.partial(native.bulk, lent=True, step=STEP),
        "echo, 64 connections": functools.partial(native.echo, 64, step=STEP),
        "connect and close": functools.partial(native.connect, 64, step=STEP),
    }


def missing():
    return counted.missing()


def build_folder():
    """Where the usnet that is imported was built, or None: then nothing is known of its compiler."""
    import usnet.stack

    for folder in Path(usnet.stack.__file__).parents:
        if (folder / "meson-info" / "intro-compilers.json").exists():
            return folder
    return None


@functools.cache
def options():
    """{name: value} of the build's options that change what the compiler makes."""
    wanted = ("buildtype", "optimization", "debug", "b_ndebug", "b_lto", "b_pgo", "b_sanitize", "c_args", "c_std")
    every = json.loads((build_folder() / "meson-info" / "intro-buildoptions.json").read_text())
    return {option["name"]: option["value"] for option in every if option["name"] in wanted}


def key(vectors):
    """What counts depend on beside the sources."""
    compilers = json.loads((build_folder() / "meson-info" / "intro-compilers.json").read_text())["host"]
    names = [f"{compilers[name]['id']} {compilers[name]['version']}" for name in ("c", "cython")]
    flags = " ".join(f"{name}={value}" for name, value in sorted(options().items()))
    return ", ".join([platform.machine(), *names, flags, f"vectors of {vectors}", os.confstr("CS_GNU_LIBC_VERSION")])


def measure(tree=building.ROOT, path=None):
    """(vectors, {name: instructions per unit}) of the usnet in `tree`. path: of modules, where it is not this interpreter's own."""
    names = [("guard", name, "usnet", units) for name, units in UNITS.items()]
    found = counted.count(names, tree, path)
    return found.pop("vectors"), {name: round(found["guard", name, "usnet"], 1) for name in UNITS}


def worse(now, before):
    """What takes more instructions than it should, a line each."""
    return [f"{name}: {now[name]:,} instructions, {now[name] / was - 1:+.1%} beside {was:,}"
            for name, was in before.items() if name in now and now[name] > was * (1 + TOLERANCE)]


def before(vectors):
    """({name: instructions}, whence): what is recorded for this build, or what the parent commit takes."""
    recorded = json.loads(RECORDED.read_text()).get(key(vectors))
    if recorded:
        return recorded, RECORDED.name
    commit = parent()
    kept = building.kept(f"parent-{commit[:12]}.json", [], [commit, key(vectors), RECORDED.parent, *UNITS.items()],
                         lambda folder, target: target.write_text(json.dumps(measure_commit(commit, folder)[1])))
    return json.loads(kept.read_text()), f"the parent commit {commit[:12]}"


def git(*arguments):
    return subprocess.run(["git", "-C", building.ROOT, *arguments], check=True, capture_output=True, text=True).stdout.strip()


def parent():
    """The commit to compare with."""
    return git("rev-parse", "HEAD" if git("status", "--porcelain", "--", "usnet", "meson.build") else "HEAD^")


def measure_commit(commit, folder):
    """measure() of a commit, built in a folder of its own with the options of this build, under today's drivers."""
    tree, made = folder / "tree", folder / "build"
    git("worktree", "add", "--detach", "--force", str(tree), commit)
    try:
        settings = [f"-D{name}={','.join(value) if isinstance(value, list) else str(value).lower()}" for name, value in options().items()]
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])     # of ninja and Cython
        meson = building.find("meson")
        where = [f"--prefix={folder}/installed", "-Dpython.install_env=prefix"]
        for command in ([meson, "setup", made, *where, *settings], [meson, "install", "-C", made]):
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=tree, env={**os.environ, "PATH": path})
        shutil.rmtree(tree / "benchmarks")
        shutil.copytree(building.ROOT / "benchmarks", tree / "benchmarks")
        [installed] = folder.glob("installed/lib*/python*/site-packages")
        return measure(tree, [str(installed), str(tree), *filter(None, sys.path)])
    finally:
        git("worktree", "remove", "--force", str(tree))


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guard", description=__doc__.partition("\n")[0])
    parser.add_argument("--update", action="store_true", help="records what this build takes")
    update = parser.parse_args().update
    vectors, now = measure()
    if update:
        every = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
        RECORDED.write_text(json.dumps({**every, key(vectors): now}, indent=2, sort_keys=True) + "\n")
    was, whence = before(vectors)
    for name, instructions in now.items():
        print(f"{name:24} {instructions:>10,} {instructions / was[name] - 1:+.1%} beside {whence}")
    return 1 if worse(now, was) else 0


if __name__ == "__main__":
    sys.exit(main())
