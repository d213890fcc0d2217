"""What the documents say that a program can check: links, programs, the drawing of TCP's states, lists of things."""
import re
import subprocess
import sys

import pytest

from tests.sources import ROOT, tracked

DOCUMENTS = [path for path in tracked("*.md") if "tests" not in path.relative_to(ROOT).parts]


def rows(document: str) -> list[list[str]]:
    """The cells of all table rows below a header, in a document of docs/."""
    lines = (ROOT / "docs" / document).read_text().splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for i, line in enumerate(lines)
            if line.startswith("|") and not line.startswith("|---") and lines[i - 1].startswith("|")]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_to_files_lead_somewhere(document):
    targets = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", document.read_text())
    assert [target for target in targets if not (document.parent / target).exists()] == []


def test_the_drawing_of_tcps_states_is_the_table_of_legal_transitions():
    from usnet.tcp.states import LEGAL

    text = (ROOT / "docs" / "architecture.md").read_text()
    drawn = set(re.findall(r"^ {4}(\w+) --> (\w+):", text, re.MULTILINE))
    legal = {(before, after) for before, afters in LEGAL.items() for after in afters}
    # To CLOSED leads an edge from everywhere; only the two of an orderly end are drawn.
    assert drawn - legal == {("LAST_ACK", "CLOSED"), ("TIME_WAIT", "CLOSED")}
    assert legal - drawn == set()


def test_the_readmes_first_program_runs():
    program, *_ = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    command = [sys.executable, "-W", "error", "-c", program]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("b'hello'\n")


def test_the_list_of_scenarios_is_complete():
    listed = [row[0] for row in rows("scenarios.md")]
    assert sorted(listed) == sorted(path.stem for path in tracked("sim_scenarios/*.toml"))


def test_features_that_work_name_tests_that_exist():
    named = [name for *_, shown in rows("features.md") for name in re.findall(r"`([^`]+)`", shown)]
    assert [name for name in named if not list(ROOT.glob(name))] == []
    claimed = [row for row in rows("features.md") if row[-2] == "yes" and not row[-1]]
    assert claimed == []
