"""Loss recovery with SACK: RFC 6675, and what RFC 2018 says about peers that take back what they reported."""

import pytest

from usnet.testing.peer import established


def in_flight(n=10, mss=1000, **kwargs):
    """n full segments are out; a segment's number k stands for bytes 1000 k + 1 to 1000 k + 1000."""
    tcp = established(mss=mss, sack=True, **kwargs)
    tcp.send(n * mss)
    assert len(tcp.take()) == n
    return tcp


def wider(n=20, **kwargs):
    """n segments out, more than the initial window."""
    tcp = established(mss=1000, sack=True, **kwargs)
    tcp.send(10000 + n * 1000)
    assert len(tcp.take()) == 10
    tcp.rx(*[f". 1:1(0) ack {1 + 1000 * i}" for i in range(1, 11)])
    assert len(tcp.take()) == n
    return tcp


def window(tcp):
    return tcp.snapshot()["cc"]["cwnd"] // 1000


def boards(tcp):
    return tcp.cable.memory()["scoreboards"]


def test_three_reports_resend_the_first_segment_and_new_data_goes_before():
    """Limited transmit (step 3), then entry (step 4)."""
    tcp = in_flight()
    tcp.send(5000)
    tcp.rx(". 1:1(0) ack 1 <sack 1001:2001>")
    tcp.expect(". 10001:11001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 1 <sack 1001:3001>")
    tcp.expect(". 11001:12001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 1 <sack 1001:4001>")
    tcp.expect(". 1:1001(1000) ack 1")
    assert tcp.counters()["fast_retransmits"] == 1
    assert tcp.snapshot()["cc"]["ssthresh"] == tcp.snapshot()["cc"]["cwnd"] == 5000


def test_one_report_of_enough_is_a_loss_without_three_duplicates():
    """IsLost: more than two full segments above."""
    tcp = in_flight()
    tcp.rx(". 1:1(0) ack 1 <sack 1001:3001>")
    tcp.expect_nothing()
    tcp = in_flight(seed=2)
    tcp.rx(". 1:1(0) ack 1 <sack 1001:3002>")
    tcp.expect(". 1:1001(1000) ack 1")
    tcp = in_flight(seed=3)
    tcp.rx(". 1:1(0) ack 1 <sack 1001:1100 2001:2100 3001:3100>")
    tcp.expect(". 1:1001(1000) ack 1")


def test_a_report_in_a_segment_with_data_counts():
    """RFC 6675, section 2: whatever else the ACK does."""
    tcp = in_flight()
    tcp.rx("P. 1:2(1) ack 1 <sack 1001:4001>")
    assert [(s.seq, s.length) for s in tcp.take() if s.length] == [(1, 1000)]


def test_duplicates_that_report_nothing_new_do_not_count():
    tcp = in_flight()
    tcp.rx(". 1:1(0) ack 1 <sack 1001:2001>", *[". 1:1(0) ack 1 <sack 1001:2001>", ". 1:1(0) ack 1"] * 5)
    tcp.expect_nothing()
    assert tcp.counters()["fast_retransmits"] == 0


def test_three_reports_of_small_segments_are_a_loss():
    """Steps 1 and 2: three are enough, however few bytes they report."""
    tcp = in_flight()
    tcp.rx(". 1:1(0) ack 1 <sack 1001:1101>", ". 1:1(0) ack 1 <sack 1001:1201>")
    tcp.expect_nothing()
    tcp.rx(". 1:1(0) ack 1 <sack 1001:1301>")
    tcp.expect(". 1:1001(1000) ack 1")


def test_all_holes_are_mended_at_once_as_far_as_the_pipe_has_room():
    """Rule 1, in order; each once. 20 are out, 2, 5 and 8 are lost (from 10001 on)."""
    tcp = wider()
    tcp.rx(
        ". 1:1(0) ack 11001",
        ". 1:1(0) ack 11001 <sack 12001:14001>",
        ". 1:1(0) ack 11001 <sack 15001:17001 12001:14001>",
    )
    tcp.expect(". 11001:12001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 11001 <sack 18001:30001 15001:17001 12001:14001>")
    tcp.expect(". 14001:15001(1000) ack 1", ". 17001:18001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 14001 <sack 18001:30001 15001:17001>", ". 1:1(0) ack 17001 <sack 18001:30001>")
    tcp.expect_nothing()
    assert boards(tcp) == 1
    tcp.rx(". 1:1(0) ack 30001")
    tcp.expect_nothing()
    assert boards(tcp) == 0
    assert tcp.counters()["retransmits"] == 3
    assert tcp.counters()["fast_retransmits"] == 1
    assert tcp.counters()["rto_count"] == 0


def test_the_pipe_holds_back_until_half_has_left_the_network():
    """cwnd stays at ssthresh; a segment leaves for each that arrived beyond it (step C)."""
    tcp = wider(20)
    tcp.send(20000)
    tcp.take()
    flight = tcp.snapshot()["snd_max"] - tcp.snapshot()["snd_una"] & 0xFFFFFFFF
    assert flight == 20000
    sent = []
    for i in range(1, 20):
        tcp.rx(f". 1:1(0) ack 10001 <sack 11001:{11001 + 1000 * i}>")
        new = [s.seq for s in tcp.take()]
        sent.append(len(new))
        if i > 3:
            assert window(tcp) == 10
    assert sent[:3] == [1, 1, 1]            # two of limited transmit, then the first segment again
    # 22 out, less 3 that arrived, less the one lost, and that again: 19. Ten may be: nothing until nine more have arrived.
    assert sent[3:12] == [0] * 9
    assert sent[12:] == [1] * 7


def test_new_data_goes_before_what_is_only_doubtful():
    """Rule 2 before rule 3; rule 3 without new data."""
    tcp = in_flight()
    tcp.rx(". 1:1(0) ack 1 <sack 1001:5001 6001:7001>")
    tcp.expect(". 1:1001(1000) ack 1")
    tcp.send(1000)
    tcp.rx(". 1:1(0) ack 1 <sack 1001:5001 6001:8001>")
    tcp.expect("P. 10001:11001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 5001 <sack 6001:9001>")
    tcp.expect(". 5001:6001(1000) ack 1", ". 9001:10001(1000) ack 1")  # lost by now, and a rescue


def test_what_is_doubtful_is_sent_again_when_there_is_nothing_else():
    """Rule 3: 5001 is missing below what arrived, but not lost yet."""
    tcp = in_flight()
    tcp.rx(". 1:1(0) ack 1 <sack 1001:5001 6001:7001>")
    tcp.expect(". 1:1001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 5001 <sack 6001:7001>")
    tcp.expect(". 5001:6001(1000) ack 1")
    assert tcp.counters()["rescues"] == 0   # the pipe is full


def test_a_rescue_is_sent_once_and_brings_back_a_lost_end():
    """Rule 4: the last segments are lost too, and nothing is above them."""
    tcp = in_flight()
    tcp.rx(". 1:1(0) ack 1 <sack 1001:7001>")
    tcp.expect(". 1:1001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 7001")
    tcp.expect("P. 9001:10001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 7001 <sack 9001:10001>")
    tcp.expect(". 7001:8001(1000) ack 1", ". 8001:9001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 10001")
    tcp.expect_nothing()
    assert tcp.counters()["rescues"] == 1
    assert tcp.counters()["rto_count"] == 0
    assert boards(tcp) == 0


def test_a_recovery_ends_when_its_point_is_reached_and_the_next_needs_new_reports():
    tcp = in_flight()
    tcp.rx(". 1:1(0) ack 1 <sack 1001:10001>")
    tcp.expect(". 1:1001(1000) ack 1")
    tcp.send(5000)
    tcp.take()
    tcp.rx(". 1:1(0) ack 10001")
    tcp.take()
    assert not tcp.snapshot()["flags"] & 0x400
    tcp.rx(". 1:1(0) ack 10001 <sack 12001:15001>")
    assert tcp.take()[0].seq == 10001
    assert tcp.counters()["fast_retransmits"] == 2


def test_the_window_at_the_end_allows_no_larger_burst_than_at_the_start():
    """RFC 6582's concern; RFC 6928 says how much."""
    tcp = established(mss=1000, sack=True, win=0x7FFF, wscale=4)
    tcp.send(70000)
    for _ in range(2):
        for s in tcp.take():
            tcp.rx(f". 1:1(0) ack {s.end}")
    assert len(tcp.take()) == 40
    tcp.rx(". 1:1(0) ack 30001 <sack 31001:70001>")
    tcp.expect(". 30001:31001(1000) ack 1")
    assert window(tcp) == 20
    tcp.rx(". 1:1(0) ack 70001")
    tcp.send(60000)
    assert len(tcp.take()) == 10


# Timeouts


def test_after_a_timeout_only_what_is_missing_is_sent_again():
    """RFC 6675, 5.1; RFC 2018, 8: the first missing segment always."""
    tcp = in_flight(slow_start_step=2)
    tcp.rx(". 1:1(0) ack 1 <sack 2001:4001>")
    tcp.expect_nothing()
    tcp.at(ms=200)
    tcp.expect(". 1:1001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 1001 <sack 2001:4001>")
    tcp.expect(". 1001:2001(1000) ack 1", ". 4001:5001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 5001")
    tcp.expect(". 5001:6001(1000) ack 1", ". 6001:7001(1000) ack 1", ". 7001:8001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 5001 <sack 8001:10001>")
    tcp.expect_nothing()
    tcp.rx(". 1:1(0) ack 10001")
    tcp.expect_nothing()
    assert tcp.counters()["rto_count"] == 1
    assert boards(tcp) == 0


def test_a_lost_retransmission_is_left_to_the_timer():
    tcp = in_flight()
    tcp.rx(". 1:1(0) ack 1 <sack 1001:9001>")
    tcp.expect(". 1:1001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 1 <sack 1001:10001>")
    tcp.at(ms=200)
    tcp.expect(". 1:1001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 10001")
    tcp.expect_nothing()


def test_the_timer_counts_from_the_first_retransmission():
    """RFC 6675, section 6."""
    tcp = in_flight()
    tcp.at(ms=150)
    tcp.rx(". 1:1(0) ack 1 <sack 1001:9001>")
    tcp.expect(". 1:1001(1000) ack 1")
    tcp.at(ms=350)
    tcp.expect(". 1:1001(1000) ack 1")


def test_holes_are_not_exceeded_after_a_timeout_either():
    tcp = in_flight()
    tcp.rx(". 1:1(0) ack 1 <sack 1501:2001>")
    tcp.at(ms=200)
    tcp.expect(". 1:1001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 1001 <sack 1501:2001>")
    tcp.expect(". 1001:1501(500) ack 1", ". 2001:3001(1000) ack 1", ". 3001:3501(500) ack 1")


def test_no_recovery_begins_for_what_was_sent_before_a_timeout():
    """RFC 6675, 5.1."""
    tcp = in_flight()
    tcp.at(ms=200)
    tcp.expect(". 1:1001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 1 <sack 1001:6001>")
    assert all(s.seq > 6000 for s in tcp.take())
    assert tcp.counters()["fast_retransmits"] == 0


def test_a_second_timeout_in_a_row_forgets_what_was_reported():
    """RFC 2018, 8: the peer may have reneged."""
    tcp = in_flight()
    tcp.rx(". 1:1(0) ack 1 <sack 1001:3001>")
    tcp.at(ms=200)
    tcp.expect(". 1:1001(1000) ack 1")
    assert boards(tcp) == 1
    tcp.after(ms=400)
    tcp.expect(". 1:1001(1000) ack 1")
    assert boards(tcp) == 0
    tcp.rx(". 1:1(0) ack 1001")
    tcp.expect(". 1001:2001(1000) ack 1", ". 2001:3001(1000) ack 1")


def test_a_peer_that_reneges_gets_everything_again():
    """It acknowledges up to what it had reported, and no further."""
    tcp = in_flight()
    tcp.rx(". 1:1(0) ack 1 <sack 1001:10001>")
    tcp.expect(". 1:1001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 1001")
    assert tcp.counters()["sacks_reneged"] == 1
    end, seen = 1001, []
    for _ in range(40):
        seen += tcp.watch(ms=300)
        for _, text in seen:
            start, stop = (int(n) for n in text.split()[1].split("(")[0].split(":"))
            if start <= end < stop:
                end = stop
        tcp.rx(f". 1:1(0) ack {end}")
        if end == 10001:
            break
    assert end == 10001
    tcp.expect_nothing()
    assert boards(tcp) == 0


# Blocks that cannot be


@pytest.mark.parametrize(
    ("blocks", "counter"),
    [
        ("2001:1001", "sacks_bad"),  # reversed
        ("2001:2001", "sacks_bad"),  # empty
        ("9001:12001", "sacks_bad"),  # never sent
        ("1:1001", "sacks_bad"),  # would have been acknowledged
        ("-500:2001", "sacks_bad"),
        ("-500:1", "dsacks_in"),  # arrived twice
    ],
)
def test_impossible_blocks_are_counted_and_ignored(blocks, counter):
    tcp = in_flight()
    tcp.rx(*[f". 1:1(0) ack 1 <sack {blocks}>"] * 5)
    tcp.expect_nothing()
    assert tcp.counters()[counter] == 5
    assert tcp.counters()["sacks_bad"] + tcp.counters()["dsacks_in"] == 5
    assert boards(tcp) == 0


def test_a_possible_block_beside_an_impossible_one_counts():
    tcp = in_flight()
    tcp.rx(". 1:1(0) ack 1 <sack 2001:99001 1001:5001>")
    tcp.expect(". 1:1001(1000) ack 1")


def test_old_blocks_of_an_overtaken_ack_do_no_harm():
    tcp = in_flight()
    tcp.rx(". 1:1(0) ack 5001", ". 1:1(0) ack 1 <sack 3001:4001 1001:2001>")
    tcp.expect_nothing()
    assert tcp.counters()["sacks_bad"] == 0


def test_what_an_overtaken_ack_reports_counts():
    tcp = in_flight()
    tcp.rx(". 1:1(0) ack 2001", ". 1:1(0) ack 1 <sack 3001:7001>")
    tcp.expect(". 2001:3001(1000) ack 1")


def test_without_agreement_blocks_mean_nothing():
    tcp = established(mss=1000)
    tcp.send(10000)
    tcp.take()
    tcp.rx(". 1:1(0) ack 1 <sack 1001:9001>")
    tcp.expect_nothing()
    assert tcp.counters()["sacks_in"] == 0


def test_more_ranges_than_a_scoreboard_holds_are_counted_and_the_rest_goes_on():
    tcp = established(mss=1000, sack=True)
    tcp.send(10000)
    tcp.take()
    for i in range(200):
        tcp.rx(f". 1:1(0) ack 1 <sack {9000 - 4 * i}:{9001 - 4 * i}>")
    assert tcp.counters()["sacks_full"] == 200 - 128
    tcp.take()
    tcp.rx(". 1:1(0) ack 10001")
    tcp.watch(ms=500)
    assert boards(tcp) == 0
    tcp.send(1000)
    tcp.expect("P. 10001:11001(1000) ack 1")


# Windows, FIN


def test_nothing_is_resent_beyond_a_window_that_shrank():
    tcp = in_flight()
    tcp.rx(". 1:1(0) ack 1 win 2500 <sack 1001:2001 3001:4001 5001:10001>")
    tcp.expect(". 1:1001(1000) ack 1", ". 2001:2501(500) ack 1")


def test_a_hole_is_not_exceeded():
    """What was reported is not sent again with it."""
    tcp = in_flight()
    tcp.rx(". 1:1(0) ack 1 <sack 501:1001 1501:9001>")
    tcp.expect(". 1:501(500) ack 1", ". 1001:1501(500) ack 1")


def test_the_fin_is_mended_with_the_end_of_the_stream():
    tcp = in_flight()
    tcp.close()
    tcp.expect("F. 10001:10001(0) ack 1")
    tcp.rx(". 1:1(0) ack 1 <sack 1001:9001>")
    tcp.expect(". 1:1001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 9001")
    tcp.expect("FP. 9002:10001(999) ack 1")
    tcp.rx(". 1:1(0) ack 9001 <sack 9002:10002>")
    tcp.expect(". 9001:9002(1) ack 1")
    tcp.rx(". 1:1(0) ack 10002")
    tcp.expect_nothing()
    assert tcp.snapshot()["state"] == "FIN_WAIT_2"
    assert boards(tcp) == 0


def test_a_fin_alone_that_is_missing_is_sent_alone():
    tcp = in_flight()
    tcp.close()
    tcp.take()
    tcp.rx(". 1:1(0) ack 1 <sack 1001:10001>")
    tcp.expect(". 1:1001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 10001")
    tcp.expect("F. 10001:10001(0) ack 1")


def test_a_fin_that_was_reported_is_not_sent_again():
    tcp = in_flight()
    tcp.close()
    tcp.take()
    tcp.rx(". 1:1(0) ack 1 <sack 1001:10002>")
    tcp.expect(". 1:1001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 10002")
    tcp.expect_nothing()
    assert tcp.snapshot()["state"] == "FIN_WAIT_2"


def test_a_connection_that_ends_in_recovery_gives_its_scoreboard_back():
    tcp = in_flight()
    tcp.rx(". 1:1(0) ack 1 <sack 1001:9001>")
    tcp.take()
    assert boards(tcp) == 1
    tcp.rx("R. 1:1(0) ack 1")
    assert boards(tcp) == 0
