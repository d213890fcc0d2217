"""DCTCP against RFC 8257, section 3.3, in fractions."""

from fractions import Fraction

from usnet.tcp.congestion.ops import Controller

ONE = 1 << 20


def alpha(controller):
    return Fraction(controller.state["priv"][1] & 0xFFFFFFFF, ONE)


def started():
    controller = Controller("dctcp")
    controller.start(1000)
    controller.set(cwnd=100_000, ssthresh=50_000)
    return controller


def window(controller, una, marked, size=100_000):
    """A window's worth of ACKs, of which so many bytes are marked, at its end; where the next begins."""
    for at in range(0, size, 10_000):
        ce = max(0, min(10_000, at + 10_000 - (size - marked)))
        controller.rate(acked=10_000, ce=ce, una=una + at + 10_000, nxt=una + size + at + 10_000)
    return una + size


def test_alpha_is_one_at_first_so_that_the_first_mark_halves():
    controller = started()
    assert alpha(controller) == 1
    controller.rate(acked=1000, ce=1000, una=1000, nxt=100_000)
    assert controller.state["cwnd"] == controller.state["ssthresh"] == 50_000


def test_alpha_follows_the_marked_fraction_by_sixteenths():
    """alpha = alpha * (1 - g) + g * F, g = 1/16."""
    controller = started()
    controller.rate(una=0, nxt=100_000)
    una, expected = 0, Fraction(1)
    for marked in [0, 50_000, 100_000, 0, 0, 30_000]:
        una = window(controller, una, marked)
        expected = expected * Fraction(15, 16) + Fraction(marked, 100_000) / 16
        assert abs(alpha(controller) - expected) < Fraction(1, 1 << 16)


def test_alpha_decays_to_nothing():
    controller = started()
    una = 0
    for _ in range(300):
        una = window(controller, una, 0)
    assert alpha(controller) == 0


def test_one_reduction_a_window_by_half_of_alpha():
    controller = started()
    una = 0
    for _ in range(40):
        una = window(controller, una, 0)
    small, before = alpha(controller), controller.state["cwnd"]
    assert small < Fraction(1, 10)
    window(controller, una, 100_000)
    less = before - controller.state["cwnd"]
    assert abs(less - before * small / 2) <= 1000


def test_never_below_two_segments_and_undone_as_any_episode():
    controller = started()
    controller.set(cwnd=3000)
    controller.rate(acked=1000, ce=1000, una=1000, nxt=3000)
    assert controller.state["cwnd"] == 2000
    assert controller.undo() == 3000


def test_growth_and_loss_are_newreno_s():
    controller, other = started(), Controller("newreno")
    other.start(1000)
    other.set(cwnd=100_000, ssthresh=50_000)
    for act in (lambda c: c.ack(100_000), lambda c: c.loss(100_000), lambda c: c.rto(50_000), lambda c: c.ack(2000)):
        assert act(controller) == act(other)


def test_the_stack_asks_for_samples_and_marks():
    assert Controller("dctcp").state["wants"] & 0x09 == 0x09
