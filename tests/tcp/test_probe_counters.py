"""A window probe's byte is sent again with what follows it: that is no retransmission, and each byte counts once."""

from usnet.testing.peer import established


def test_the_segment_behind_a_probe_is_new_but_for_one_byte():
    tcp = established(mss=1000)
    tcp.rx(". 1:1(0) ack 1 win 0")
    before = tcp.counters()
    tcp.send(500)
    probes = tcp.watch(s=3)
    assert probes and {text.split(" ack")[0] for _, text in probes} == {"P. 1:2(1)"}
    tcp.rx(". 1:1(0) ack 1 win 65535")
    tcp.expect("P. 1:501(500) ack 1")
    after = tcp.counters()
    assert {name: after[name] - before[name] for name in ("bytes_out", "retransmits")} == {"bytes_out": 500, "retransmits": 0}
