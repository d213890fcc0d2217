"""CUBIC against the formulas of RFC 9438, worked out here in exact fractions; section numbers are the RFC's."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from usnet.tcp.congestion.cubic import plateau, root, window_at

from usnet.tcp.congestion.ops import Controller

C, BETA, ALPHA = Fraction(4, 10), Fraction(7, 10), Fraction(9, 17)
MS, SECOND = 10**6, 10**9
LIMIT = 1 << 30
TICK = Fraction(1, 1 << 20)


def cube_root(x):
    """To 2^-40, by bisection."""
    low, high = 0, 1 << 60
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if Fraction(middle, 1 << 40) ** 3 <= x else (low, middle)
    return Fraction(low, 1 << 40)


def exact_k(mss, cwnd, w_max):
    return cube_root(Fraction(w_max - cwnd, mss) / C)


def exact_window(mss, w_max, k, t):
    return C * (t - k) ** 3 * mss + w_max


@given(st.integers(0, (1 << 64) - 1) | st.integers(0, (1 << 21) - 1).map(lambda y: y**3) | st.integers(1, (1 << 21) - 1).map(lambda y: y**3 - 1))
def test_the_cube_root_is_exact(x):
    y = root(x)
    assert y**3 <= x < (y + 1) ** 3


@pytest.mark.parametrize("mss", [536, 1000, 1460, 8960])
@pytest.mark.parametrize("segments", [(7, 10), (70, 100), (100, 101), (10, 11), (700, 1000), (35000, 50000), (2, 100000)])
def test_k_is_that_of_the_formula(mss, segments):
    cwnd, w_max = (n * mss for n in segments)
    assert abs(plateau(mss, cwnd, w_max) * TICK - exact_k(mss, cwnd, w_max)) <= max(TICK, exact_k(mss, cwnd, w_max) / (1 << 19))


@pytest.mark.parametrize("mss", [536, 1460, 8960])
@pytest.mark.parametrize("w_max", [20, 100, 1000, 20000])
def test_the_curve_is_that_of_the_formula(mss, w_max):
    """To a byte, or a millionth where the curve is steep."""
    k = plateau(mss, w_max * mss * 7 // 10, w_max * mss)
    for ms in [0, 1, 10, 100, 500, 1000, 2000, 3333, 5000, 7000, 10000, 20000, 60000]:
        exact = exact_window(mss, w_max * mss, k * TICK, Fraction(ms, 1000))
        steep = 3 * C * mss * (Fraction(ms, 1000) - k * TICK) ** 2 * TICK
        assert abs(window_at(mss, w_max * mss, k, ms * MS) - min(exact, LIMIT)) <= 2 + steep + abs(exact) / 10**6
    assert window_at(mss, w_max * mss, k, 10**15) == LIMIT


def test_the_epoch_begins_where_the_window_was_brought_to():
    """W_cubic(0) is cwnd_epoch, W_cubic(K) is W_max (4.2)."""
    for cwnd, w_max in [(7000, 10000), (70000, 100000), (100000, 700000)]:
        k = plateau(1000, cwnd, w_max)
        assert abs(window_at(1000, w_max, k, 0) - cwnd) <= 2
        assert window_at(1000, w_max, k, int(k * TICK * SECOND) + 1) == w_max


def behind_a_loss(cwnd=100_000, mss=1000, **more):
    controller = Controller("cubic", step=0)
    controller.start(mss)
    controller.set(cwnd=cwnd, ssthresh=cwnd, **more)
    controller.loss(cwnd)
    controller.recovered(cwnd)
    return controller


def acknowledged(controller, rtt, until, begin=0, mss=1000):
    """Windows of segments are acknowledged evenly, every second segment, from `begin` to `until`: [(time, cwnd)]."""
    now, told = begin, []
    while now < until:
        controller.ack(2 * mss, now, srtt=rtt)
        told.append((now, controller.state["cwnd"]))
        now += max(1, rtt * 2 * mss // controller.state["cwnd"])
    return told


def rfc(cwnd, w_max, rtt, until, mss=1000):
    """RFC 9438 by the letter, in real numbers, driven by the same ACKs: [(time, cwnd)]."""
    k = float(cube_root(Fraction(max(w_max - cwnd, 0), mss) / C))
    cwnd, w_est, prior, now, told = float(cwnd), float(cwnd), float(w_max), 0, []
    while now < until:
        t, acked = now / SECOND, 2 * mss
        curve = 0.4 * (t - k) ** 3 * mss + w_max
        w_est += (1.0 if w_est >= prior else 9 / 17) * acked / cwnd * mss
        if curve < w_est:
            cwnd = max(cwnd, w_est)
        else:
            target = min(max(0.4 * (t + rtt / SECOND - k) ** 3 * mss + w_max, cwnd), 1.5 * cwnd)
            cwnd += (target - cwnd) / cwnd * acked
        told.append((now, cwnd))
        now += max(1, int(rtt * acked / cwnd))
    return told


@pytest.mark.parametrize(("rtt", "seconds", "cwnd"), [(100, 12, 100_000), (20, 8, 100_000), (200, 20, 1_000_000), (1, 2, 30_000), (50, 6, 20_000)])
def test_grows_as_the_rfc_says(rtt, seconds, cwnd):
    """Concave, convex and Reno-friendly: within two segments, and 3 %, of the formulas at any time."""
    controller = behind_a_loss(cwnd)
    assert controller.state["cwnd"] == cwnd * 7 // 10
    ours = acknowledged(controller, rtt * MS, seconds * SECOND)
    exact = rfc(cwnd * 7 // 10, cwnd, rtt * MS, seconds * SECOND)
    j = 0
    for now, window in ours:
        while j + 1 < len(exact) and exact[j + 1][0] <= now:
            j += 1
        assert abs(window - exact[j][1]) <= 2000 + exact[j][1] * 0.03, (now, window, exact[j])
    assert ours[-1][1] > cwnd, "beyond what it had"


def test_the_plateau_is_flat_around_k():
    controller = behind_a_loss(1_000_000)
    told = acknowledged(controller, 100 * MS, 15 * SECOND)
    k = float(exact_k(1000, 700_000, 1_000_000))
    near = [window for now, window in told if abs(now / SECOND - k) < 1]
    assert near
    assert max(near) - min(near) < 4000
    assert max(window for _, window in told) > 1_070_000


def test_a_loss_takes_three_tenths_and_marks_as_well():
    controller = behind_a_loss()
    assert controller.state["ssthresh"] == 70_000
    marked = Controller("cubic")
    marked.start(1000)
    assert (marked.ecn(10_000), marked.state["ssthresh"]) == (7000, 7000)


def test_never_below_two_segments():
    controller = Controller("cubic")
    controller.start(1000)
    assert controller.loss(1500) == 2000


def test_without_sack_the_window_is_inflated_as_newreno_s():
    controller = Controller("cubic")
    controller.start(1000)
    assert controller.loss(10_000, sack=False) == 10_000
    assert controller.dupack() == 11_000


def w_max(controller):
    return controller.state["priv"][0] & 0xFFFFFFFF


def test_fast_convergence_gives_room_to_others():
    """4.7: a window that did not get back to W_max aims at (1 + beta) / 2 of itself."""
    controller = behind_a_loss(100_000)
    assert w_max(controller) == 100_000
    controller.loss(80_000)
    assert w_max(controller) == 70_000 * 17 // 20
    controller.set(cwnd=200_000)
    controller.loss(200_000)
    assert w_max(controller) == 200_000


def test_the_clock_stands_while_the_window_is_not_what_limits():
    """5.8: two connections alike, of which one pauses for half a minute, go on in the same way."""
    steady, paused = behind_a_loss(), behind_a_loss()
    first = acknowledged(steady, 50 * MS, 3 * SECOND)
    acknowledged(paused, 50 * MS, 3 * SECOND)
    pause = 30 * SECOND
    paused.limited(first[-1][0])
    second = acknowledged(steady, 50 * MS, 6 * SECOND, first[-1][0] + MS)
    later = acknowledged(paused, 50 * MS, 6 * SECOND + pause, first[-1][0] + MS + pause)
    assert later[-1][0] - pause == pytest.approx(second[-1][0], abs=5 * MS)
    assert abs(later[-1][1] - second[-1][1]) <= 1000
    assert abs(later[0][1] - second[0][1]) <= 1000


def test_behind_a_timeout_the_curve_begins_where_avoidance_does():
    """4.8: K is 0, W_max is cwnd."""
    controller = behind_a_loss()
    assert controller.rto(70_000) == 1000
    assert controller.state["ssthresh"] == 49_000
    while controller.state["cwnd"] < 49_000:
        controller.ack(2000, 0, srtt=50 * MS)
    before = controller.state["cwnd"]
    controller.ack(2000, SECOND, srtt=50 * MS)
    assert w_max(controller) == before
    assert controller.state["priv"][0] >> 32 == 0


@pytest.mark.parametrize("harm", ["loss", "rto", "ecn", "ssthresh"])
def test_what_was_no_loss_is_undone_curve_and_all(harm):
    """4.9: afterwards the window grows as that of a connection that nothing happened to."""
    spared, harmed = behind_a_loss(), behind_a_loss()
    acknowledged(spared, 50 * MS, 2 * SECOND)
    told = acknowledged(harmed, 50 * MS, 2 * SECOND)
    before = harmed.state
    getattr(harmed, harm)(before["cwnd"])
    assert harmed.undo() == before["cwnd"]
    assert harmed.state["ssthresh"] == before["ssthresh"]
    assert harmed.state["epoch"] == before["epoch"]
    again = acknowledged(harmed, 50 * MS, 6 * SECOND, told[-1][0] + MS)
    spared_again = acknowledged(spared, 50 * MS, 6 * SECOND, told[-1][0] + MS)
    assert abs(again[-1][1] - spared_again[-1][1]) <= 1000


@given(st.lists(st.tuples(st.sampled_from(["ack", "loss", "rto", "undo", "limited", "idle", "recovered", "ecn"]), st.integers(0, 1 << 20),
                          st.integers(0, 10**11), st.integers(0, 10**10)), max_size=60),
       st.sampled_from([64, 536, 1460, 65000]))
def test_laws_hold_whatever_comes(events, mss):
    """cwnd is never below a segment, ssthresh never below two; one ACK lets cwnd grow by what it acknowledges, or by a segment, at most."""
    controller = Controller("cubic", hystart=1)
    controller.start(mss)
    now = 1
    for what, size, later, rtt in events:
        now += later
        before = controller.state["cwnd"]
        if what == "ack":
            after = controller.ack(size, now, rtt=rtt, srtt=rtt, una=size, nxt=size)
            assert before <= after <= before + max(size, mss)
        elif what == "limited":
            controller.limited(now)
        elif what in ("undo", "idle"):
            getattr(controller, what)()
        else:
            getattr(controller, what)(min(size, before))
        assert mss <= controller.state["cwnd"] <= LIMIT
        assert controller.state["ssthresh"] >= 2 * mss
