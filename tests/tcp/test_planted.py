"""The bugs of `python -m tests.tcp.planted` can still be planted, and three of them are."""
import shutil

import pytest

from tests.planting import ROOT, cython_options, found, run_tests
from tests.tcp.planted import BUGS, QUICK

needs_cython = pytest.mark.skipif(not (shutil.which("cc") or shutil.which("gcc")), reason="missing: a C compiler (Debian package gcc)")


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_the_line_that_a_bug_changes_is_there_once_and_tests_are_named(bug):
    text = (ROOT / bug.file).read_text()
    assert text.count(bug.old) == 1
    assert text.replace(bug.old, bug.new) != text
    assert bug.file.endswith(".pyx") or bug.modules
    assert bug.tests and all((ROOT / test.split("::")[0]).exists() for test in bug.tests)


def test_modules_are_compiled_as_the_build_does():
    assert "--shared=usnet._cyutility" in cython_options() and "-Xcdivision=True" in cython_options()


@needs_cython
@pytest.mark.timeout(600)
@pytest.mark.parametrize("bug", [bug for bug in BUGS if bug.name in QUICK], ids=lambda bug: bug.name)
def test_a_planted_bug_is_found(bug, tmp_path):
    assert found(bug, tmp_path)


def test_without_a_bug_nothing_is_found():
    assert run_tests(None, ("tests/tcp/test_sack_sending.py",)).returncode == 0
