"""The bugs of `python -m tests.properties.planted` can still be planted: each line is there, once."""
import pytest

from tests.planting import ROOT
from tests.properties.planted import BUGS


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_the_line_that_a_bug_changes_is_there_once(bug):
    text = (ROOT / bug.file).read_text()
    assert text.count(bug.old) == 1
    assert text.replace(bug.old, bug.new) != text
