"""Compiles somebody else's module against usnet's .pxd files, as they stand in the sources."""

import importlib.util
import shutil
import subprocess
import sys
import sysconfig

import pytest

import usnet


def compile_module(folder, name, source):
    """The module `name` with that Cython source, imported."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler (Debian package gcc)")
    include = usnet.get_include()
    (folder / f"{name}.pyx").write_text(source)
    subprocess.run([sys.executable, "-m", "cython", "-3", "-I", include, f"{name}.pyx"], cwd=folder, check=True)
    module = folder / (name + sysconfig.get_config_var("EXT_SUFFIX"))
    includes = ["-I", sysconfig.get_path("include"), "-I", include]
    subprocess.run([compiler, "-O0", "-w", "-shared", "-fPIC", *includes, f"{name}.c", "-o", str(module)], cwd=folder, check=True)
    spec = importlib.util.spec_from_file_location(name, module)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made
