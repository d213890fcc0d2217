"""The timer wheel against a sorted list."""
from hypothesis import given, settings
from hypothesis import strategies as st

from usnet.memory.wheel import Wheel

HOUR = 3600 * 10**9
TICK = 1 << 16
NEVER = 2**63 - 1

# Nanoseconds to hours, evenly over the orders of magnitude, and the edges of slots.
spans = st.one_of(
    st.integers(0, 3), st.integers(0, 2 * TICK), st.integers(0, 300 * 10**6), st.integers(0, 20 * 10**9),
    st.integers(0, 100 * HOUR),
    st.builds(lambda level, n, d: max(0, (n << (16 + 6 * level)) + d), st.integers(0, 7), st.integers(1, 31),
              st.integers(-2, 2)),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), spans, st.booleans()), st.tuples(st.just("move"), st.integers(0, 50), spans),
        st.tuples(st.just("cancel"), st.integers(0, 50)), st.tuples(st.just("run"), spans),
        st.tuples(st.just("some"), spans, st.integers(0, 3)), st.tuples(st.just("next")),
    ),
    max_size=80,
)


class Model:
    """timer -> (deadline, order, arg)."""

    def __init__(self):
        self.timers, self.order = {}, 0

    def set(self, timer, deadline, arg):
        self.timers[timer] = (deadline, self.order, arg)
        self.order += 1

    def pop(self, now):
        timer = min(self.timers, key=self.timers.get, default=None)
        if timer is None or self.timers[timer][0] > now:
            return None
        return self.timers.pop(timer)[2]

    def earliest(self):
        return min(self.timers.values(), default=(None,))[0]


def drain(w, model, now, at_most=None):
    while at_most is None or at_most > 0:
        at_most = None if at_most is None else at_most - 1
        expected = model.pop(now)
        assert w.pop(now) == (None if expected is None else (5, expected))
        if expected is None:
            return


@settings(max_examples=400, deadline=None)
@given(steps, st.sampled_from([0, 1, TICK - 1, 10**18, -(10**15)]))
def test_the_wheel_is_a_sorted_list(steps, now):
    w, model = Wheel(1000, now), Model()
    for n, step in enumerate(steps):
        if step[0] == "add":
            deadline = min(now - step[1] if step[2] and step[1] < 10**6 else now + step[1], NEVER)
            model.set(w.add(deadline, 5, n), deadline, n)
        elif step[0] == "move" and model.timers:
            timer = sorted(model.timers)[step[1] % len(model.timers)]
            deadline = min(now + step[2], NEVER)
            w.move(timer, deadline)
            model.set(timer, deadline, model.timers[timer][2])
        elif step[0] == "cancel" and model.timers:
            timer = sorted(model.timers)[step[1] % len(model.timers)]
            w.cancel(timer)
            del model.timers[timer]
        elif step[0] == "run":
            now = min(now + step[1], NEVER)
            drain(w, model, now)
        elif step[0] == "some":
            now = min(now + step[1], NEVER)
            drain(w, model, now, step[2])
        elif step[0] == "next" and model.timers:
            # As the stack does: wake when told; with so few timers the wheel knows the exact time.
            t = w.next()
            assert t <= model.earliest()
            if len(model.timers) <= 16:
                assert t == model.earliest()
            now = max(now, t)
            drain(w, model, now)
        assert len(w) == len(model.timers)
    drain(w, model, NEVER)
    assert len(w) == 0 and w.next() is None


def test_a_timer_fires_at_its_deadline_and_not_a_nanosecond_before():
    for deadline in (1, TICK - 1, TICK, TICK + 1, 64 * TICK, 200_000_000, HOUR, 290 * 365 * 24 * HOUR - 7, NEVER):
        w = Wheel(4)
        w.add(deadline, 1, 2)
        assert w.pop(deadline - 1) is None
        assert w.next() == deadline
        assert w.pop(deadline) == (1, 2)
        assert w.pop(deadline) is None


def test_next_is_exact_within_a_crowded_slot_of_the_finest_level():
    w = Wheel(1000)
    timers = [w.add(5 * TICK + 1000 - i, 0, i) for i in range(500)]
    assert w.next() == 5 * TICK + 501
    w.cancel(timers[-1])
    assert w.next() == 5 * TICK + 502
    w.add(5 * TICK + 7)
    assert w.next() == 5 * TICK + 7


def test_next_forgets_a_slot_that_time_has_passed():
    w = Wheel(10)
    w.add(5 * TICK + 1)
    assert w.next() == 5 * TICK + 1
    assert w.pop(64 * TICK) is not None
    w.add(69 * TICK + 7)                # hangs in the same slot, one turn later
    assert w.next() == 69 * TICK + 7


def test_what_is_set_while_some_are_due_takes_its_place_among_them():
    w = Wheel(10)
    for i in range(4):
        w.add(10 * TICK + 10 * i, 0, i)
    assert w.pop(10 * TICK + 25) == (0, 0)
    w.add(10 * TICK + 15, 0, 9)
    w.add(10 * TICK + 40, 0, 8)
    assert [w.pop(11 * TICK)[1] for _ in range(5)] == [1, 9, 2, 3, 8]


def test_following_next_reaches_every_timer_of_a_crowded_coarse_slot():
    w, now, fired, calls = Wheel(1000), 0, [], 0
    for i in range(500):
        w.add(HOUR + i * 1000, 0, i)
    while len(w):
        t = w.next()
        assert t > now
        now, calls = t, calls + 1
        while (due := w.pop(now)) is not None:
            fired.append(due[1])
    assert fired == list(range(500))
    assert calls <= 500 + 8             # at most one early wake-up a level


def test_ties_fire_in_the_order_they_were_set():
    w = Wheel(1 << 20)
    for i in range(100_000):
        w.add(10**9, 0, i)
    assert [w.pop(10**9)[1] for i in range(100_000)] == list(range(100_000))


def test_a_full_wheel_refuses_and_goes_on():
    w = Wheel(2)
    a, b = w.add(5), w.add(6)
    assert w.add(7) is None
    w.cancel(a)
    w.cancel(a)
    w.cancel(0xffffffff)
    assert len(w) == 1
    assert w.add(4, 1, 1) is not None
    assert w.pop(10) == (1, 1)
    w.move(a, 3)                        # fired: changes nothing
    assert w.next() == 6 and w.pop(10) == (0, 0) and b is not None


def test_a_reset_wheel_is_new():
    w = Wheel(10)
    for d in (1, 10**6, HOUR):
        w.add(d)
    w.pop(10**6)
    w.reset(77)
    assert len(w) == 0 and w.next() is None and w.pop(10 * HOUR) is None
    w.reset(0)
    w.add(50, 1, 1)
    assert w.next() == 50


def test_popping_at_an_earlier_time_fires_nothing_that_lies_ahead():
    w = Wheel(10)
    w.add(100)
    w.add(200)
    assert w.pop(150) is not None
    assert w.pop(250 - 100) is None
    assert w.pop(10) is None
    assert w.pop(200) is not None
