"""docs/conformance.md: every requirement once, and nothing named that is not there."""
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.sources import PACKAGE, ROOT

PAGE = (ROOT / "docs" / "conformance.md").read_text()
SCRIPTS = Path(__file__).parent / "scripts"
# RFC 9293, Appendix B: how many of each kind it numbers, from 1 on.
NUMBERED = {"MUST": 69, "SHLD": 31, "MAY": 18, "REC": 1}
LEVELS = {"MUST": {"MUST", "MUST NOT"}, "SHLD": {"SHOULD", "SHOULD NOT"}, "MAY": {"MAY"}, "REC": {"RECOMMENDED"}}
# Requirements not to do something, by the same table.
NOT = {"MUST-9", "MUST-29", "MUST-41", "MUST-56", "MUST-60", "MUST-65", "SHLD-13", "SHLD-14", "SHLD-15", "SHLD-17", "SHLD-23"}


def table_rows(text: str) -> list[list[str]]:
    """The cells of each row of each table below its header."""
    lines = text.splitlines()
    return [[cell.strip() for cell in line.strip().strip("|").split("|")] for i, line in enumerate(lines)
            if line.startswith("|") and not line.startswith("|---") and lines[i - 1].startswith("|")]


ROWS = table_rows(PAGE)
REQUIREMENTS = [row for row in ROWS if re.fullmatch(r"[A-Z]+-\d+", row[0])]


def test_every_requirement_of_rfc_9293_stands_there_once():
    wanted = {f"{kind}-{number}" for kind, most in NUMBERED.items() for number in range(1, most + 1)}
    assert Counter(row[0] for row in REQUIREMENTS) == Counter(wanted)


def test_levels_are_those_of_the_rfc():
    wrong = [row[:2] for row in REQUIREMENTS if row[1] not in LEVELS[row[0].partition("-")[0]] or (row[0] in NOT) != row[1].endswith("NOT")]
    assert wrong == []


def test_each_row_says_whether_it_works():
    assert [row[0] for row in ROWS if not re.match(r"(yes|partly|no|nothing|with)\b", row[-3])] == []


def missing(code: str) -> bool:
    """`tcp/input.pyx:check_rst`: whether there is no such file below usnet/, or no such function in it."""
    path, _, function = code.partition(":")
    file = PACKAGE / path
    if not file.is_file():
        return True
    return bool(function) and not re.search(rf"^\s*(?:cdef|cpdef|def)\b[^(=]*\b{function}\(", file.read_text(), re.MULTILINE)


def unshown(name: str) -> bool:
    """`tcp/test_options.py::test_x`, or `listen/syn.pkt`: whether there is no such test or script."""
    path, _, test = name.partition("::")
    if path.endswith(".pkt"):
        return not (SCRIPTS / path).is_file()
    file = ROOT / "tests" / path
    return not file.is_file() or (bool(test) and not re.search(rf"^(?:async )?def {test}\(", file.read_text(), re.MULTILINE))


def test_code_and_tests_that_are_named_exist():
    named = [(row[0], code) for row in ROWS for code in re.findall(r"`([^`]+)`", row[-2])]
    assert [(at, code) for at, code in named if missing(code)] == []
    shown = [(row[0], name) for row in ROWS for name in re.findall(r"`([^`]+)`", row[-1])]
    assert [(at, name) for at, name in shown if unshown(name)] == []


def test_what_works_names_code_and_a_test_unless_it_is_something_left_undone():
    works = [row for row in ROWS if row[-3].split(":")[0].split(";")[0].split(",")[0] == "yes"]
    assert len(works) > 90
    assert [row[0] for row in works if not row[-1] and "usnet" not in row[-3] and "no calls back" not in row[-3]] == []


@pytest.mark.parametrize("name", ["tcp/nothing.pyx", "tcp/input.pyx:no_such_step"])
def test_code_that_is_not_there_is_found(name):
    assert missing(name)
    assert not missing("tcp/input.pyx:check_rst")
    assert not missing("tcp/segment.pxd:segment_window")


@pytest.mark.parametrize("name", ["listen/nothing.pkt", "tcp/test_nothing.py::test_x", "tcp/test_options.py::test_nothing"])
def test_a_test_that_is_not_there_is_found(name):
    assert unshown(name)
    assert not unshown("listen/syn.pkt")
