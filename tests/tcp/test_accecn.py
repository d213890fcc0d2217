"""AccECN (RFC 9768), segment by segment: the codes of the handshake and what else may come of it, counters in the header and in the option, what is
told when, and what a sender makes of it."""

import pytest

from usnet.testing.packetdrill.info import tcp_info
from usnet.testing.peer import established, listening, syn_sent

ASK, ASK_ECN, ACCEPT = 3, 4, 5
MSS = 1000
FIRST = "<ECN e0b 1 ceb 0 e1b 1>"
NONE = "ECN e1b 1 ceb 0 e0b 1"


def agreed(third="W.", option=FIRST, **kwargs):
    """The peer asked for AccECN, and its handshake is over."""
    tcp = listening(**{"ecn": ACCEPT, "rto_min": 10**9, **kwargs})
    tcp.rx(f"SEWA 0:0(0) <mss {MSS}>")
    tcp.expect(f"[noecn] SW. 0:0(0) ack 1 <mss 1460,{NONE}>" if kwargs.get("ecn_option", 2) else "[noecn] SW. 0:0(0) ack 1 <mss 1460>")
    tcp.rx(f"{third} 1:1(0) ack 1 {option}")
    tcp.accept()
    return tcp


def opening(**kwargs):
    """usnet asks."""
    return syn_sent("[noecn] SEWA", ecn=ASK, **kwargs)


def info(tcp):
    return tcp_info(tcp.sock)


# --- The handshake ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("syn", "answer"),
    [("SEWA", "SW."), ("[ect1] SEWA", "SEW."), ("[ect0] SEWA", "SA."), ("[ce] SEWA", "SWA."), ("SA", "SW."), ("SW", "SW."), ("SEA", "SW.")],
)
def test_the_answer_says_how_the_syn_arrived(syn, answer):
    """Table 2; and what is no code of today counts as AccECN's (section 3.1.2)."""
    tcp = listening(ecn=ACCEPT)
    tcp.rx(f"{syn} 0:0(0)")
    tcp.expect(f"[noecn] {answer} 0:0(0) ack 1")
    assert tcp.counters()["accecn_shs"] == 1


@pytest.mark.parametrize(("mode", "syn", "answer"), [(ACCEPT, "SEW", "SE."), (2, "SEWA", "SE."), (0, "SEWA", "S."), (ACCEPT, "S", "S.")])
def test_who_has_not_both_gets_what_it_has(mode, syn, answer):
    tcp = listening(ecn=mode)
    tcp.rx(f"{syn} 0:0(0)")
    tcp.expect(f"{answer} 0:0(0) ack 1 <mss 1460>")


@pytest.mark.parametrize(
    ("answer", "third", "data"),
    [
        ("S.", ".", "[noecn] P."), ("SEWA.", ".", "[noecn] P."),                        # no ECN, and what copies all flags
        ("SE.", ".", "[ect0] P."), ("SEA.", ".", "[ect0] P."),                          # RFC 3168
        ("SW.", "W.", "[ect0] PEA."), ("[ect1] SW.", "EW.", "[ect0] PEA."),             # AccECN: how the answer arrived
        ("[ect0] SW.", "A.", "[ect0] PEA."), ("[ce] SW.", "WA.", "[ect0] PWA."),
    ],
)  # fmt: skip
def test_what_a_client_makes_of_the_answer(answer, third, data):
    tcp = opening()
    tcp.rx(f"{answer} 0:0(0) ack 1 <mss {MSS},{NONE}>")
    tcp.expect(f"[noecn] {third} 1:1(0) ack 1")
    tcp.send(10)
    tcp.expect(f"{data} 1:11(10) ack 1")


def test_a_client_may_ask_for_ecn_alone():
    syn_sent("[noecn] SEW", ecn=ASK_ECN)


def test_the_third_syn_asks_no_more():
    tcp = opening()
    tcp.at(s=1)
    tcp.expect("SEWA 0:0(0)")
    tcp.at(s=3)
    tcp.expect("S 0:0(0)")


def test_the_second_answer_goes_without_the_option_and_the_third_without_all_of_it():
    tcp = listening(ecn=ACCEPT)
    tcp.rx("SEWA 0:0(0)")
    tcp.expect(f"SW. 0:0(0) ack 1 <mss 1460,{NONE}>")
    tcp.at(s=1)
    tcp.expect("SW. 0:0(0) ack 1 <mss 1460>")
    tcp.at(s=3)
    tcp.expect("S. 0:0(0) ack 1 <mss 1460>")


@pytest.mark.parametrize("third", [".", "A.", "EW."])
def test_an_answer_that_was_changed_on_its_way_ends_marking(third):
    """It left as Not-ECT: nothing but that may have arrived. What arrives is counted all the same."""
    tcp = agreed(third)
    tcp.send(MSS)
    tcp.expect(f"[noecn] PEA. 1:{MSS + 1}({MSS}) ack 1")
    tcp.rx(f"[ce] . 1:11(10) ack {MSS + 1}")
    tcp.expect(f"[noecn] WA. {MSS + 1}:{MSS + 1}(0) ack 11")
    assert tcp.counters()["accecn_fails"] == 1
    assert info(tcp)["accecn_fail_mode"] == 2


def test_that_check_can_be_switched_off():
    tcp = agreed("WA.", ecn_fallback=0)
    assert info(tcp)["delivered_ce"] == 1
    tcp.send(10)
    tcp.expect("[ect0] PEA. 1:11(10) ack 1")


def test_a_syn_whose_field_was_changed_ends_the_clients_marking():
    tcp = opening()
    tcp.rx(f"SA. 0:0(0) ack 1 <mss {MSS}>")
    tcp.expect("[noecn] W. 1:1(0) ack 1")
    tcp.send(10)
    tcp.expect("[noecn] PEA. 1:11(10) ack 1")


def test_a_cookie_remembers_ecn_at_most():
    tcp = listening(ecn=ACCEPT, syncookies=2)
    tcp.timestamps = True
    tcp.rx("SEWA 0:0(0) <mss 1000,TS>")
    tcp.expect("SE. 0:0(0) ack 1")


# --- Who receives ----------------------------------------------------------------------------------------------------------------


def test_counters_of_packets_and_bytes():
    """Each change is told at once, in the header modulo 8 and in the option."""
    tcp = agreed()
    for i, (field, ace, counts) in enumerate(
        [
            ("ce", "WA.", (1, 1000, 1)), ("ect0", "WA.", (1, 1000, 1001)), ("ce", "EWA.", (1, 2000, 1001)),
            ("ect1", "EWA.", (1001, 2000, 1001)), ("ce", ".", (1001, 3000, 1001)), ("ect0", ".", (1001, 3000, 2001)),
        ]
    ):  # fmt: skip
        e1, ce, e0 = counts
        tcp.rx(f"[{field}] P. {i * MSS + 1}:{(i + 1) * MSS + 1}({MSS}) ack 1 {FIRST}")
        tcp.expect(f"[noecn] {ace} 1:1(0) ack {(i + 1) * MSS + 1} <ECN e1b {e1} ceb {ce} e0b {e0}>")
    told = info(tcp)
    assert [told["received_ce"], *(told[f"received_{name}_bytes"] for name in ("e1", "e0", "ce"))] == [3, 1000, 2000, 3000]
    assert tcp.counters()["ecn_ce"] == 3


def test_marks_on_acks_count_packets_alone():
    tcp = agreed()
    tcp.rx("[ce] EA. 1:1(0) ack 1", "[ce] EA. 1:1(0) ack 1")
    tcp.send(10)
    tcp.expect(f"[ect0] PEWA. 1:11(10) ack 1 <{NONE}>")


def test_three_marks_do_not_wait():
    """ACKs with CE that nothing answers are told of before the field comes round (section 3.2.2.5)."""
    tcp = agreed()
    tcp.rx("[ce] EA. 1:1(0) ack 1", "[ce] EA. 1:1(0) ack 1", "[ce] EA. 1:1(0) ack 1")
    tcp.expect("[noecn] . 1:1(0) ack 1")


def test_what_does_not_change_waits_as_ever():
    tcp = agreed()
    tcp.rx("[ect0] EAP. 1:11(10) ack 1")
    tcp.expect("EA. 1:1(0) ack 11")
    tcp.rx("[ect0] EAP. 11:21(10) ack 1")
    tcp.expect_nothing()
    tcp.after(ms=40)
    tcp.expect("EA. 1:1(0) ack 21 <ECN e1b 1 ceb 0 e0b 21>")


def test_the_option_leaves_room_for_what_is_missing():
    """With three blocks of SACK and ECT(1), whose counter comes first, two blocks and two counters."""
    tcp = listening(ecn=ACCEPT)
    tcp.rx(f"SEWA 0:0(0) <mss {MSS},sackOK,TS>")
    tcp.expect("SW. 0:0(0) ack 1")
    tcp.timestamps = True
    tcp.rx("W. 1:1(0) ack 1 <TS,ECN e0b 1 ceb 0 e1b 1>")
    tcp.accept()
    tcp.rx(f"[ect1] EA. {MSS + 1}:{2 * MSS + 1}({MSS}) ack 1")
    tcp.expect(f"EA. 1:1(0) ack 1 <TS,ECN e1b {MSS + 1} ceb 0 e0b 1,sack {MSS + 1}:{2 * MSS + 1}>")
    tcp.rx(f"[ect1] EA. {3 * MSS + 1}:{4 * MSS + 1}({MSS}) ack 1")
    tcp.expect(f"EA. 1:1(0) ack 1 <TS,ECN e1b {2 * MSS + 1} ceb 0,sack {3 * MSS + 1}:{4 * MSS + 1} {MSS + 1}:{2 * MSS + 1}>")
    tcp.rx(f"[ect1] EA. {5 * MSS + 1}:{6 * MSS + 1}({MSS}) ack 1")
    tcp.expect(f"EA. 1:1(0) ack 1 <TS,ECN e1b {3 * MSS + 1} ceb 0,sack {5 * MSS + 1}:{6 * MSS + 1} {3 * MSS + 1}:{4 * MSS + 1}>")


@pytest.mark.parametrize("setting", [0, 1])
def test_fewer_options(setting):
    """0: none. 1: behind changes, twice, and some a round trip."""
    tcp = agreed(ecn_option=setting, option=FIRST if setting else "", ecn_option_beacon=0)
    seen = []
    for i, field in enumerate(["ce", "ce", "ect0", "ect0", "ect0", "ect0", "ect0", "ect0"]):
        tcp.rx(f"[{field}] EAP. {2 * i * MSS + 1}:{2 * i * MSS + MSS + 1}({MSS}) ack 1",
               f"[{field}] EAP. {2 * i * MSS + MSS + 1}:{2 * i * MSS + 2 * MSS + 1}({MSS}) ack 1")
        seen += ["ECN" in s.options for s in tcp.take()]
    assert seen[-3:] == [False] * 3
    assert any(seen) == bool(setting)


def test_no_option_where_the_peer_has_shown_none():
    tcp = agreed(option="")
    tcp.rx("[ce] EAP. 1:11(10) ack 1")
    tcp.expect("WA. 1:1(0) ack 11 <>")


def test_what_is_sent_again_goes_without_the_option():
    tcp = agreed()
    tcp.send(10)
    tcp.expect(f"[ect0] PEA. 1:11(10) ack 1 <{NONE}>")
    tcp.at(s=1)
    tcp.expect("[noecn] PEA. 1:11(10) ack 1 <>")


# --- Who sends -------------------------------------------------------------------------------------------------------------------


def cwnd(tcp):
    return tcp.snapshot()["cc"]["cwnd"]


def test_one_reduction_for_the_marks_of_a_window_and_no_cwr():
    tcp = agreed()
    tcp.send(20 * MSS)
    assert [s.ecn for s in tcp.take()] == [2] * 10
    before = cwnd(tcp)
    tcp.rx(f"EA. 1:1(0) ack {MSS + 1}")
    assert cwnd(tcp) > before
    tcp.take()
    before = cwnd(tcp)
    tcp.rx(f"WA. 1:1(0) ack {2 * MSS + 1}")
    after = cwnd(tcp)
    assert before // 2 // MSS * MSS <= after < before
    tcp.rx(f"EWA. 1:1(0) ack {3 * MSS + 1}", f". 1:1(0) ack {4 * MSS + 1}")
    assert cwnd(tcp) == after
    assert info(tcp)["delivered_ce"] == 3
    assert not any("W" in s.flags for s in tcp.take())
    assert tcp.counters()["ecn_rcwnd"] == 1


def test_the_field_comes_round():
    """Five, then six more marks: 5 + 5 and 5 + 11, modulo 8."""
    tcp = agreed(ecn_option=0, option="")
    tcp.send(20 * MSS)
    tcp.take()
    tcp.rx(f"W. 1:1(0) ack {6 * MSS + 1}")
    assert info(tcp)["delivered_ce"] == 5
    tcp.take()
    tcp.rx(f". 1:1(0) ack {10 * MSS + 1}")
    assert info(tcp)["delivered_ce"] == 11


def test_an_ack_of_many_takes_all_that_could_be_for_marked_unless_bytes_say_otherwise():
    tcp = agreed(ecn_option=0, option="")
    tcp.send(10 * MSS)
    tcp.take()
    tcp.rx(f"WA. 1:1(0) ack {10 * MSS + 1}")
    assert info(tcp)["delivered_ce"] == 9           # 1, or 1 + 8
    for told, marked in ((1000, 1), (8500, 9)):
        tcp = agreed()
        tcp.send(10 * MSS)
        tcp.take()
        tcp.rx(f"WA. 1:1(0) ack {10 * MSS + 1} <ECN e0b {10 * MSS + 1 - told} ceb {told} e1b 1>")
        assert info(tcp)["delivered_ce"] == marked
        assert (info(tcp)["delivered_e0_bytes"], info(tcp)["delivered_ce_bytes"]) == (10 * MSS - told, told)


def test_an_ack_of_nothing_new_may_be_an_older_one():
    tcp = agreed()
    tcp.send(4 * MSS)
    tcp.take()
    tcp.rx(f"EA. 1:1(0) ack {2 * MSS + 1}", f"WA. 1:1(0) ack {2 * MSS + 1} win 65000")
    assert info(tcp)["delivered_ce"] == 0


def test_an_option_wiped_out_is_not_believed():
    tcp = agreed(option="<ECN e0b 0 ceb 0 e1b 0>")
    assert info(tcp)["accecn_fail_mode"] == 8
    assert info(tcp)["accecn_opt_seen"] == 3
    tcp.send(10 * MSS)
    tcp.take()
    tcp.rx(f"EA. 1:1(0) ack {10 * MSS + 1} <ECN e0b 0 ceb 9000 e1b 0>")
    assert info(tcp)["delivered_ce_bytes"] == 0


def test_large_frames_are_not_built_of_it():
    """CWR, a bit of the counter here, would stay with the first of them alone."""
    tcp = agreed(offload=True)
    tcp.send(4 * MSS)
    assert [s.length for s in tcp.take()] == [MSS] * 4


def test_it_outlives_rest():
    tcp = agreed(working_set=0)
    tcp.rx("[ce] EAP. 1:11(10) ack 1")
    tcp.expect("WA. 1:1(0) ack 11")
    tcp.recv()
    tcp.after(s=10)
    assert tcp.cable.memory()["awake"] == 1            # the listener
    tcp.send(10)
    tcp.expect("[ect0] PWA. 1:11(10) ack 11 <ECN e1b 1 ceb 10 e0b 1>")
    tcp.close()


def test_nothing_is_left_of_it():
    tcp = agreed()
    tcp.close()
    tcp.take()
    tcp.rx("FEA. 1:1(0) ack 2")
    tcp.take()
    tcp.after(s=120)
    assert tcp.state is None


def test_without_an_agreement_the_option_means_nothing():
    tcp = established(mss=MSS)
    tcp.rx(f"[ce] P. 1:11(10) ack 1 {FIRST}")
    tcp.after(ms=40)
    tcp.expect(". 1:1(0) ack 11 <>")


def test_an_option_that_is_struck_out_from_some_time_on_leaves_the_worst_to_be_believed():
    """Section 3.2.3.2.3: bytes tell as long as they come; without them all that could be were marked; and with them again what they say."""
    tcp = agreed(congestion="none")
    tcp.send(40 * MSS)
    tcp.take()
    tcp.rx(f"WA. 1:1(0) ack {10 * MSS + 1} <ECN e0b {9 * MSS + 1} ceb {MSS} e1b 1>")
    assert info(tcp)["delivered_ce"] == 1
    tcp.rx(f"EWA. 1:1(0) ack {20 * MSS + 1}")
    assert info(tcp)["delivered_ce"] == 10          # 2, or 2 + 8
    tcp.take()
    tcp.rx(f". 1:1(0) ack {21 * MSS + 1} <ECN e0b {10 * MSS + 1} ceb {11 * MSS} e1b 1>")
    assert info(tcp)["delivered_ce"] == 11
    assert tcp.counters()["accecn_fails"] == 0
