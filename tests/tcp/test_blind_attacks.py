"""What somebody who does not see the segments may try (RFC 5961, 5927, 6528, 6056), and storms between honest ends."""

import errno
from itertools import pairwise

import pytest

from usnet.testing.peer import established, listening, syn_received, syn_sent


@pytest.mark.parametrize(
    ("arrives", "least"),
    [
        ("R 5:5(0)", 1),
        ("S 5:5(0)", 1),
        ("S. 0:0(0) ack 1", 1),
        (". 1:1(0) ack 99", 1),
        (". 1:1(0) ack -99999", 1),
        (". 99999:99999(0) ack 1", 1),
        (". 0:0(0) ack 1", 1),
    ],
)
def test_challenges_come_at_a_limited_rate(arrives, least):
    """RFC 5961, 7; abuse R8: no ACK loop between two ends."""
    tcp = established()
    for _ in range(100):
        tcp.rx(arrives)
    assert len(tcp.take()) == least
    tcp.after(ms=500)
    tcp.rx(arrives)
    assert len(tcp.take()) == 1
    assert tcp.counters()["challenge_acks"] == 2


def test_the_limit_is_each_connections_own():
    """CVE-2016-5696: a shared limit is a side channel."""
    tcp = listening()
    one, two = tcp.another(41000).handshake(), tcp.another(41001).handshake()
    one.rx("R 5:5(0)")
    one.expect(". 1:1(0) ack 1")
    two.rx("R 5:5(0)")
    two.expect(". 1:1(0) ack 1")


def test_text_outside_the_window_is_answered_each_time():
    """It may be a lost ACK's retransmission: RFC 9293, 3.10.7.4."""
    tcp = established()
    for _ in range(5):
        tcp.rx("P. -9:1(10) ack 1")
        tcp.expect(". 1:1(0) ack 1")


# ICMP errors (RFC 5927; RFC 9293, 3.9.2.2)

PORT, HOST, NET, PROTOCOL, FRAG = 3, 1, 0, 2, 4


@pytest.mark.parametrize("code", range(16))
def test_no_icmp_error_ends_an_established_connection(code):
    tcp = established()
    tcp.send(100)
    tcp.take()
    tcp.rx_icmp(3, code, seq=1)
    tcp.rx_icmp(11, 0, seq=1)
    tcp.rx_icmp(12, 0, seq=1)
    assert tcp.state == "ESTABLISHED"


def test_a_closed_port_refuses_an_attempt():
    tcp = syn_sent()
    tcp.rx_icmp(3, PORT, seq=0)
    assert tcp.state == "CLOSED"
    assert tcp.sock.getsockopt(1, 4) == errno.ECONNREFUSED


@pytest.mark.parametrize("seq", [-1, 1, 5000])
def test_an_error_about_what_is_not_in_flight_is_ignored(seq):
    tcp = syn_sent()
    tcp.rx_icmp(3, PORT, seq=seq)
    assert tcp.state == "SYN_SENT"
    assert tcp.drops() == {"icmp": 1}


def test_source_quench_is_ignored():
    """RFC 6633."""
    tcp = established(mss=1000)
    tcp.send(5000)
    tcp.take()
    before = tcp.snapshot()["cc"]
    tcp.rx_icmp(4, 0, seq=1)
    assert tcp.snapshot()["cc"] == before


def test_a_smaller_path_cuts_the_segments():
    """RFC 1191."""
    tcp = established()
    tcp.send(3000)
    assert [s.length for s in tcp.take()] == [1460, 1460]
    tcp.rx_icmp(3, FRAG, rest=1000, seq=1)
    assert tcp.take()[0].length == 960
    tcp.rx(". 1:1(0) ack 961")
    assert tcp.snapshot()["mss"] == 960


@pytest.mark.parametrize("mtu", [1, 68, 551])
def test_a_forged_smaller_path_has_a_floor(mtu):
    """Abuse F8."""
    tcp = established()
    tcp.send(3000)
    tcp.take()
    tcp.rx_icmp(3, FRAG, rest=mtu, seq=1)
    assert tcp.snapshot()["mss"] == 512


@pytest.mark.parametrize("seq", [0, -5, 2921, 100000])
def test_a_smaller_path_must_quote_what_is_in_flight(seq):
    tcp = established()
    tcp.send(3000)
    tcp.take()
    tcp.rx_icmp(3, FRAG, rest=1000, seq=seq)
    tcp.expect_nothing()
    assert tcp.snapshot()["mss"] == 1460


def test_a_path_never_grows_by_icmp():
    tcp = established(mss=1000)
    tcp.send(3000)
    tcp.take()
    tcp.rx_icmp(3, FRAG, rest=9000, seq=1)
    assert tcp.snapshot()["mss"] == 1000


def test_too_big_does_not_resend_a_syn():
    tcp = syn_sent()
    tcp.rx_icmp(3, FRAG, rest=560, seq=0)
    tcp.expect_nothing()


# Initial sequence numbers (RFC 6528)


def isns(n, **kwargs):
    tcp = listening(**kwargs)
    found = []
    for i in range(n):
        peer = tcp.another(41000 + i)
        peer.rx("S 0:0(0)")
        peer.take()
        found.append(peer.us_isn)
    return found


def test_each_pair_of_ends_has_its_own_numbers():
    found = isns(64)
    assert len(set(found)) == 64
    gaps = sorted((b - a) & 0xFFFFFFFF for a, b in pairwise(found))
    assert gaps[0] > 1000 and gaps[len(gaps) // 2] > 1 << 27


def test_the_secret_is_each_stacks_own():
    assert isns(1, seed=1) != isns(1, seed=2)


def test_the_same_ends_get_larger_numbers_as_time_passes():
    """The clock of 4 us: 250,000 a second."""
    tcp = listening()
    found = []
    for i in range(5):
        tcp.at(s=i)
        tcp.us_isn = None
        tcp.rx("S 0:0(0)")
        tcp.expect("S. 0:0(0) ack 1")
        found.append(tcp.us_isn)
        tcp.rx("R 1:1(0)")
    assert [(b - a) & 0xFFFFFFFF for a, b in pairwise(found)] == [250_000] * 4


# Storms


def test_a_reset_is_never_answered():
    for tcp in (established(), syn_received(), syn_sent(), listening()):
        tcp.rx("R. 77777:77777(0) ack 5", "R 77777:77777(0)", "R -5:-5(0)")
        assert all("R" not in s.flags for s in tcp.take())


def test_there_may_be_a_limit_for_all_connections_together():
    """RFC 5961, 7, as a setting; drawn anew each second, so that nobody can count what others have used (CVE-2016-5696)."""
    tcp = listening(challenge_limit=20, backlog=64)
    peers = [tcp.another(41000 + i).handshake() for i in range(60)]
    answered = []
    for _ in range(8):
        for peer in peers:
            peer.rx("R 5:5(0)")
        answered.append(sum(len(peer.take()) for peer in peers))
        tcp.after(s=1)
    assert all(10 <= n < 30 for n in answered)
    assert len(set(answered)) > 3
    assert tcp.counters()["challenges_skipped"] == 8 * 60 - sum(answered)


@pytest.mark.parametrize("arrives", ["S 5:15(10)", "R 5:15(10)"])
def test_what_carries_data_is_challenged_at_the_same_rate(arrives):
    tcp = established()
    for _ in range(20):
        tcp.rx(arrives)
    assert len(tcp.take()) == 1
