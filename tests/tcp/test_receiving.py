"""Reassembly and the receive window: RFC 9293, 3.8.6 and 3.10.7.4."""

import pytest

from usnet.testing.peer import established, stream


def test_segments_in_any_order_make_one_stream():
    tcp = established()
    for i in (3, 1, 4, 0, 2):
        tcp.rx(f". {1 + i * 100}:{101 + i * 100}(100) ack 1")
    assert tcp.recv() == stream(1, 500)
    assert tcp.counters()["ooo_in"] == 3
    assert tcp.cable.memory()["out_of_order"] == 0


def test_nothing_is_readable_before_the_gap_is_filled():
    tcp = established()
    tcp.rx(". 101:201(100) ack 1")
    with pytest.raises(BlockingIOError):
        tcp.recv()


def test_of_overlapping_copies_the_first_wins():
    """Abuse S15: an observer and the application see the same bytes."""
    tcp = established()
    tcp.rx(". 6:11(5) ack 1", data=b"FFFFF")
    tcp.rx(". 4:13(9) ack 1", data=b"sssssssss")
    tcp.rx(". 1:8(7) ack 1", data=b"ttttttt")
    assert tcp.recv() == b"tttss" + b"FFFFF" + b"ss"


def test_what_was_delivered_is_not_overwritten():
    tcp = established()
    tcp.rx(". 1:6(5) ack 1", data=b"first")
    tcp.rx(". 1:11(10) ack 1", data=b"SECONDtime")
    assert tcp.recv() == b"first" + b"Dtime"


def test_gaps_are_limited_and_the_stream_survives():
    """RFC 2525, 2.5; CVE-2018-5390: at most 128 pieces ahead."""
    tcp = established()
    for i in range(1, 160):
        tcp.rx(f". {1 + 2 * i}:{2 + 2 * i}(1) ack 1")
    tcp.take()
    assert tcp.drops()["ooo_limit"] == 159 - 128
    tcp.rx(". 1:401(400) ack 1")
    assert tcp.recv() == stream(1, 400)


def test_what_is_in_order_is_taken_however_many_pieces_wait_behind_gaps():
    tcp = established()
    for i in range(1, 140):
        tcp.rx(f". {1 + 10 * i}:{2 + 10 * i}(1) ack 1")
    tcp.take()
    tcp.rx(". 1:4(3) ack 1")                # touches none of the 128
    assert tcp.recv() == stream(1, 3)
    tcp.rx(". 4:32(28) ack 1")              # ends at the fourth, and takes two more in
    assert tcp.recv() == stream(4, 28)


def test_tiny_segments_hold_no_more_memory_than_their_span():
    tcp = established()
    for i in range(1, 30):
        tcp.rx(f". {1 + 100 * i}:{2 + 100 * i}(1) ack 1")
    assert tcp.cable.memory()["chunks"] <= 2


def test_sequence_numbers_wrap():
    tcp = established(isn=0xFFFFFFF0)
    tcp.rx(". 101:201(100) ack 1", ". 1:101(100) ack 1")
    assert tcp.recv() == stream(1, 200)


# The window


def edge(segment, scale=0):
    return segment.ack + (segment.win << scale)


def test_the_window_is_what_the_buffer_has_left():
    tcp = established(rcvbuf=10000)
    tcp.rx(". 1:1001(1000) ack 1")
    tcp.at(ms=40)
    tcp.expect(". 1:1(0) ack 1001 win 9000")


@pytest.mark.parametrize("wscale", [None, 3])
@pytest.mark.parametrize("size", [1, 7, 100, 536, 1460])
def test_the_right_edge_never_moves_left(wscale, size):
    """RFC 9293, 3.8.6: SHLD-14; with scaling, by less than a unit (RFC 7323, 2.4)."""
    tcp = established(wscale=wscale, rcvbuf=1 << 17)
    scale = tcp.snapshot()["rcv_wscale"] if wscale is not None else 0
    best, seq = 0, 1
    for i in range(400):
        tcp.rx(f". {seq}:{seq + size}(size) ack 1".replace("(size)", f"({size})"))
        seq += size
        if i % 50 == 49:
            tcp.recv(10 * size)
        tcp.watch(ms=40)
        tcp.rx(f". {seq - 1}:{seq}(1) ack 1")  # a duplicate, to have the window said
        for s in tcp.take():
            assert edge(s, scale) > best - (1 << scale)
            best = max(best, edge(s, scale))


def test_the_window_closes_when_nobody_reads():
    tcp = established(rcvbuf=5000, mss=1000)
    seq = 1
    while seq < 5001:
        tcp.rx(f". {seq}:{seq + 1000}(1000) ack 1")
        seq += 1000
    tcp.watch(ms=40)
    tcp.rx(f". {seq}:{seq + 1}(1) ack 1")
    tcp.expect(f". 1:1(0) ack {seq} win 0")


@pytest.mark.parametrize("size", [1, 3, 33])
def test_tiny_segments_cannot_grow_a_scaled_window_without_end(size):
    """Each ACK rounds the window up by less than a unit; that must not add up."""
    tcp = established(wscale=7, rcvbuf=1 << 20, win=60000)
    seq = 1
    for _ in range(1 << 20):
        if seq + 1460 > (1 << 20) - 2000:
            break
        tcp.rx(
            *[
                f". {seq + i * 1460}:{seq + i * 1460 + 1460}(1460) ack 1"
                for i in range(4)
                if seq + i * 1460 + 1460 < 1 << 20
            ]
        )
        seq = (tcp.snapshot()["rcv_nxt"] - tcp.isn) & 0xFFFFFFFF
        tcp.take()
    for _ in range(4000):
        tcp.rx(*[f". {seq + i * size}:{seq + i * size + size}({size}) ack 1" for i in range(64)])
        tcp.take()
        now = (tcp.snapshot()["rcv_nxt"] - tcp.isn) & 0xFFFFFFFF
        if now == seq:
            break
        seq = now
    assert tcp.snapshot()["rcv"]["span"] <= (1 << 20) * 17 // 16
    assert now == seq, "the window never closed"
    tcp.rx(f". {seq}:{seq + 1}(1) ack 1")
    assert tcp.take()[-1].win == 0


def test_reading_opens_a_closed_window_with_an_update():
    """libusnet's F5."""
    tcp = established(rcvbuf=5000)
    tcp.rx(
        ". 1:1001(1000) ack 1",
        ". 1001:2001(1000) ack 1",
        ". 2001:3001(1000) ack 1",
        ". 3001:4001(1000) ack 1",
        ". 4001:5001(1000) ack 1",
    )
    assert "win 0" in tcp.watch(ms=40)[-1][1]
    assert tcp.recv(100) == stream(1, 100)
    tcp.expect_nothing()  # too little to speak of
    tcp.recv()
    tcp.expect(". 1:1(0) ack 5001 win 5000")


def test_small_reads_earn_no_small_updates():
    """RFC 9293, 3.8.6.2.2: silly windows."""
    tcp = established(rcvbuf=20000)
    tcp.rx(*[f". {1 + i * 1000}:{1001 + i * 1000}(1000) ack 1" for i in range(20)])
    assert tcp.take()[-1].win == 0
    updates = 0
    for _ in range(200):
        tcp.recv(100)
        for s in tcp.take():
            updates += 1
            assert s.win >= 1000
    assert 1 <= updates <= 8


def test_reading_without_a_scaled_window_is_no_news():
    """The field says 65535 at most: a larger buffer is no reason for an ACK at every read."""
    tcp = established()
    for i in range(20):
        tcp.rx(f"P. {1 + i * 10}:{11 + i * 10}(10) ack 1")
        tcp.recv()
    assert len(tcp.take()) <= 3


def test_data_into_a_closed_window_is_answered_and_its_ack_counts():
    """RFC 9293, 3.10.7.4: special allowance for ACKs."""
    tcp = established(rcvbuf=2048)
    tcp.rx(". 1:1001(1000) ack 1", ". 1001:2049(1048) ack 1")
    tcp.take()
    tcp.send(100)
    tcp.expect("P. 1:101(100) ack 2049")
    tcp.rx(". 2049:2050(1) ack 101")
    tcp.expect(". 101:101(0) ack 2049 win 0")
    assert tcp.snapshot()["snd_una"] == (tcp.us_isn + 101) & 0xFFFFFFFF


def test_a_reset_is_taken_while_the_window_is_closed():
    tcp = established(rcvbuf=2048)
    tcp.rx(". 1:1001(1000) ack 1", ". 1001:2049(1048) ack 1", "R 2049:2049(0)")
    assert tcp.state == "CLOSED"
    assert tcp.recv() == stream(1, 2048)


def test_what_was_promised_is_taken_after_the_buffer_was_made_smaller():
    tcp = established(rcvbuf=10000)
    tcp.sock.setsockopt(1, 8, 2048)
    for seq in range(1, 10001, 1000):
        tcp.rx(f". {seq}:{seq + 1000}(1000) ack 1")
    assert tcp.recv(20000) == stream(1, 10000)


# Memory


def test_without_memory_data_is_dropped_counted_and_taken_later():
    tcp = established(limits={"max_chunks": 2})
    tcp.rx(*[f". {1 + i * 1000}:{1001 + i * 1000}(1000) ack 1" for i in range(6)])
    assert tcp.drops()["no_memory"] >= 1
    got = tcp.recv()
    assert got == stream(1, len(got)) and len(got) < 6000
    tcp.take()
    seq = len(got) + 1
    tcp.rx(f". {seq}:{seq + 1000}(1000) ack 1")
    assert tcp.recv() == stream(seq, 1000)


def test_without_memory_a_write_fails_and_does_not_hang():
    tcp = established(limits={"max_chunks": 2})
    tcp.send(100000)
    while tcp.cable.memory()["chunks"] < 2 or tcp.snapshot()["snd"]["span"] < 4096:
        tcp.send(1000)
    with pytest.raises(OSError, match="buffer"):
        tcp.send(1000)
    tcp.take()
    tcp.rx(". 1:1(0)")
    assert tcp.send(100) == 100
