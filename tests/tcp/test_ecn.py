"""ECN by RFC 3168, segment by segment: who agrees to it, which segments are ECT(0), how a mark is echoed and answered."""

import pytest

from usnet.testing.packetdrill.info import tcp_info
from usnet.testing.peer import established, listening, syn_sent

OFF, ASK, ACCEPT = range(3)
MSS = 1000
SECOND = 10**9


def asked(**kwargs):
    """The peer asked for ECN, and its handshake is over."""
    tcp = listening(**{"rto_min": SECOND, **kwargs})
    tcp.rx(f"SEW 0:0(0) <mss {MSS}>")
    tcp.expect("[noecn] SE. 0:0(0) ack 1")
    tcp.rx(". 1:1(0) ack 1")
    tcp.accept()
    return tcp


def info(tcp):
    return tcp_info(tcp.sock)


# --- The handshake ---------------------------------------------------------------------------------------------------------------


def test_a_peer_that_asks_is_agreed_with_by_default():
    tcp = asked()
    assert tcp.counters()["ecn_shs"] == 1
    assert info(tcp)["options"] & 24 == 8


@pytest.mark.parametrize("syn", ["S 0:0(0)", "SE 0:0(0)", "SW 0:0(0)", "[ect0] SEW 0:0(0)", "[ce] SEW 0:0(0)"])
def test_nothing_else_is_a_question(syn):
    """A SYN that arrives marked went through something that does not know what it does."""
    tcp = listening(ecn=ASK)
    tcp.rx(syn)
    tcp.expect("S. 0:0(0) ack 1")


def test_nobody_is_agreed_with_where_it_is_off():
    tcp = listening(ecn=OFF)
    tcp.rx("SEW 0:0(0)")
    tcp.expect("S. 0:0(0) ack 1")


@pytest.mark.parametrize("mode", [OFF, ACCEPT])
def test_a_client_does_not_ask_by_itself(mode):
    syn_sent(ecn=mode)


def opening(**kwargs):
    """usnet asks."""
    return syn_sent("[noecn] SEW", ecn=ASK, **kwargs)


@pytest.mark.parametrize(("answer", "agreed"), [("SE.", True), ("S.", False), ("SW.", False), ("SEW.", False)])
def test_the_answer_decides(answer, agreed):
    """Both flags in the answer are a copy of the question."""
    tcp = opening()
    tcp.rx(f"{answer} 0:0(0) ack 1 <mss {MSS}>")
    tcp.expect("[noecn] . 1:1(0) ack 1")
    tcp.send(10)
    tcp.expect(f"{'[ect0]' if agreed else '[noecn]'} P. 1:11(10) ack 1")


def test_a_syn_that_nobody_answers_asks_no_more():
    tcp = opening()
    tcp.at(s=1)
    tcp.expect("[noecn] S 0:0(0)")
    tcp.rx(f"SE. 0:0(0) ack 1 <mss {MSS}>")        # the first one arrived after all
    tcp.expect(". 1:1(0) ack 1")
    tcp.send(10)
    tcp.expect("[ect0] P. 1:11(10) ack 1")


def test_how_often_it_asks_is_a_setting():
    tcp = opening(ecn_retries=1)
    tcp.at(s=1)
    tcp.expect("SEW 0:0(0)")
    tcp.at(s=3)
    tcp.expect("S 0:0(0)")


@pytest.mark.parametrize(("flags", "agreed"), [("SEW", True), ("S", False)])
def test_both_ask_at_once(flags, agreed):
    tcp = opening()
    tcp.rx(f"{flags} 0:0(0) <mss {MSS}>")
    tcp.expect(f"{'SE.' if agreed else 'S.'} 0:0(0) ack 1")
    tcp.rx(". 1:1(0) ack 1")
    tcp.send(10)
    tcp.expect(f"{'[ect0]' if agreed else '[noecn]'} P. 1:11(10) ack 1")


@pytest.mark.parametrize("stamps", [True, False])
def test_a_cookie_remembers_it_where_there_are_timestamps(stamps):
    tcp = listening(syncookies=2)
    tcp.timestamps = stamps
    tcp.rx(f"SEW 0:0(0) <mss {MSS}{',TS' if stamps else ''}>")
    tcp.expect(f"{'SE.' if stamps else 'S.'} 0:0(0) ack 1")
    tcp.rx(". 1:1(0) ack 1")
    tcp.accept()
    tcp.send(10)
    tcp.expect(f"{'[ect0]' if stamps else '[noecn]'} P. 1:11(10) ack 1")


# --- What leaves -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("short", [0, 1])
def test_new_data_is_ect_and_nothing_else(short):
    """Not an ACK, not what is sent again, not a FIN alone, not a probe, not a RST. The short way and the long one agree."""
    tcp = asked(short_way=short)
    tcp.send(MSS)
    tcp.expect(f"[ect0] P. 1:{MSS + 1}({MSS}) ack 1")
    tcp.at(s=1)
    tcp.expect(f"[noecn] P. 1:{MSS + 1}({MSS}) ack 1")
    tcp.rx(f". 1:1(0) ack {MSS + 1}")
    tcp.rx("[ect0] P. 1:11(10)")
    tcp.after(ms=40)
    tcp.expect(f"[noecn] . {MSS + 1}:{MSS + 1}(0) ack 11")
    tcp.rx(f". 11:11(0) ack {MSS + 1} win 0")
    tcp.send(5)
    tcp.after(s=2)
    tcp.expect(f"[noecn] P. {MSS + 1}:{MSS + 2}(1) ack 11")    # a probe
    tcp.rx(f". 11:11(0) ack {MSS + 1} win 1000")
    tcp.expect(f"[noecn] P. {MSS + 1}:{MSS + 6}(5) ack 11")     # partly sent before
    tcp.rx(f". 11:11(0) ack {MSS + 6}")
    tcp.sock.shutdown(1)
    tcp.expect(f"[noecn] F. {MSS + 6}:{MSS + 6}(0) ack 11")


def test_the_program_has_the_other_six_bits():
    tcp = asked()
    tcp.sock.setsockopt(0, 1, 0xB9)
    assert tcp.sock.getsockopt(0, 1) == 0xB8
    tcp.sock.send(b"x")
    assert [frame[15] for frame, _ in tcp.cable.wire.receive(meta=True)] == [0xBA]


def test_a_large_frame_is_ect_and_its_first_segment_has_cwr():
    tcp = asked(offload=True)
    tcp.sock.setsockopt(6, 1, 1)
    tcp.send(4 * MSS)
    tcp.expect(f"[ect0] P. 1:{4 * MSS + 1}({4 * MSS}) ack 1")
    tcp.rx(f"E. 1:1(0) ack {2 * MSS + 1}")
    tcp.send(4 * MSS)
    tcp.rx(f". 1:1(0) ack {4 * MSS + 1}")
    tcp.cable.run()
    tcp.cable.metas.clear()
    seen = tcp.take()
    assert "W" in seen[0].flags
    assert not any("W" in s.flags for s in seen[1:])


# --- Who receives ----------------------------------------------------------------------------------------------------------------


def test_a_mark_is_echoed_until_the_sender_has_slowed_down():
    tcp = asked()
    tcp.rx(f"[ect0] . 1:{MSS + 1}({MSS})")
    tcp.rx(f"[ce] . {MSS + 1}:{2 * MSS + 1}({MSS})")
    tcp.expect(f"E. 1:1(0) ack {2 * MSS + 1}")
    tcp.rx(f"[ect0] . {2 * MSS + 1}:{3 * MSS + 1}({MSS})")
    tcp.expect(f"E. 1:1(0) ack {3 * MSS + 1}")          # the second of two that do not wait
    tcp.rx(f"[ect0] . {3 * MSS + 1}:{4 * MSS + 1}({MSS})", f"[ect0] . {4 * MSS + 1}:{5 * MSS + 1}({MSS})")
    tcp.expect(f"E. 1:1(0) ack {5 * MSS + 1}")
    tcp.send(10)
    tcp.expect(f"[ect0] PE. 1:11(10) ack {5 * MSS + 1}")
    tcp.rx(f"[ect0] W. {5 * MSS + 1}:{6 * MSS + 1}({MSS}) ack 11")
    tcp.expect(f". 11:11(0) ack {6 * MSS + 1}")
    assert info(tcp)["options"] & 24 == 24
    assert tcp.counters()["ecn_ce"] == 1


def test_a_mark_with_cwr_begins_anew():
    tcp = asked()
    tcp.rx(f"[ce] . 1:{MSS + 1}({MSS})")
    tcp.expect(f"E. 1:1(0) ack {MSS + 1}")
    tcp.rx(f"[ce] W. {MSS + 1}:{2 * MSS + 1}({MSS})")
    tcp.expect(f"E. 1:1(0) ack {2 * MSS + 1}")


def test_a_mark_ahead_of_a_gap_counts_and_one_outside_the_window_does_not():
    tcp = asked()
    tcp.rx("[ce] . 100001:100101(100)")
    tcp.expect("[noecn] . 1:1(0) ack 1")
    tcp.rx(f"[ce] . {MSS + 1}:{2 * MSS + 1}({MSS})")
    tcp.expect("E. 1:1(0) ack 1")


def test_marks_on_empty_segments_mean_nothing():
    tcp = asked()
    tcp.rx("[ce] . 1:1(0) ack 1")
    tcp.rx("[ect0] P. 1:11(10)")
    tcp.after(ms=40)
    tcp.expect(". 1:1(0) ack 11")


def test_without_an_agreement_marks_mean_nothing():
    tcp = established(mss=MSS)
    tcp.rx(f"[ce] E. 1:{MSS + 1}({MSS})", f"[ce] . {MSS + 1}:{2 * MSS + 1}({MSS})")
    tcp.expect(f"[noecn] . 1:1(0) ack {2 * MSS + 1}")
    tcp.send(10)
    tcp.expect("[noecn] P. 1:11(10)".replace("(10)", f"(10) ack {2 * MSS + 1}"))
    assert info(tcp)["options"] & 24 == 0


def test_what_was_sent_again_is_acknowledged_quickly():
    """Not-ECT after ECT: a retransmission, whose sender has little out."""
    tcp = asked()
    tcp.rx("[ect0] P. 1:11(10)")
    tcp.after(ms=40)
    tcp.expect(". 1:1(0) ack 11")
    tcp.rx("[noecn] P. 11:21(10)")
    tcp.expect(". 1:1(0) ack 21")


# --- Who sends -------------------------------------------------------------------------------------------------------------------


def test_one_reduction_for_a_window_of_marks():
    tcp = asked()
    tcp.send(20 * MSS)
    assert len(tcp.take()) == 10
    assert tcp.snapshot()["cc"]["cwnd"] == 10 * MSS
    tcp.rx(f"E. 1:1(0) ack {MSS + 1}")
    assert tcp.snapshot()["cc"]["cwnd"] == 5 * MSS
    assert tcp.snapshot()["cc"]["ssthresh"] == 5 * MSS
    tcp.expect_nothing()                    # nine are out
    for i in range(2, 7):
        tcp.rx(f"E. 1:1(0) ack {i * MSS + 1}")
    assert tcp.snapshot()["cc"]["cwnd"] == 5 * MSS
    tcp.expect(f"[ect0] W. {10 * MSS + 1}:{11 * MSS + 1}({MSS}) ack 1")
    tcp.rx(f"E. 1:1(0) ack {7 * MSS + 1}")
    tcp.expect(f"[ect0] . {11 * MSS + 1}:{12 * MSS + 1}({MSS}) ack 1")
    tcp.rx(f"E. 1:1(0) ack {10 * MSS + 1}")
    tcp.take()
    assert tcp.snapshot()["cc"]["cwnd"] == 5 * MSS          # what CWR was sent with is not acknowledged
    assert tcp.counters()["ecn_rcwnd"] == 1
    tcp.rx(f"E. 1:1(0) ack {11 * MSS + 1}")                 # marked behind it: again
    assert tcp.counters()["ecn_rcwnd"] == 2
    assert tcp.snapshot()["cc"]["cwnd"] < 4 * MSS
    assert info(tcp)["delivered_ce"] == 11


def test_cwr_stands_on_new_data_alone():
    tcp = asked()
    tcp.send(2 * MSS)
    tcp.take()
    tcp.rx(f"E. 1:1(0) ack {MSS + 1}")
    tcp.after(s=1)
    tcp.expect(f"[noecn] P. {MSS + 1}:{2 * MSS + 1}({MSS}) ack 1")       # sent again
    tcp.rx(f". 1:1(0) ack {2 * MSS + 1}")
    tcp.rx("[ect0] P. 1:11(10)")
    tcp.after(ms=40)
    tcp.expect(f". {2 * MSS + 1}:{2 * MSS + 1}(0) ack 11")
    tcp.send(MSS)
    tcp.expect(f"[ect0] PW. {2 * MSS + 1}:{3 * MSS + 1}({MSS}) ack 11")
    tcp.rx(f". 11:11(0) ack {3 * MSS + 1}")
    tcp.send(MSS)
    tcp.expect(f"[ect0] P. {3 * MSS + 1}:{4 * MSS + 1}({MSS}) ack 11")


def test_a_timeout_is_told_of_too_and_marks_behind_it_change_nothing():
    tcp = asked()
    tcp.send(4 * MSS)
    tcp.take()
    tcp.at(s=1)
    tcp.expect(f"[noecn] . 1:{MSS + 1}({MSS}) ack 1")
    tcp.rx(f"E. 1:1(0) ack {MSS + 1}")
    assert tcp.counters()["ecn_rcwnd"] == 0
    tcp.take()
    tcp.rx(f". 1:1(0) ack {4 * MSS + 1}")
    tcp.send(MSS)
    tcp.expect(f"[ect0] PW. {4 * MSS + 1}:{5 * MSS + 1}({MSS}) ack 1")


def test_a_loss_is_told_of_too():
    tcp = asked()
    tcp.send(10 * MSS)
    tcp.take()
    for _ in range(3):
        tcp.rx(". 1:1(0) ack 1")
    tcp.expect(f"[noecn] . 1:{MSS + 1}({MSS}) ack 1")
    tcp.rx(f"E. 1:1(0) ack {10 * MSS + 1}")
    assert tcp.counters()["ecn_rcwnd"] == 0
    tcp.send(MSS)
    tcp.expect(f"[ect0] PW. {10 * MSS + 1}:{11 * MSS + 1}({MSS}) ack 1")


def test_it_outlives_rest():
    """An idle connection in its record is ECT when it wakes, and still owes CWR."""
    tcp = asked(working_set=0)
    tcp.rx(f"[ce] P. 1:{MSS + 1}({MSS})")
    tcp.expect(f"E. 1:1(0) ack {MSS + 1}")
    tcp.recv()
    tcp.send(MSS)
    tcp.expect(f"[ect0] PE. 1:{MSS + 1}({MSS}) ack {MSS + 1}")
    tcp.rx(f"E. {MSS + 1}:{MSS + 1}(0) ack {MSS + 1}")
    tcp.after(s=5)
    assert tcp.cable.memory()["awake"] == 1            # the listener
    tcp.send(MSS)
    tcp.expect(f"[ect0] PEW. {MSS + 1}:{2 * MSS + 1}({MSS}) ack {MSS + 1}")


def test_a_mark_costs_less_than_a_loss_by_rfc_8511():
    tcp = asked(abe=1)
    tcp.send(10 * MSS)
    tcp.take()
    tcp.rx(f"E. 1:1(0) ack {MSS + 1}")
    assert tcp.snapshot()["cc"]["ssthresh"] == tcp.snapshot()["cc"]["cwnd"] == 8 * MSS


@pytest.mark.parametrize("short", [0, 1])
def test_packets_are_counted_by_their_field(short):
    """Linux's InNoECTPkts, InECT1Pkts, InECT0Pkts, InCEPkts; those of other protocols too."""
    tcp = asked(short_way=short)
    for field, n in (("noecn", 1), ("ect1", 2), ("ect0", 3), ("ce", 4)):
        for _ in range(n):
            tcp.rx(f"[{field}] . 1:1(0) ack 1")
    tcp.cable.put(17, bytes(8), 0, tos=1)
    tcp.cable.run()
    ip = tcp.cable.statistics()["ip"]
    assert [ip[name] for name in ("in_no_ect_pkts", "in_ect1_pkts", "in_ect0_pkts", "in_ce_pkts")] == [3, 3, 3, 4]
