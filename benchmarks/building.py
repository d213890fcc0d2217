"""Compiles benchmarks/drivers: what is not Python. Kept in build/benchmarks until a source, or a declaration of usnet's, or the compiler changes."""

import functools
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DRIVERS = ROOT / "benchmarks" / "drivers"
KEPT = ROOT / "build" / "benchmarks"


def find(tool):
    """Where a program is: beside this interpreter, or in PATH; None when it is missing."""
    return shutil.which(tool, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))


def missing(*more):
    """What is not here that compiling needs, or None. `more`: Debian packages, each with a file of its own, as "package:/path"."""
    lacking = [tool for tool in ("cython", "cc") if not find(tool)]
    for want in more:
        package, _, path = want.partition(":")
        if not os.path.exists(path):
            lacking.append(f"{package} (apt install {package})")
    return " and ".join(lacking) or None


@functools.cache
def declarations():
    """A hash of all that a driver may cimport or include: a changed struct changes the driver."""
    sources = sorted(path for pattern in ("*.pxd", "*.h") for path in (ROOT / "usnet").rglob(pattern))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


@functools.cache
def module(name, flags=()):
    """The extension module drivers/NAME.pyx. `flags`: a tuple of more for the compiler. CalledProcessError with its words on stderr."""
    source = DRIVERS / f"{name}.pyx"
    includes = sorted({str(path.parent) for path in (ROOT / "usnet").rglob("*.h")})
    command = [find("cc"), "-O2", "-shared", "-fPIC", f"-I{sysconfig.get_paths()['include']}", *(f"-I{path}" for path in includes)]

    def build(folder, target):
        subprocess.run([find("cython"), "-3", "-I", ROOT, source, "-o", folder / f"{name}.c"], check=True, cwd=ROOT)
        subprocess.run([*command, folder / f"{name}.c", "-o", target, *flags], check=True)

    library = kept(f"{name}.so", [source, DRIVERS / "common.pxd"], [*command, *flags, sys.version, declarations()], build)
    spec = importlib.util.spec_from_file_location(name, library)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def kept(name, sources, key, build):
    """The path of what build(folder, target) makes of `sources`: made once for the same sources and `key`."""
    digest = hashlib.sha256("\0".join(map(str, key)).encode() + b"".join(path.read_bytes() for path in sources)).hexdigest()
    target = KEPT / f"{digest[:16]}-{name}"
    if not target.exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=KEPT) as folder:
            made = Path(folder, name)
            build(Path(folder), made)
            made.replace(target)
    return target
