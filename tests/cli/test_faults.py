import pytest

from usnet.backends.fate import Fate
from usnet.cli.faults import parse_faults


def test_each_word_is_a_rule_for_both_directions():
    assert parse_faults("loss=0.02, reorder=0.01,duplicate=1,corrupt=0,delay=20ms") == [
        Fate("drop", p="0.02"),
        Fate("reorder(3, within=50ms)", p="0.01"),
        Fate("dup", p="1"),
        Fate("corrupt", p="0"),
        Fate("delay(20000000)"),
    ]
    assert {rule.at for rule in parse_faults("loss=0.5,delay=1ms")} == {"both"}


def test_nothing_is_no_rules():
    assert parse_faults("") == []


@pytest.mark.parametrize(
    "text",
    [
        "loss",
        "loss=",
        "loss=-0.1",
        "loss=1.01",
        "loss=nan",
        "loss=x",
        "delay=5",
        "delay=-5ms",
        "fire=0.1",
        "=0.1",
        "loss=0.1;dup=2",
    ],
)
def test_what_cannot_be_is_refused(text):
    with pytest.raises(ValueError):
        parse_faults(text)
