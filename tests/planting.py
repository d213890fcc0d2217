"""Bugs planted on purpose: one line of a module of the core as it should not be, that module compiled anew, and tests run on it.

The rest stays as it is built: in the process that runs the tests, the module with the bug is found before all others.
"""

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("*.pyx", "*.pxd", "*.h", "__init__.py")


@dataclass(frozen=True)
class Bug:
    """A piece of a file, as it is and as it is planted; the tests that find it, as pytest is told of them; of a .pxd, the modules that inline it."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()


class Planted:
    """Finds the modules with a bug, a folder's `dotted.name.so` each, before anything else does: goes to the front of sys.meta_path."""

    def __init__(self, folder: str):
        self.paths = {path.name[: -len(".so")]: path for path in Path(folder).glob("*.so")}

    def find_spec(self, name, path=None, target=None):
        return importlib.util.spec_from_file_location(name, self.paths[name]) if name in self.paths else None


def copy_sources(scratch: Path) -> None:
    """What a module is compiled from."""
    for pattern in SOURCES:
        for path in (ROOT / "usnet").rglob(pattern):
            there = scratch / path.relative_to(ROOT)
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, there)


def cython_options() -> list[str]:
    """Those of meson.build."""
    return re.findall(r"'(-X\w+=\w+|--shared=[\w.]+)'", (ROOT / "meson.build").read_text())


def compile_module(scratch: Path, source: str, folder: Path) -> None:
    """scratch/`source` becomes folder/dotted.name.so, quickly rather than well."""
    name = source.removesuffix(".pyx").replace("/", ".")
    tools = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    cython, made = shutil.which("cython", path=tools), scratch / f"{name}.c"
    assert cython, "cython is not there"
    subprocess.run([cython, "-3", *cython_options(), source, "-o", made], cwd=scratch, check=True)
    headers = [f"-I{path.parent}" for path in {path.parent: path for path in (scratch / "usnet").rglob("*.h")}.values()]
    includes = [f"-I{sysconfig.get_paths()['include']}", *headers]
    compiler = shlex.split(os.environ.get("CC") or "cc")
    subprocess.run([*compiler, "-O1", "-w", "-fno-strict-aliasing", "-shared", "-fPIC", *includes, made, "-o", folder / f"{name}.so"], check=True)


def plant(bug: Bug, scratch: Path) -> Path:
    """The folder of the modules with the bug in them. scratch: an empty folder."""
    copy_sources(scratch)
    path = scratch / bug.file
    text = path.read_text()
    assert text.count(bug.old) == 1, f"{bug.name}: the line is not there once"
    path.write_text(text.replace(bug.old, bug.new))
    folder = scratch / "planted"
    folder.mkdir()
    for source in bug.modules or (bug.file,):
        compile_module(scratch, source, folder)
    return folder


def run(folder: Path | None, statement: str, *arguments: str) -> subprocess.CompletedProcess:
    """A statement of Python with sys.argv[1:], in a process of its own, with what was planted in `folder`."""
    program = f"import sys; from tests.planting import Planted; sys.meta_path.insert(0, Planted(sys.argv.pop(1))); {statement}"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    command = [sys.executable, "-c", program, str(folder or ""), *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def run_tests(folder: Path | None, tests: tuple[str, ...]) -> subprocess.CompletedProcess:
    """pytest on them, until the first fails."""
    return run(folder, "import pytest; sys.exit(pytest.main(sys.argv[1:]))", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *tests)


def found(bug: Bug, scratch: Path) -> bool:
    """Whether its tests find it. RuntimeError when they could not be run."""
    told = run_tests(plant(bug, scratch), bug.tests)
    if told.returncode not in (0, 1):
        raise RuntimeError(f"{bug.name}: pytest ended with {told.returncode}\n{told.stdout}{told.stderr}")
    return told.returncode == 1
