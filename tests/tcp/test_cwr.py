"""Marks where losses are found by time (CWR of Linux's states): cwnd comes down by PRR (RFC 9937), once for a window (RFC 3168, section 6.1.2)."""

import pytest

from tests.tcp.recovering import sent, windows
from usnet.testing.packetdrill.info import tcp_info
from usnet.testing.peer import Tcp, listening

MSS = 1000
OPEN, DISORDER, CWR, RECOVERY, LOSS = range(5)


def marked(n=40, out=10, *, sack=True, **kwargs) -> Tcp:
    """As recovering.flying, with ECN: n full segments were written, and as many as may be are out."""
    tcp = listening(recovery=1, dsack=1, **kwargs)
    tcp.rx(f"SEW 0:0(0) <mss {MSS}{',sackOK' if sack else ''}>")
    tcp.expect("SE. 0:0(0) ack 1")
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 1")
    tcp.accept()
    tcp.send(n * MSS)
    assert len(tcp.take()) == out
    tcp.after(ms=100)
    return tcp


def phase(tcp) -> int:
    return tcp_info(tcp.sock)["ca_state"]


def ack(tcp, n, flags="", sack=None) -> list[int]:
    """All before segment n is acknowledged. Where the segments begin that leave then."""
    blocks = "".join(f" <sack {sack[0] * MSS + 1}:{sack[1] * MSS + 1}>" if sack else "")
    tcp.rx(f"{flags}. 1:1(0) ack {n * MSS + 1}{blocks}")
    return sent(tcp)


def test_cwnd_comes_down_by_half_of_what_is_delivered():
    """Every second ACK lets a segment out, from the first on, instead of none for half a window; then cwnd is ssthresh."""
    tcp = marked()
    assert ack(tcp, 1, "E") == [10001]
    assert windows(tcp) == (10, 5)
    assert phase(tcp) == CWR
    assert [len(ack(tcp, n, "E")) for n in range(2, 11)] == [0, 1, 0, 1, 0, 1, 0, 0, 1]
    assert phase(tcp) == CWR            # what CWR went with is not acknowledged
    tcp.after(ms=100)
    ack(tcp, 11)
    assert windows(tcp) == (5, 5)
    assert phase(tcp) == OPEN
    assert tcp.counters()["ecn_rcwnd"] == 1


def test_the_first_new_segment_carries_cwr_and_no_other():
    tcp = marked()
    tcp.rx(f"E. 1:1(0) ack {MSS + 1}")
    tcp.expect("[ect0] W. 10001:11001(1000) ack 1")
    for n in range(2, 4):
        tcp.rx(f"E. 1:1(0) ack {n * MSS + 1}")
    tcp.expect("[ect0] . 11001:12001(1000) ack 1")


def test_marks_behind_the_episode_begin_another():
    tcp = marked()
    for n in range(1, 11):
        ack(tcp, n, "E")
    tcp.after(ms=100)
    ack(tcp, 11, "E")                   # its CWR has arrived, and it is marked itself
    assert tcp.counters()["ecn_rcwnd"] == 2
    assert phase(tcp) == CWR
    assert windows(tcp)[1] < 5


def test_a_loss_within_it_is_mended_and_does_not_reduce_again():
    tcp = marked()
    ack(tcp, 1, "E")
    for top in (3, 4, 5):
        ack(tcp, 1, "E", (2, top))
    assert phase(tcp) == RECOVERY
    assert windows(tcp)[1] == 5
    assert tcp.counters()["fast_retransmits"] == 1
    assert 1001 in ack(tcp, 1, "E", (2, 10))
    assert tcp.counters()["ecn_rcwnd"] == 1
    tcp.after(ms=100)
    ack(tcp, 11)
    assert phase(tcp) == OPEN
    assert windows(tcp) == (5, 5)


def test_what_turns_out_to_be_no_loss_within_it_brings_nothing_back():
    """Marks are no mistake: a DSACK of all that was sent again undoes no reduction."""
    tcp = marked()
    ack(tcp, 1, "E")
    for top in (3, 4, 5):
        ack(tcp, 1, "E", (2, top))
    tcp.rx(". 1:1(0) ack 6001 <sack 1001:2001>")
    assert windows(tcp)[1] == 5
    assert tcp.counters()["dsack_undos"] == 0


def test_a_timeout_within_it_leaves_ssthresh():
    tcp = marked(10)
    ack(tcp, 1, "E")
    assert windows(tcp)[1] == 5
    while tcp.counters()["rto_count"] == 0:
        tcp.watch(ms=50)
    assert phase(tcp) == LOSS
    assert windows(tcp)[1] == 5


def test_a_mark_within_a_recovery_does_not_reduce_again():
    tcp = marked()
    for top in (2, 3, 4):
        ack(tcp, 0, "", (1, top))
    assert phase(tcp) == RECOVERY
    was = windows(tcp)[1]
    for top in range(5, 11):
        ack(tcp, 0, "E", (1, top))
    assert windows(tcp)[1] == was
    ack(tcp, 10, "E")
    assert windows(tcp)[1] == was
    assert tcp.counters()["ecn_rcwnd"] == 0


def test_a_mark_while_something_is_only_out_of_order_reduces():
    tcp = marked()
    ack(tcp, 0, "", (1, 2))
    assert phase(tcp) == DISORDER
    ack(tcp, 0, "E", (1, 3))
    assert phase(tcp) == CWR
    assert tcp.counters()["ecn_rcwnd"] == 1


def test_where_all_is_acknowledged_it_is_over_and_the_window_small_again():
    tcp = marked(10, working_set=0)
    for n in range(1, 11):
        ack(tcp, n, "E")
    assert phase(tcp) == OPEN
    assert windows(tcp) == (5, 5)
    assert tcp.cable.memory()["awake"] == 1             # it rests: only the listener does not
    tcp.send(MSS)
    tcp.expect("[ect0] PW. 10001:11001(1000) ack 1")
    tcp.rx("E. 1:1(0) ack 10001")      # old news, until CWR has arrived
    ack(tcp, 11)
    assert tcp.counters()["ecn_rcwnd"] == 1


def test_cwnd_does_not_grow_with_the_ack_that_ends_it():
    tcp = marked(congestion="newreno")
    for n in range(1, 11):
        ack(tcp, n, "E")
    tcp.after(ms=100)
    ack(tcp, 15)
    assert tcp.snapshot()["cc"]["cwnd"] == 5 * MSS


def test_less_comes_down_with_rfc_8511():
    """80 % stay with NewReno; PRR lets four of five through."""
    tcp = marked(60, abe=1)
    assert ack(tcp, 1, "E") == [10001]
    assert windows(tcp) == (10, 8)
    assert [len(ack(tcp, n, "E")) for n in range(2, 11)].count(1) >= 6
    tcp.after(ms=100)
    ack(tcp, 11)
    assert windows(tcp) == (8, 8)


@pytest.mark.parametrize(("how", "less"), [({"sack": False}, 5), ({"congestion": "cubic", "sack": False}, 7)])
def test_without_sack_cwnd_comes_down_at_once(how, less):
    tcp = marked(**how)
    assert ack(tcp, 1, "E") == []
    assert windows(tcp) == (less, less)
    assert tcp.counters()["ecn_rcwnd"] == 1


def test_cubic_comes_down_by_less():
    tcp = marked(congestion="cubic")
    ack(tcp, 1, "E")
    assert windows(tcp) == (10, 7)
    assert phase(tcp) == CWR


@pytest.mark.parametrize(("controller", "n", "cwnd"), [("bbr", 2, 11), ("dctcp", 10, 5)])
def test_controllers_that_want_each_mark_see_to_cwnd_themselves(controller, n, cwnd):
    tcp = marked(n, out=n, congestion=controller, abe=1)
    ack(tcp, 1, "E")
    assert phase(tcp) == OPEN
    assert tcp.counters()["ecn_rcwnd"] == 1
    assert windows(tcp)[0] == cwnd


def test_a_window_that_cannot_come_down_begins_no_episode():
    tcp = marked(out=40, congestion="none")
    ack(tcp, 1, "E")
    assert phase(tcp) == OPEN
