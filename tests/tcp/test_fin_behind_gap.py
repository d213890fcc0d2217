"""A FIN that arrives with data behind a gap, and what is said when the gap fills (RFC 9293, 3.10.7.4; RFC 5681, 4.2)."""

from usnet.testing.peer import established


def test_one_ack_covers_the_text_that_fills_a_gap_and_the_fin_behind_it():
    tcp = established(mss=100)
    tcp.rx("FP. 101:201(100) ack 1")
    tcp.expect(". 1:1(0) ack 1")
    tcp.rx(". 1:101(100) ack 1")
    tcp.expect(". 1:1(0) ack 202")


def test_one_ack_covers_a_second_full_segment_and_its_fin():
    tcp = established(mss=100)
    tcp.rx(". 1:101(100) ack 1")
    tcp.expect_nothing()
    tcp.rx("FP. 101:201(100) ack 1")
    tcp.expect(". 1:1(0) ack 202")
