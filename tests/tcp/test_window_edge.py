"""A peer that has filled our window, with a gap at its beginning, still acknowledges: its empty segments lie right behind the window."""
import pytest

from usnet.testing.peer import established

FULL = 4000


@pytest.fixture
def tcp():
    """The window is 1:4001; all but its first 1000 bytes have arrived."""
    tcp = established(mss=1000, rcvbuf=FULL)
    for start in range(1001, FULL, 1000):
        tcp.rx(f". {start}:{start + 1000}(1000) ack 1")
        tcp.expect(". 1:1(0) ack 1")
    return tcp


def test_what_it_acknowledges_is_not_sent_again(tcp):
    tcp.send(1000)
    tcp.expect("P. 1:1001(1000) ack 1")
    tcp.rx(f". {FULL + 1}:{FULL + 1}(0) ack 1001")
    assert tcp.snapshot()["snd_una"] == tcp.snapshot()["snd_max"]
    tcp.at(ms=5000)
    tcp.expect_nothing()


def test_its_window_counts(tcp):
    tcp.rx(f". {FULL + 1}:{FULL + 1}(0) ack 1 win 0")
    tcp.send(1000)
    tcp.expect_nothing()


@pytest.mark.parametrize("segment", ["R {0}:{0}(0)", ". {1}:{1}(0) ack 1001", ". {0}:{1}(1) ack 1001"])
def test_no_reset_and_nothing_further_behind_counts(tcp, segment):
    tcp.send(1000)
    tcp.expect("P. 1:1001(1000) ack 1")
    tcp.rx(segment.format(FULL + 1, FULL + 2))
    assert tcp.state == "ESTABLISHED"
    assert tcp.snapshot()["snd_max"] - tcp.snapshot()["snd_una"] == 1000
