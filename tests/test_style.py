"""Rules about the sources that no linter knows: text in, complaints out, each tried on planted offences too."""
import ast
import importlib
import json
import re
import sys
import tomllib

import pytest

from tests.sources import PACKAGE, ROOT, code_only, logical_lines, module_name, package_files, tracked
from tests.test_layers import imports, room

FUNCTION_LINES = 70
FILE_LINES = 500
README_LINES = 30
# {path, or path:function: why it may be longer}
LONGER: dict[str, str] = {}

NOGIL_ROOMS = {"wire", "memory", "contract", "backend", "ip", "tcp", "stack"}
# Rooms whose results must be the same on every run and every machine: no clock, no entropy, no libm.
DETERMINISTIC_ROOMS = {"wire", "memory", "contract", "ip", "tcp", "stack"}
# The contract's own clock and its waiting, which is where real time comes from.
KNOWS_TIME = {"usnet.backends.clock", "usnet.backends.poller"}
BANNED = ("random", "secrets", "time", "datetime", "uuid", "math", "numpy.random", "os.urandom", "os.getrandom",
          "posix.time", "libc.time", "libc.math", "libc.stdlib.rand", "libc.stdlib.random")

NOT_FUNCTION = r"(?!(?:class|struct|enum|union|extern|packed|cppclass)\b)"
FUNCTION = re.compile(rf"(\s*)(?:async\s+def|def|cpdef|cdef)\s+{NOT_FUNCTION}[^=]*?(\w+)\s*\(.*:(?:\s|$)")
SIGNATURE_END = re.compile(r"\)\s*((?:\b(?:noexcept|nogil|with\s+gil|except\b\s*[?+*]?\s*-?\w*)\s*)+)")


def unsafe_signatures(text: str) -> list[str]:
    """Functions without the GIL that may raise: after each call the GIL would be taken to look for an exception."""
    found, extern_indent = [], None
    for number, line in logical_lines(text):
        indent = len(line) - len(line.lstrip())
        if extern_indent is not None and indent > extern_indent:
            continue
        extern_indent = indent if re.match(r"\s*cdef\s+extern\b", line) else None
        for modifiers in SIGNATURE_END.findall(line):
            words = modifiers.split()
            if "nogil" in words and "noexcept" not in words:
                found.append(f"{number}: nogil without noexcept: {line.strip()[:80]}")
    return found


def function_lengths(text: str) -> list[tuple[str, int]]:
    """(name, lines from its def to its last statement) of each function in Python or Cython."""
    statements = logical_lines(text)
    source = code_only(text).splitlines()
    found = []
    for i, (first, line) in enumerate(statements):
        match = FUNCTION.match(line)
        if not match:
            continue
        later = [n for n, other in statements[i + 1:] if len(other) - len(other.lstrip()) <= len(match[1])]
        last = later[0] - 1 if later else len(source)
        while not source[last - 1].strip():
            last -= 1
        found.append((match[2], last - first + 1))
    return found


def banned_imports(text: str, package: str) -> list[str]:
    return [f"{number}: {name}" for number, name in imports(text, package)
            if any(name == banned or name.startswith(banned + ".") for banned in BANNED)]


def machine_paths(text: str) -> list[str]:
    places = "|".join(["home", "work", "farm", "Users", "tmp/bash_jobs"])
    return re.findall(rf"(?m)(?:^|[^\w.])(/(?:{places})/\S*)", text)


def complaints(check, files, *arguments):
    """What `check` says about each file, behind the file's name."""
    return [f"{path.relative_to(ROOT)}:{said}" for path in files for said in check(path.read_text(), *arguments)]


def test_functions_without_the_gil_cannot_raise():
    files = [path for path in package_files(".pyx", ".pxd") if room(module_name(path))[0] in NOGIL_ROOMS]
    assert files
    assert complaints(unsafe_signatures, files) == []


@pytest.mark.parametrize("line", [
    "cdef int f(int x) except * nogil:",
    "cdef int f(int x) except -1 nogil",
    "cdef int f(int x) nogil except? -1",
    "cdef inline int f(int x) nogil:",
    "cdef int f(\n    int x,\n) nogil:",
    "ctypedef int (*sync)(void *p) nogil",
    "cdef int f(int (*g)(int) nogil, int n) noexcept nogil",
    'cdef extern from "x.h":\n    int g(int)\ncdef int f(int x) nogil:',
])
def test_a_planted_function_that_may_raise_is_found(line):
    assert len(unsafe_signatures(line)) == 1


@pytest.mark.parametrize("line", [
    "cdef int f(int x) noexcept nogil:",
    "cdef int f(int x) except -1:",
    'cdef extern from "x.h" nogil:\n    int f(int x) nogil\n\n    int g(int x) nogil',
    "with nogil:\n    f(x)",
    "# cdef int f(int x) nogil:",
])
def test_a_function_that_cannot_raise_is_not_complained_about(line):
    assert unsafe_signatures(line) == []


def test_files_and_functions_stay_small():
    too_long = []
    for path in package_files():
        name = str(path.relative_to(ROOT))
        text = path.read_text()
        if text.count("\n") > FILE_LINES and name not in LONGER:
            too_long.append(f"{name}: {text.count(chr(10))} lines")
        too_long += [f"{name}:{function}: {lines} lines" for function, lines in function_lengths(text)
                     if lines > FUNCTION_LINES and f"{name}:{function}" not in LONGER]
    assert too_long == []


def test_the_length_of_a_function_is_measured_right():
    text = """
cdef class Box(object):
    cdef int f(self, int a,
               int b) noexcept nogil:
        '''Doc

        string.'''
        if a:
            b = 1

        return b

    # about g
    def g(self): return 1


def h(a=(1,)):
    pass
"""
    assert function_lengths(text) == [("f", 9), ("g", 1), ("h", 2)]


def test_every_room_has_a_short_readme():
    code = {path.parent for path in package_files(".py", ".pyx") if path.name != "__init__.py"}
    rooms = {folder for folder in code if folder.parent == PACKAGE}      # folders inside a room are on the room's page
    wrong = []
    for folder in sorted(rooms):
        readme = folder / "README.md"
        lines = readme.read_text().count("\n") if readme.exists() else 0
        if not 0 < lines <= README_LINES:
            wrong.append(f"{folder.relative_to(ROOT)}: {lines} lines of README.md")
    assert wrong == []


def package_of(path):
    module = module_name(path)
    return module if path.stem == "__init__" else module.rpartition(".")[0]


def deterministic(module: str) -> bool:
    here, backend = room(module)
    return (here in DETERMINISTIC_ROOMS or backend == "sim") and module not in KNOWS_TIME


def test_nothing_that_decides_reads_a_clock_or_draws_from_the_system():
    found = []
    for path in package_files():
        if deterministic(module_name(path)):
            found += complaints(banned_imports, [path], package_of(path))
    assert found == []


@pytest.mark.parametrize("line", [
    "import random",
    "from time import monotonic",
    "from os import urandom",
    "cimport libc.math",
    "from libc.math cimport pow",
    "from libc.stdlib cimport malloc, rand",
    "def f():\n    import secrets",
    "import numpy.random as r",
    "from numpy import random",
])
def test_a_planted_clock_or_source_of_entropy_is_found(line):
    assert len(banned_imports(line, "usnet.tcp")) == 1


def test_no_path_of_one_machine_stands_in_the_repository():
    found = []
    for path in tracked():
        data = path.read_bytes()
        if b"\0" not in data:
            found += [f"{path.relative_to(ROOT)}: {place}" for place in machine_paths(data.decode())]
    assert found == []


def test_a_planted_path_is_found():
    planted = "/".join(["", "home", "me", "usnet"])
    assert machine_paths(f"cd {planted}") == [planted]
    assert machine_paths(f"see docs{planted} and .{planted}") == []


def compiled_modules_that_python_imports() -> set[str]:
    """Compiled modules that the package's own Python, the examples or an entry point import by name."""
    compiled = {module_name(path) for path in package_files(".pyx")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {target.partition(":")[0] for group in project["entry-points"].values() for target in group.values()}
    for path in [*package_files(".py"), *sorted((ROOT / "examples").rglob("*.py"))]:
        for _, name in imports(path.read_text(), package_of(path)):
            names |= {name, name.rpartition(".")[0]}
    return compiled & names


def test_compiled_modules_that_python_imports_have_stubs():
    missing = [name for name in sorted(compiled_modules_that_python_imports())
               if not (ROOT / name.replace(".", "/")).with_suffix(".pyi").exists()]
    assert missing == []


def test_every_source_is_installed():
    """A file that no meson.build names is missing from every wheel, and cannot be cimported from outside."""
    build = ROOT / "build" / "cp{}{}".format(*sys.version_info)
    plan = json.loads((build / "meson-info" / "intro-install_plan.json").read_text())
    placed = [entry["destination"].removeprefix("{py_platlib}/") for part in plan.values() for entry in part.values()]
    installed = {place.partition(".")[0] + ".pyx" if place.endswith(".so") else place for place in placed}
    sources = {str(path.relative_to(ROOT)) for path in package_files()}
    assert sorted(sources - installed) == []


def test_every_stub_declares_names_that_exist():
    """A stub that has drifted from its module misleads every reader of it."""
    missing = []
    for path in package_files(".pyi"):
        module = importlib.import_module(module_name(path))
        declared = [node.name for node in ast.parse(path.read_text()).body
                    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]
        missing += [f"{module.__name__}.{name}" for name in declared if not hasattr(module, name)]
    assert missing == []
