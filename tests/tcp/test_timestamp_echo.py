"""Which TSval is echoed when an ACK was lost and the segment comes again (RFC 7323, section 4.3)."""

from usnet.testing.peer import established


def test_the_last_segment_come_again_is_what_is_echoed():
    """Else the peer measures the time that it waited before it sent again, and its RTO grows without end."""
    tcp = established(mss=1000, timestamps=True)
    tcp.rx("P. 1:101(100) ack 1 <TS val 8000 ecr 1>")
    ((_, text),) = tcp.watch(ms=500)
    assert text.endswith("ecr 8000>")
    tcp.rx("P. 1:101(100) ack 1 <TS val 8600 ecr 1>")
    (ack,) = tcp.expect(". 1:1(0) ack 101")
    assert ack.options["TS"][1] == 8600


def test_an_older_segment_come_again_is_not():
    tcp = established(mss=100, timestamps=True)
    tcp.rx(". 1:89(88) ack 1 <TS val 8000 ecr 1>", "P. 89:177(88) ack 1 <TS val 8001 ecr 1>")
    ((_, text),) = tcp.watch(ms=500)
    assert text.endswith("ecr 8000>")
    tcp.rx(". 1:89(88) ack 1 <TS val 8600 ecr 1>")
    (ack,) = tcp.expect(". 1:1(0) ack 177")
    assert ack.options["TS"][1] == 8000
