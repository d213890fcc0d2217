"""What usnet reports (RFC 2018): blocks of what it holds ahead of rcv_nxt, the newest first, and of nothing else."""

import pytest

from usnet.testing.peer import established, listening
from usnet.testing.segments import parse_segment


def opened(**kwargs):
    return established(mss=1460, sack=True, **kwargs)


def test_what_arrives_ahead_is_reported_at_once():
    tcp = opened()
    tcp.rx(". 1001:2001(1000) ack 1")
    tcp.expect(". 1:1(0) ack 1 <sack 1001:2001>")
    tcp.rx(". 2001:3001(1000) ack 1")
    tcp.expect(". 1:1(0) ack 1 <sack 1001:3001>")
    tcp.rx(". 1:1001(1000) ack 1")
    tcp.expect(". 1:1(0) ack 3001 <>")
    assert tcp.counters()["sacks_out"] == 2


def test_the_block_of_the_newest_segment_stands_first_then_those_before_it():
    """RFC 2018, section 4: also when it grows an old block."""
    tcp = opened()
    tcp.rx(". 1001:2001(1000) ack 1", ". 3001:4001(1000) ack 1", ". 5001:6001(1000) ack 1", ". 7001:8001(1000) ack 1")
    tcp.expect(
        ". 1:1(0) ack 1 <sack 1001:2001>",
        ". 1:1(0) ack 1 <sack 3001:4001 1001:2001>",
        ". 1:1(0) ack 1 <sack 5001:6001 3001:4001 1001:2001>",
        ". 1:1(0) ack 1 <sack 7001:8001 5001:6001 3001:4001 1001:2001>",
    )
    tcp.rx(". 9001:10001(1000) ack 1")
    tcp.expect(". 1:1(0) ack 1 <sack 9001:10001 7001:8001 5001:6001 3001:4001>")
    tcp.rx(". 2001:3001(1000) ack 1")
    tcp.expect(". 1:1(0) ack 1 <sack 1001:4001 9001:10001 7001:8001 5001:6001>")


def test_three_blocks_beside_timestamps():
    tcp = opened(timestamps=True)
    for start in (1001, 3001, 5001, 7001):
        tcp.rx(f". {start}:{start + 500}(500) ack 1")
    assert str(tcp.take()[-1]).endswith("sack 7001:7501 5001:5501 3001:3501>")


def test_a_block_below_the_front_is_reported_while_another_gap_is_left():
    tcp = opened()
    tcp.rx(". 1001:2001(1000) ack 1", ". 3001:4001(1000) ack 1", ". 1:1001(1000) ack 1")
    last = tcp.take()[-1]
    assert (last.ack, last.options) == (2001, {"sack": ((3001, 4001),)})


def test_a_copy_of_what_is_held_is_reported_first():
    """RFC 2018: the first block holds the segment that triggered the ACK."""
    tcp = opened()
    tcp.rx(". 1001:2001(1000) ack 1", ". 3001:4001(1000) ack 1")
    tcp.take()
    tcp.rx(". 1001:2001(1000) ack 1")
    tcp.expect(". 1:1(0) ack 1 <sack 1001:2001 3001:4001>")


def test_what_was_dropped_is_never_reported():
    """What is past the window is cut off, what would be one gap too many refused."""
    tcp = opened(rcvbuf=4000)
    tcp.rx(". 3001:4401(1400) ack 1")
    tcp.expect(". 1:1(0) ack 1 <sack 3001:4001>")
    tcp = opened(seed=2)
    for i in range(200):
        tcp.rx(f". {2 + 2 * i}:{3 + 2 * i}(1) ack 1")
    last = tcp.take()[-1]
    kept = 200 - tcp.drops()["ooo_limit"]
    assert tcp.drops()["ooo_limit"]
    assert last.options["sack"][0] == (2 * kept, 2 * kept + 1)


def test_data_carries_blocks_where_there_is_room():
    """Full segments carry none: nothing is longer than the peer's MSS."""
    tcp = opened()
    tcp.rx(". 1001:2001(1000) ack 1")
    tcp.take()
    tcp.send(1460 + 100)
    tcp.rx(". 2001:2001(0) ack 1")
    tcp.sock.setsockopt(6, 1, 1)
    tcp.cable.run()
    seen = tcp.take()
    assert [(s.length, s.options.get("sack")) for s in seen] == [(1460, None), (100, ((1001, 2001),))]


@pytest.mark.parametrize(("length", "blocks"), [(1460 - 11, 0), (1460 - 12, 1), (1460 - 20, 2), (1460 - 28, 3), (1460 - 36, 4)])
def test_so_many_blocks_as_fit(length, blocks):
    tcp = opened()
    for start in (1001, 3001, 5001, 7001):
        tcp.rx(f". {start}:{start + 500}(500) ack 1")
    tcp.take()
    tcp.send(length)
    tcp.cable.run()
    (segment,) = tcp.take()
    assert len(segment.options.get("sack", ())) == blocks


def test_full_segments_do_not_take_the_place_of_a_report():
    """The ring was full when it was due: it follows the data, which has no room for it."""
    tcp = opened(slots=4)
    tcp.send(6 * 1460)
    tcp.cable.put(6, tcp.build(parse_segment(". 1001:2001(1000) ack 1")))
    tcp.cable.stack.run_once()
    tcp.cable.run()
    seen = [(s.length, s.options.get("sack")) for s in tcp.take()]
    assert seen == [(1460, None)] * 6 + [(0, ((1001, 2001),))]


def test_a_fin_that_is_held_counts_with_its_block():
    """The FIN takes a number; it is kept, so it may be reported."""
    tcp = opened()
    tcp.rx("FP. 1001:2001(1000) ack 1")
    tcp.expect(". 1:1(0) ack 1 <sack 1001:2002>")
    tcp.rx(". 1:1001(1000) ack 1")
    tcp.expect(". 1:1(0) ack 2002 <>")


def test_a_bare_fin_that_is_held_is_no_block():
    tcp = opened()
    tcp.rx("F. 1001:1001(0) ack 1")
    tcp.expect(". 1:1(0) ack 1 <>")


def test_nothing_is_reported_where_the_peer_did_not_offer_it():
    tcp = established(mss=1460)
    tcp.rx(". 1001:2001(1000) ack 1")
    tcp.expect(". 1:1(0) ack 1 <>")


def test_nothing_is_reported_where_it_is_switched_off():
    tcp = listening()
    tcp.cable.stack.configure(sack=0)
    tcp.handshake("S 0:0(0) <mss 1460,sackOK>")
    tcp.rx(". 1001:2001(1000) ack 1")
    tcp.expect(". 1:1(0) ack 1 <>")


def test_the_end_that_connects_offers_it_and_takes_no_for_an_answer():
    tcp = established(active=True, sack=False)
    tcp.rx(". 1001:2001(1000) ack 1")
    tcp.expect(". 1:1(0) ack 1 <>")
    tcp = established(active=True, sack=True, seed=2)
    tcp.rx(". 1001:2001(1000) ack 1")
    tcp.expect(". 1:1(0) ack 1 <sack 1001:2001>")
