"""A congestion window that is not filled: RFC 5681's restart, Linux's decay, RFC 7661. Round trips of 100 ms, segments of 1,000 bytes, NewReno."""

import pytest

from tests.tcp.recovering import measured, windows

OFF, RESTART, LINUX, PIPEACK = range(4)
IW = 10
MS300 = 300_000_000


class Sender:
    """A connection whose peer acknowledges all that is out a round trip later, at once."""

    def __init__(self, mode, **settings):
        self.tcp = measured(congestion="newreno", cwnd_validation=mode, hystart=0, moderation=0, **settings)
        self.acked = 1

    def burst(self, segments):
        """So many are written at once. How many leave at once."""
        self.tcp.send(segments * 1000)
        return len(self.tcp.take())

    def answer(self):
        """All that is out is acknowledged. What leaves then."""
        self.tcp.after(ms=100)
        self.acked += self.out
        self.tcp.rx(f". 1:1(0) ack {self.acked} win 65535")
        return len(self.tcp.take())

    @property
    def out(self):
        k = self.tcp.snapshot()
        return (k["snd_max"] - k["snd_una"]) & 0xFFFFFFFF

    @property
    def held(self):
        return self.tcp.snapshot()["validator"] != 0xFFFFFFFF

    def wait(self, **time):
        self.tcp.after(**time)
        assert self.tcp.take() == []

    def grow(self, to):
        """Slow start until the window is `to` segments or more, and nothing is out."""
        while windows(self.tcp)[0] < to:
            self.burst(windows(self.tcp)[0])
            self.answer()
        while self.out:
            self.answer()
        return windows(self.tcp)[0]


def test_a_window_that_is_filled_grows_alike_in_every_mode():
    grown = []
    for mode in (OFF, RESTART, LINUX, PIPEACK):
        sender = Sender(mode)
        sizes = []
        for _ in range(3):
            sizes.append(sender.burst(windows(sender.tcp)[0]))
            sender.answer()
        grown.append((sizes, windows(sender.tcp)))
    assert grown[0] == ([10, 20, 40], (80, grown[0][1][1]))
    assert grown == [grown[0]] * 4


@pytest.mark.parametrize(("mode", "cwnd"), [(OFF, 40), (RESTART, IW), (LINUX, IW), (PIPEACK, 40)])
def test_after_a_minute_of_silence(mode, cwnd):
    sender = Sender(mode)
    assert sender.grow(40) == 40
    sender.wait(s=60)
    assert sender.burst(50) == cwnd
    assert windows(sender.tcp)[0] == cwnd


# --- Linux ---


@pytest.mark.parametrize(("silence", "cwnd"), [(0.299, 40), (0.301, 20), (0.599, 20), (0.601, IW), (9, IW)])
def test_linux_halves_a_window_for_each_timeout_of_silence(silence, cwnd):
    sender = Sender(LINUX, rto_min=MS300, rto_max=MS300)
    sender.grow(40)
    sender.wait(s=silence - 0.1)            # the last ACK took that long
    assert sender.burst(50) == cwnd


def test_linux_remembers_three_quarters_of_the_window_in_ssthresh():
    sender = Sender(LINUX)
    sender.grow(80)
    lose(sender, 30)
    assert windows(sender.tcp) == (15, 15)
    for _ in range(40):
        sender.burst(windows(sender.tcp)[0])
        sender.answer()
    cwnd, ssthresh = windows(sender.tcp)
    assert cwnd > 40 and ssthresh == 15
    sender.wait(s=60)
    sender.burst(1)
    assert windows(sender.tcp) == (IW, cwnd * 3 // 4)


def test_linux_takes_a_window_that_is_not_full_half_of_the_way_down_to_what_was_out():
    """Nothing new is acknowledged for longer than an RTO, which a loss probe has put off (tcp_cwnd_application_limited)."""
    sender = Sender(LINUX, rto_min=MS300, rto_max=MS300)
    sender.grow(40)
    sender.burst(12)
    sender.tcp.after(ms=100)
    sender.tcp.rx(f". 1:1(0) ack {sender.acked + 1000} win 65535")
    assert len(sender.tcp.watch(ms=299)) == 1       # the probe
    sender.burst(1)
    assert windows(sender.tcp)[0] == 40
    sender.tcp.after(ms=2)
    sender.burst(1)
    assert windows(sender.tcp)[0] == (40 + 13) // 2


def lose(sender, segments):
    """The first segment of a burst is lost, all others arrive; it is sent again, and that arrives."""
    first = sender.acked
    sent = sender.burst(segments)
    sender.tcp.after(ms=100)
    end = first + sent * 1000
    sender.tcp.rx(*[f". 1:1(0) ack {first} win 65535 <sack {first + 1000}:{first + 2000 + 1000 * i}>" for i in range(sent - 1)])
    sender.tcp.take()
    sender.tcp.after(ms=100)
    sender.acked = end
    sender.tcp.rx(f". 1:1(0) ack {end} win 65535")
    sender.tcp.take()
    return sent


# --- RFC 7661 ---


def at_a_third(mode, cwnd=40, used=15):
    """A window of 40 segments, of which 15 are used in each round trip, for longer than samples count."""
    sender = Sender(mode)
    sender.grow(cwnd)
    for _ in range(15):
        sender.burst(used)
        sender.answer()
    assert windows(sender.tcp)[0] == cwnd
    return sender


def test_rfc_7661_growth_wants_a_round_trip_that_used_half_of_the_window():
    grown = {}
    for mode in (OFF, PIPEACK):
        sender = at_a_third(mode)
        assert sender.burst(300) == 40
        grown[mode] = []
        for _ in range(2):
            sender.tcp.after(ms=100)
            end = sender.acked + sender.out
            while sender.acked < end:
                sender.acked = min(end, sender.acked + 10_000)
                sender.tcp.rx(f". 1:1(0) ack {sender.acked} win 65535")
                sender.tcp.take()
            grown[mode].append(windows(sender.tcp)[0])
    assert grown == {OFF: [80, 140], PIPEACK: [50, 100]}


@pytest.mark.parametrize(("mode", "ssthresh"), [(OFF, 4), (PIPEACK, 7)])
def test_rfc_7661_a_loss_leaves_half_of_what_was_used_lately(mode, ssthresh):
    """Eight are out, fifteen were used: (15 - 1) / 2, one being sent again (4.4.1)."""
    sender = at_a_third(mode)
    lose(sender, 8)
    assert windows(sender.tcp) == (ssthresh, ssthresh)


def test_rfc_7661_what_was_sent_again_counts_twice():
    sender = at_a_third(PIPEACK)
    first = sender.acked
    sender.burst(12)
    sender.tcp.after(ms=100)
    for i in range(6):
        sender.tcp.rx(f". 1:1(0) ack {first} win 65535 <sack {first + 6000}:{first + 7000 + 1000 * i}>")
        sender.tcp.take()
    for i in range(1, 6):                   # what is sent again arrives one by one
        sender.tcp.after(ms=20)
        sender.tcp.rx(f". 1:1(0) ack {first + 1000 * i} win 65535 <sack {first + 6000}:{first + 12000}>")
        sender.tcp.take()
    again = sender.tcp.snapshot()["bytes_retrans"] // 1000
    sender.acked = first + 12000
    sender.tcp.rx(f". 1:1(0) ack {sender.acked} win 65535")
    assert again >= 6
    assert windows(sender.tcp)[0] == (15 - again) // 2


def test_rfc_7661_behind_a_recovery_nothing_is_known_and_windows_grow_as_ever():
    sender = at_a_third(PIPEACK, 80, 30)
    lose(sender, 24)
    assert windows(sender.tcp)[0] == 15
    assert sender.burst(60) == 15
    sender.tcp.after(ms=100)
    for _ in range(15):                      # a window's worth, one by one: nobody waits for a round trip that has used it
        sender.acked += 1000
        sender.tcp.rx(f". 1:1(0) ack {sender.acked} win 65535")
        sender.tcp.take()
    assert windows(sender.tcp)[0] == 16


@pytest.mark.parametrize(("minutes", "cwnd"), [(4.9, 40), (5.1, 20), (10.2, 20)])
def test_rfc_7661_a_window_outlives_five_minutes_of_silence_and_no_more(minutes, cwnd):
    sender = Sender(PIPEACK)
    sender.grow(40)
    sender.wait(s=minutes * 60)
    assert sender.burst(50) == cwnd


def test_rfc_7661_five_minutes_of_little_use_halve_it_each_time_down_to_that_of_a_start():
    sender = Sender(PIPEACK)
    sender.grow(40)
    seen = []
    for _ in range(4):
        for _ in range(303):
            sender.burst(2)
            sender.answer()
            sender.wait(ms=900)
        seen.append(windows(sender.tcp)[0])
    assert seen == [20, IW, IW, IW]


# --- What it costs ---


def test_a_connection_holds_a_validator_only_while_its_window_is_larger_than_that_of_a_start():
    sender = Sender(LINUX)
    assert not sender.held
    sender.grow(40)
    assert sender.held
    sender.wait(s=60)
    sender.burst(1)
    assert not sender.held
    sender.answer()
    assert not Sender(RESTART).held


@pytest.mark.parametrize("mode", [LINUX, PIPEACK])
def test_what_it_holds_goes_with_it(mode):
    sender = Sender(mode)
    sender.grow(40)
    memory = sender.tcp.cable.stack.core.statistics()["memory"]
    assert memory["validators"] == 1
    sender.tcp.sock.close()
    sender.tcp.rx(f"R. 1:1(0) ack {sender.acked}")
    memory = sender.tcp.cable.stack.core.statistics()["memory"]
    assert memory["validators"] == 0


def test_a_controller_with_a_window_of_its_own_is_left_alone():
    tcp = measured(congestion="bbr", cwnd_validation=LINUX)
    assert not tcp.snapshot()["timed"] & 16
    tcp = measured(congestion="cubic", cwnd_validation=LINUX)
    assert tcp.snapshot()["timed"] & 16
    tcp.sock.setsockopt(6, 13, b"bbr")
    assert not tcp.snapshot()["timed"] & 16
