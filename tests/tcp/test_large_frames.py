"""Frames of several segments (TSO, GRO): what leaves towards a port that cuts them, and what an arriving one counts for."""

import pytest

from usnet.testing.peer import established, stream

CSUM_NEEDED, TCPV4 = 1, 1


def sent(tcp):
    """(gso_size, hdr_len) of the frames that left since the last call, and whether all had a partial checksum at its place."""
    metas = tcp.cable.metas[:]
    tcp.cable.metas.clear()
    assert all(m["flags"] == CSUM_NEEDED and (m["csum_start"], m["csum_offset"]) == (34, 16) for m in metas)
    assert all(m["gso_type"] == (TCPV4 if m["gso_size"] else 0) for m in metas)
    return [(m["gso_size"], m["hdr_len"]) for m in metas]


def on_offload(**kwargs):
    tcp = established(offload=True, **kwargs)
    tcp.cable.metas.clear()
    return tcp


# --- out ---


def test_new_data_of_several_segments_leaves_as_one_frame():
    tcp = on_offload()
    tcp.send(5 * 1460)
    tcp.expect("P. 1:7301(7300) ack 1")
    assert sent(tcp) == [(1460, 54)]


def test_without_the_ports_help_each_segment_is_a_frame():
    tcp = established()
    tcp.cable.metas.clear()
    tcp.send(3 * 1460)
    tcp.expect(". 1:1461(1460) ack 1", ". 1461:2921(1460) ack 1", "P. 2921:4381(1460) ack 1")
    assert [m["flags"] for m in tcp.cable.metas] == [0, 0, 0]


def test_a_single_segment_has_a_partial_checksum_and_no_size():
    tcp = on_offload()
    tcp.send(10)
    tcp.expect("P. 1:11(10) ack 1")
    assert sent(tcp) == [(0, 54)]


def test_timestamps_are_in_the_header_that_all_segments_get():
    tcp = on_offload(timestamps=True)
    tcp.send(3 * 1448)
    tcp.expect("P. 1:4345(4344) ack 1")
    assert sent(tcp) == [(1448, 66)]


def test_the_congestion_window_bounds_it():
    tcp = on_offload()
    tcp.send(30000)
    tcp.expect(". 1:14601(14600) ack 1")        # ten segments (RFC 6928)
    tcp.rx(". 1:1(0) ack 14601")
    assert sum(s.length for s in tcp.take()) == 14600


@pytest.mark.parametrize(("window", "lengths"), [(1460, [1460]), (2919, [1460, 1459]), (2920, [2920]), (4000, [2920]), (700, [700])])
def test_the_peers_window_bounds_it(window, lengths):
    tcp = on_offload(win=window)
    tcp.send(20000)
    tcp.cable.run()
    assert [s.length for s in tcp.take()] == lengths


def test_nagle_holds_back_what_does_not_fill_the_last_segment():
    tcp = on_offload()
    tcp.send(3000)
    tcp.expect(". 1:2921(2920) ack 1")
    tcp.rx(". 1:1(0) ack 2921")
    tcp.expect("P. 2921:3001(80) ack 1")


def test_without_nagle_it_goes_along():
    tcp = on_offload()
    tcp.sock.setsockopt(6, 1, 1)
    tcp.send(3000)
    tcp.expect("P. 1:3001(3000) ack 1")
    assert sent(tcp) == [(1460, 54)]


def test_a_fin_goes_along():
    tcp = on_offload()
    tcp.send(3000)
    tcp.sock.shutdown(1)
    tcp.expect(". 1:2921(2920) ack 1", "FP. 2921:3001(80) ack 1")
    tcp = on_offload()
    tcp.sock.send(b"x")
    tcp.expect("P. 1:2(1) ack 1")
    tcp.sock.send(bytes(4000))
    tcp.take()
    tcp.sock.shutdown(1)
    assert [str(s)[:2] for s in tcp.take()] == ["FP"]


def test_what_is_sent_again_is_sent_one_by_one():
    tcp = on_offload()
    tcp.send(5 * 1460)
    tcp.expect("P. 1:7301(7300) ack 1")
    tcp.at(ms=200)
    tcp.expect(". 1:1461(1460) ack 1")
    tcp.rx(". 1:1(0) ack 1461")
    tcp.expect(". 1461:2921(1460) ack 1", ". 2921:4381(1460) ack 1")
    assert {size for size, _ in sent(tcp)[1:]} == {0}
    assert tcp.snapshot()["retransmits"] == 3


def test_three_duplicate_acks_repair_one_segment_of_it():
    tcp = on_offload()
    tcp.send(6 * 1460)
    tcp.expect("P. 1:8761(8760) ack 1")
    tcp.rx(". 1:1(0) ack 1461", ". 1:1(0) ack 1461", ". 1:1(0) ack 1461", ". 1:1(0) ack 1461")
    tcp.expect(". 1461:2921(1460) ack 1")


def test_the_round_trip_is_measured_by_the_first_segment():
    tcp = on_offload()
    tcp.send(6 * 1460)
    tcp.expect("P. 1:8761(8760) ack 1")
    tcp.at(ms=32)
    tcp.rx(". 1:1(0) ack 2921")
    assert tcp.snapshot()["srtt"] == 4_000_000          # an eighth: the handshake took no time


def test_segments_are_counted_not_frames():
    tcp = on_offload()
    before = tcp.counters()["segments_out"]
    tcp.send(5 * 1460)
    tcp.cable.run()
    assert tcp.counters()["segments_out"] - before == 5


def test_a_ring_that_is_too_small_gets_what_fits():
    tcp = on_offload(slots=4)
    tcp.send(10 * 1460)
    tcp.cable.run()
    segments = tcp.take()
    assert sum(s.length for s in segments) == 14600 and max(s.length for s in segments) == 4 * 1460      # in 3 slots of 2,048 bytes


# --- in ---


def test_an_arriving_frame_of_several_segments_is_acknowledged_once():
    tcp = on_offload()
    tcp.rx(". 1:14601(14600) ack 1", gso=1460)
    tcp.expect(". 1:1(0) ack 14601")
    assert tcp.recv() == stream(1, 14600)
    assert tcp.counters()["segments_in"] == 12


def test_the_longest_one_takes_65535_bytes_of_packet():
    tcp = on_offload(win=65535)
    tcp.rx(". 1:64241(64240) ack 1", gso=1460)
    tcp.expect(". 1:1(0) ack 64241")
    assert len(tcp.recv()) == 64240


def test_its_size_is_what_full_segments_are_measured_by():
    tcp = on_offload()
    tcp.rx(". 1:14601(14600) ack 1", gso=1460)
    tcp.expect(". 1:1(0) ack 14601")
    assert tcp.snapshot()["rcv_mss"] == 1460
    tcp.rx(". 14601:16061(1460) ack 1")
    tcp.expect_nothing()
    tcp.rx(". 16061:17521(1460) ack 1")
    tcp.expect(". 1:1(0) ack 17521")


def test_one_of_a_full_and_a_small_segment_waits_for_a_second_arrival():
    tcp = on_offload()
    tcp.rx(". 1:1471(1470) ack 1", gso=1460)
    tcp.expect_nothing()
    tcp.rx(". 1471:2941(1470) ack 1", gso=1460)
    tcp.expect(". 1:1(0) ack 2941")


def test_ahead_of_a_gap_it_is_acknowledged_at_once_and_joined_later():
    tcp = on_offload()
    tcp.rx(". 1461:8761(7300) ack 1", gso=1460)
    tcp.expect(". 1:1(0) ack 1")
    tcp.rx(". 1:1461(1460) ack 1")
    tcp.expect(". 1:1(0) ack 8761")
    assert len(tcp.recv()) == 8760


def test_it_is_cut_at_the_window():
    tcp = on_offload(rcvbuf=4096)
    tcp.rx(". 1:7301(7300) ack 1", gso=1460)
    tcp.expect(". 1:1(0) ack 4097 win 0")
    assert tcp.drops() == {"past_window": 1}


def test_a_partial_checksum_is_good_without_several_segments_too():
    tcp = on_offload()
    tcp.rx("P. 1:101(100) ack 1", gso=1460)
    tcp.at(ms=40)
    tcp.expect(". 1:1(0) ack 101")
