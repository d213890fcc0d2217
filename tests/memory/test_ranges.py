"""Ranges against a set of integers."""
from hypothesis import given
from hypothesis import strategies as st

from usnet.memory.ranges import Ranges

steps = st.lists(st.tuples(st.sampled_from(["add", "add", "add", "trim"]), st.integers(0, 120), st.integers(0, 12)),
                 max_size=80)
BASE = 2**40            # positions do not fit in 32 bits


def pieces(model):
    out = []
    for p in sorted(model):
        if out and out[-1][1] == p:
            out[-1][1] = p + 1
        else:
            out.append([p, p + 1])
    return [tuple(piece) for piece in out]


@given(steps)
def test_ranges_behave_as_a_set_of_positions(steps):
    r, model = Ranges(), set()
    for step, a, n in steps:
        start = BASE + a
        if step == "add":
            new = set(range(start, start + n))
            got = r.add(start, start + n)
            if got is None:
                assert len(r) == 128 and len(pieces(model | new)) == 33
            else:
                assert got == len(new - model)
                model |= new
                if n:
                    ages = {(s <= start and start + n <= e): age for s, e, age in r}
                    assert ages[True] == max(age for _, _, age in r)
                    assert len({age for _, _, age in r}) == len(r)
        else:
            r.trim(start)
            model = {p for p in model if p >= start}
        assert [(s, e) for s, e, _ in r] == pieces(model)
        assert r.bytes() == len(model)
        end = r.end(start)
        assert end >= start and all(p in model for p in range(start, end)) and end not in model


def test_a_piece_too_many_is_refused_but_joining_is_not():
    r = Ranges()
    for i in range(128):
        assert r.add(10 * i, 10 * i + 2) == 2
    assert r.add(2000, 2001) is None
    assert r.add(5, 6) is None
    assert len(r) == 128
    assert r.add(2, 10) == 8
    assert len(r) == 127
    assert r.add(2000, 2001) == 1


def test_the_newest_addition_has_the_highest_age():
    r = Ranges()
    r.add(10, 20)
    r.add(30, 40)
    r.add(50, 60)
    r.add(12, 13)
    assert [s for s, _, _ in sorted(r, key=lambda piece: -piece[2])] == [10, 50, 30]


def test_an_empty_range_adds_nothing():
    r = Ranges()
    assert r.add(5, 5) == 0 and r.add(9, 5) == 0 and len(r) == 0
