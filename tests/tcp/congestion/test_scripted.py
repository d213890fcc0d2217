"""Controllers written in Python: called as the others are, taken at their word within limits, and the end of a connection when they raise."""

import errno
import itertools
import socket

import pytest

from tests.tcp.congestion.worlds import dumbbell
from usnet.tcp.congestion.ops import Controller
from usnet.tcp.congestion.registry import available
from usnet.tcp.congestion.scripted import PythonController, failures, register
from usnet.testing.peer import established

NUMBERS = itertools.count()


def registered(controller):
    name = f"test{next(NUMBERS)}"
    register(name, controller)
    return name


class Steady(PythonController):
    """Three segments, whatever comes."""

    def start(self):
        self.cwnd = 3 * self.mss

    def on_ack(self, acked):
        self.seen = (acked, self.now, self.srtt)

    def on_loss(self, flight):
        pass


def test_it_decides_how_much_may_fly():
    name = registered(Steady)
    assert name in available()
    tcp = established(mss=1000, congestion=name)
    tcp.send(10_000)
    assert len(tcp.take()) == 3
    tcp.rx(". 1:1(0) ack 3001 win 65535")
    assert len(tcp.take()) == 3


def test_calls_arrive_and_what_cannot_be_is_bounded():
    class Extreme(PythonController):
        def on_ack(self, acked):
            self.cwnd, self.ssthresh = 1 << 40, -5

        def on_loss(self, flight):
            self.cwnd = 0

    controller = Controller(registered(Extreme))
    assert controller.start(1000) == 10_000
    assert controller.ack(1000, now=5, srtt=7) == 1 << 30
    assert controller.state["ssthresh"] == 2000
    assert controller.loss(5000) == 1000
    assert controller.rto(5000) == 1000


def test_samples_come_where_they_are_asked_for():
    told = []

    class Watching(PythonController):
        def on_rate(self, sample):
            told.append(sample)

    tcp = established(mss=1000, congestion=registered(Watching))
    tcp.send(3000)
    tcp.take()
    tcp.after(ms=10)
    tcp.rx(". 1:1(0) ack 3001 win 65535")
    assert told[-1]["acked"] == told[-1]["delivered"] == 3000
    assert told[-1]["interval"] == told[-1]["rtt"] == 10_000_000
    assert told[-1]["app_limited"]


@pytest.mark.parametrize("where", ["start", "on_ack"])
def test_an_exception_ends_the_connection_and_is_told(where):
    class Broken(PythonController):
        pass

    setattr(Broken, where, lambda *arguments: 1 // 0)
    failures()
    tcp = established(mss=1000, congestion=registered(Broken))
    tcp.send(30_000)
    tcp.take()
    if where == "on_ack":
        tcp.rx(". 1:1(0) ack 2001 win 65535")
        tcp.take()
    with pytest.raises(OSError) as told:
        tcp.sock.recv(1)
    assert told.value.errno == errno.ECONNABORTED
    assert [type(error) for error in failures()] == [ZeroDivisionError]
    assert failures() == []


def test_names_are_taken_once():
    name = registered(Steady)
    for taken in (name, "cubic", "", "a-name-of-more-than-fifteen"):
        with pytest.raises(ValueError, match="is no name for a congestion controller, or is taken"):
            register(taken, Steady)


def test_a_live_connection_may_get_one_and_lose_it():
    tcp = established(mss=1000)
    name = registered(Steady)
    tcp.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name.encode())
    tcp.send(30_000)
    assert len(tcp.take()) == 3
    tcp.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"newreno")
    tcp.rx(". 1:1(0) ack 3001 win 65535")
    assert len(tcp.take()) > 3


def test_one_that_does_as_newreno_fills_a_way():
    class Halving(PythonController):
        acked = 0

        def on_ack(self, acked):
            if self.cwnd < self.ssthresh:
                self.cwnd += min(acked, 2 * self.mss)
                return
            self.acked += acked
            if self.acked >= self.cwnd:
                self.acked -= self.cwnd
                self.cwnd += self.mss

    assert dumbbell([registered(Halving)], seconds=10)[0] > 17 * 125_000
