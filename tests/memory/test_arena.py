"""Arenas and sets of ids."""
import os
import resource
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usnet.memory.arena import Arena
from usnet.memory.idset import IdSet


def test_items_are_zeroed_each_time_they_are_taken():
    a = Arena(24, 8)
    for _ in range(3):
        indices = [a.take() for _ in range(8)]
        assert indices == list(range(8))
        assert a.take() is None
        for i in indices:
            assert a.read(i) == bytes(24)
            a.fill(i, 0xff)
        for i in reversed(indices):
            a.give(i)


def test_items_are_zeroed_after_a_reset():
    a = Arena(24, 8)
    for _ in range(5):
        a.fill(a.take(), 0xff)
    a.reset()
    assert len(a) == 0 and a.used == 0
    for expected in range(8):
        assert a.take() == expected
        assert a.read(expected) == bytes(24)


def test_stale_handles_are_noticed_after_giving_back_and_after_a_reset():
    a = Arena(8, 4)
    i = a.take()
    first = a.handle(i)
    assert a.find(first) == i
    a.give(i)
    assert a.find(first) is None
    assert a.take() == i
    second = a.handle(i)
    assert a.find(first) is None and a.find(second) == i
    a.reset()
    assert a.find(second) is None
    assert a.take() == i
    assert a.find(second) is None and a.find(a.handle(i)) == i


def test_giving_back_twice_changes_nothing():
    a = Arena(8, 4)
    i, j = a.take(), a.take()
    a.give(i)
    a.give(i)
    a.give(3)
    a.give(0xffffffff)
    assert len(a) == 1 and a.live(j)
    assert a.take() == i
    assert a.take() == 2


@pytest.mark.parametrize("size", [8, 24, 64, 100, 128])
@pytest.mark.parametrize("align", [8, 64])
def test_items_are_aligned(size, align):
    a = Arena(size, 5, align)
    assert a.item_size >= size and a.item_size % align == 0
    assert all(a.address(a.take()) % align == 0 for _ in range(5))


def test_bad_sizes_are_refused():
    for size, align in ((0, 8), (8, 16), (8, 0)):
        with pytest.raises(ValueError):
            Arena(size, 4, align)


def test_ten_million_items_cost_nothing_before_they_exist():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    a = Arena(512, 10_000_000)
    assert a.take() == 0
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 4096     # KiB


@given(st.lists(st.one_of(st.just("take"), st.just("reset"), st.integers(0, 9))))
def test_an_arena_behaves_as_a_set_of_handles(steps):
    a = Arena(8, 6)
    live, dead = {}, set()
    for step in steps:
        if step == "take":
            i = a.take()
            assert (i is None) == (len(live) == 6)
            if i is not None:
                assert i not in live and a.read(i) == bytes(8)
                a.fill(i, 0xaa)
                live[i] = a.handle(i)
                assert live[i] not in dead
        elif step == "reset":
            a.reset()
            dead.update(live.values())
            live.clear()
        else:
            a.give(step)
            if step in live:
                dead.add(live.pop(step))
        assert len(a) == len(live)
        assert all(a.find(h) == i for i, h in live.items())
        assert all(a.find(h) is None for h in dead)


def test_an_idset_goes_round():
    s = IdSet(5)
    for i in range(3):
        s.push(i)
    for i in range(30):
        assert s.pop() == i % 5
        assert s.push((i + 3) % 5)


@given(st.lists(st.one_of(st.just("pop"), st.just("reset"), st.integers(0, 7))))
def test_an_idset_is_a_queue_without_doubles(steps):
    s, model = IdSet(6), []
    for step in steps:
        if step == "pop":
            assert s.pop() == (model.pop(0) if model else None)
        elif step == "reset":
            s.reset()
            model.clear()
        else:
            fresh = step < 6 and step not in model
            assert s.push(step) == fresh
            if fresh:
                model.append(step)
        assert len(s) == len(model)


def test_a_build_with_addresssanitizer_reports_the_use_of_a_free_item():
    code = "from usnet.memory.arena import Arena; a = Arena(24, 8); a.give(a.take()); a.peek(0)"
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert ("use-after-poison" in run.stderr) == Arena.guarded()
    assert (run.returncode != 0) == Arena.guarded()
