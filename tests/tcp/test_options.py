"""What SYNs negotiate: MSS, window scale, timestamps and PAWS (RFC 9293, 3.7.1; RFC 7323)."""

import pytest

from usnet.testing.peer import established, listening, stream, syn_sent


@pytest.mark.parametrize(
    ("offered", "answer"),
    [
        ("mss 1460", "mss 1460"),
        ("", "mss 1460"),
        ("mss 1460,wscale 7", "mss 1460,wscale 5"),
        ("mss 1460,TS val 5 ecr 0", "mss 1460,TS val 0 ecr 5"),
        ("mss 1460,sackOK", "mss 1460,sackOK"),
        ("mss 1460,sackOK,TS val 5 ecr 0,wscale 7", "mss 1460,sackOK,TS val 0 ecr 5,wscale 5"),
        ("wscale 0", "mss 1460,wscale 5"),
    ],
)
def test_the_syn_ack_holds_only_what_was_offered(offered, answer):
    tcp = listening()
    tcp.rx(f"S 0:0(0) <{offered}>")
    tcp.expect(f"S. 0:0(0) ack 1 <{answer}>")


@pytest.mark.parametrize(
    ("config", "answer"),
    [
        ({"timestamps": 0}, "mss 1460,wscale 5,sackOK"),
        ({"window_scaling": 0}, "mss 1460,sackOK,TS"),
        ({"sack": 0}, "mss 1460,wscale 5,TS"),
        ({"mss": 1000}, "mss 1000,wscale 5,sackOK,TS"),
    ],
)
def test_switched_off_options_are_neither_offered_nor_answered(config, answer):
    tcp = listening(**config)
    tcp.rx("S 0:0(0) <mss 1460,sackOK,TS val 5 ecr 0,wscale 7>")
    tcp.expect(f"S. 0:0(0) ack 1 <{answer}>")
    tcp = syn_sent(**config)
    tcp.at(s=1)
    tcp.expect(f"S 0:0(0) <{answer}>")


# MSS


@pytest.mark.parametrize(
    ("mss", "timestamps", "payload"),
    [
        (1460, False, 1460),
        (1460, True, 1448),
        (1000, False, 1000),
        (1000, True, 988),
        (None, False, 536),
        (9000, False, 1460),
        (0, False, 536),
        (1, False, 48),
        (47, True, 36),
    ],
)
def test_no_segment_is_larger_than_the_peer_takes_options_counted(mss, timestamps, payload):
    """RFC 9293, 3.7.1; RFC 6691. Absurdly small ones are raised (CVE-2019-11479)."""
    tcp = established(mss=mss, timestamps=timestamps)
    tcp.send(5000)
    assert tcp.take()[0].length == payload


def test_the_mss_follows_the_interfaces_mtu():
    tcp = established(mtu=1000)
    assert tcp.snapshot()["mss"] == 960
    tcp.send(2000)
    assert tcp.take()[0].length == 960


# Window scale


def test_windows_are_scaled_only_if_both_offer():
    scaled = established(wscale=7, win=100)
    assert scaled.snapshot()["snd_wnd"] == 12800
    scaled.rx("P. 1:2(1) ack 1")
    scaled.after(ms=40)
    assert scaled.expect(". 1:1(0) ack 2")[0].win == (1 << 20) - 1 >> 5
    plain = established(wscale=None, win=100, port=40001)
    assert plain.snapshot()["snd_wnd"] == 100


def test_a_scale_above_14_is_14():
    """RFC 7323, 2.3."""
    tcp = established(wscale=200, win=1)
    assert tcp.snapshot()["snd_wnd"] == 1 << 14


@pytest.mark.parametrize(("rcvbuf", "wscale"), [(4096, 0), (65535, 0), (65536, 1), (1 << 20, 5), (1 << 30, 14)])
def test_the_scale_offered_covers_the_receive_buffer(rcvbuf, wscale):
    tcp = listening(rcvbuf=rcvbuf)
    tcp.rx("S 0:0(0) <wscale 7>")
    tcp.expect(f"S. 0:0(0) ack 1 win {min(rcvbuf, 65535)} <mss 1460,wscale {wscale}>")


# Timestamps


def test_every_segment_carries_timestamps_once_negotiated():
    tcp = established(timestamps=True)
    tcp.at(ms=100)
    tcp.rx("P. 1:11(10) ack 1 <TS val 8000 ecr 0>")
    tcp.at(ms=140)
    tcp.expect(". 1:1(0) ack 11 <TS val 140 ecr 8000>")
    tcp.send(10)
    tcp.expect("P. 1:11(10) ack 11 <TS val 140 ecr 8000>")
    tcp.close()
    tcp.expect("R. 11:11(0) ack 11 <>")


def test_no_segment_carries_timestamps_if_the_peer_offered_none():
    tcp = established()
    tcp.send(10)
    tcp.expect("P. 1:11(10) ack 1 <>")
    tcp.rx("P. 1:11(10) ack 11 <TS val 8000 ecr 0>")
    tcp.at(ms=40)
    tcp.expect(". 11:11(0) ack 11 <>")


def test_the_echo_is_of_the_segment_that_the_ack_is_for():
    """RFC 7323, 4.3: with a delayed ACK the first; out of order the last in order."""
    tcp = established(timestamps=True)
    tcp.rx("P. 1:101(100) ack 1 <TS val 8000 ecr 0>", "P. 101:201(100) ack 1 <TS val 8100 ecr 0>")
    tcp.at(ms=40)
    tcp.expect(". 1:1(0) ack 201 <TS val 40 ecr 8000>")
    tcp.rx("P. 301:401(100) ack 1 <TS val 8200 ecr 0>")
    tcp.expect(". 1:1(0) ack 201 <TS val 40 ecr 8000>")
    tcp.rx("P. 201:301(100) ack 1 <TS val 8150 ecr 0>")
    tcp.expect(". 1:1(0) ack 401 <TS val 40 ecr 8150>")


def test_offsets_differ_from_connection_to_connection():
    """RFC 7323, 5.4."""
    tcp = listening()
    offsets = set()
    for i in range(8):
        peer = tcp.another(41000 + i)
        peer.rx("S 0:0(0) <TS val 1 ecr 0>")
        peer.expect("S. 0:0(0) ack 1")
        offsets.add(peer.us_ts)
    assert len(offsets) == 8


def test_a_segment_without_the_timestamps_that_were_negotiated_is_tolerated():
    tcp = established(timestamps=True)
    tcp.rx("P. 1:11(10) ack 1 <>")
    assert tcp.recv() == stream(1, 10)


# PAWS (RFC 7323, 5)


def test_an_old_timestamp_is_acknowledged_and_dropped():
    tcp = established(timestamps=True)
    tcp.rx("P. 1:11(10) ack 1 <TS val 6999 ecr 0>")
    tcp.expect(". 1:1(0) ack 1")
    assert tcp.drops() == {"paws": 1}
    with pytest.raises(BlockingIOError):
        tcp.recv()


def test_paws_compares_modulo_2_32():
    tcp = established(timestamps=True)
    tcp.rx("P. 1:11(10) ack 1 <TS val 2147490000 ecr 0>")
    tcp.watch(ms=40)  # acknowledged, and so remembered
    tcp.rx("P. 11:21(10) ack 1 <TS val 4294967295 ecr 0>")
    tcp.watch(ms=40)
    tcp.rx("P. 21:31(10) ack 1 <TS val 5 ecr 0>")
    assert tcp.recv() == stream(1, 30)
    assert tcp.drops() == {}


def test_paws_does_not_stop_a_reset():
    tcp = established(timestamps=True)
    tcp.rx("R. 1:1(0) ack 1 <TS val 1 ecr 0>")
    assert tcp.state == "CLOSED"


def test_after_24_days_of_silence_any_timestamp_is_taken():
    """RFC 7323, 5.5."""
    tcp = established(timestamps=True)
    tcp.at(s=24 * 86400 + 1)
    tcp.rx("P. 1:11(10) ack 1 <TS val 1 ecr 0>")
    assert tcp.recv() == stream(1, 10)


def test_a_timestamp_outside_the_window_is_not_remembered():
    """RFC 7323, 4.3: SEG.SEQ <= Last.ACK.sent."""
    tcp = established(timestamps=True)
    tcp.rx("P. 101:111(10) ack 1 <TS val 9999 ecr 0>")
    tcp.take()
    assert tcp.snapshot()["ts_recent"] == 7000


def test_an_echo_from_the_future_measures_nothing():
    tcp = established(timestamps=True)
    tcp.send(100)
    tcp.take()
    tcp.at(ms=200)
    tcp.expect("P. 1:101(100) ack 1")  # resent: only timestamps could measure now
    rto = tcp.snapshot()["rto"]
    tcp.rx(". 1:1(0) ack 101 <TS val 7200 ecr 999999>")
    assert tcp.snapshot()["rto"] == rto
