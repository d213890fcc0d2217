"""ICMP errors by RFC 5927: which segment they must quote, what they end in which state, which errno says so, and who believes in a smaller path."""

import errno

import pytest

from usnet.testing.peer import established, fin_wait_1, last_ack, syn_received, syn_sent

RFC, LINUX, FREEBSD = range(3)
NET, HOST, PROTOCOL, PORT, FRAG, SOURCE_ROUTE, NO_NET, NO_HOST, ISOLATED, NET_FORBIDS, HOST_FORBIDS = range(11)
FILTER = 13
UNREACHABLE, QUENCH, EXCEEDED, PARAMETER = 3, 4, 11, 12


def error_of(tcp):
    return tcp.sock.getsockopt(1, 4)


@pytest.mark.parametrize(
    ("rules", "kind", "code", "number"),
    [
        (LINUX, UNREACHABLE, NET, errno.ENETUNREACH),
        (LINUX, UNREACHABLE, HOST, errno.EHOSTUNREACH),
        (LINUX, UNREACHABLE, PROTOCOL, errno.ENOPROTOOPT),
        (LINUX, UNREACHABLE, PORT, errno.ECONNREFUSED),
        (LINUX, UNREACHABLE, SOURCE_ROUTE, errno.EOPNOTSUPP),
        (LINUX, UNREACHABLE, NO_HOST, errno.EHOSTDOWN),
        (LINUX, UNREACHABLE, ISOLATED, errno.ENONET),
        (LINUX, UNREACHABLE, FILTER, errno.EHOSTUNREACH),
        (LINUX, EXCEEDED, 0, errno.EHOSTUNREACH),
        (LINUX, PARAMETER, 0, errno.EPROTO),
        (FREEBSD, UNREACHABLE, PROTOCOL, errno.ECONNREFUSED),
        (FREEBSD, UNREACHABLE, PORT, errno.ECONNREFUSED),
        (FREEBSD, UNREACHABLE, NET_FORBIDS, errno.ECONNREFUSED),
        (FREEBSD, UNREACHABLE, HOST_FORBIDS, errno.ECONNREFUSED),
        (FREEBSD, UNREACHABLE, FILTER, errno.ECONNREFUSED),
        (FREEBSD, EXCEEDED, 0, errno.EHOSTUNREACH),
        (RFC, UNREACHABLE, NET, errno.ENETUNREACH),
        (RFC, UNREACHABLE, HOST, errno.EHOSTUNREACH),
        (RFC, UNREACHABLE, PROTOCOL, errno.ECONNREFUSED),
        (RFC, UNREACHABLE, PORT, errno.ECONNREFUSED),
        (RFC, UNREACHABLE, FILTER, errno.EHOSTUNREACH),
    ],
)
def test_a_hard_error_ends_an_attempt(rules, kind, code, number):
    tcp = syn_sent(error_rules=rules)
    tcp.rx_icmp(kind, code, seq=0)
    assert tcp.state == "CLOSED"
    assert error_of(tcp) == number
    assert tcp.counters()["icmp_hard"] == 1


@pytest.mark.parametrize(
    ("rules", "kind", "code", "number"),
    [
        (FREEBSD, UNREACHABLE, NET, errno.EHOSTUNREACH),
        (FREEBSD, UNREACHABLE, NO_NET, errno.EHOSTUNREACH),
        (FREEBSD, PARAMETER, 0, errno.ENOPROTOOPT),
        (RFC, EXCEEDED, 0, errno.EHOSTUNREACH),
        (RFC, PARAMETER, 0, errno.EPROTO),
    ],
)
def test_a_soft_one_is_told_when_the_attempt_times_out(rules, kind, code, number):
    tcp = syn_sent(error_rules=rules, syn_retries=1)
    tcp.rx_icmp(kind, code, seq=0)
    assert tcp.state == "SYN_SENT"
    assert error_of(tcp) == 0
    assert tcp.counters()["icmp_soft"] == 1
    tcp.watch(s=3)
    assert tcp.state == "CLOSED"
    assert error_of(tcp) == number


@pytest.mark.parametrize("rules", [LINUX, FREEBSD, RFC])
@pytest.mark.parametrize(("kind", "code"), [(QUENCH, 0), (5, 1), (UNREACHABLE, 16), (UNREACHABLE, 255), (18, 0)])
def test_others_mean_nothing(rules, kind, code):
    """Source quench (RFC 6633), redirects, codes that nobody has defined."""
    tcp = syn_sent(error_rules=rules, syn_retries=0)
    tcp.rx_icmp(kind, code, seq=0)
    tcp.watch(s=1)
    assert error_of(tcp) == errno.ETIMEDOUT


def test_none_ends_an_attempt_where_that_is_switched_off():
    tcp = syn_sent(icmp_ends=0, syn_retries=0)
    tcp.rx_icmp(UNREACHABLE, PORT, seq=0)
    assert tcp.state == "SYN_SENT"
    tcp.watch(s=1)
    assert error_of(tcp) == errno.ECONNREFUSED


@pytest.mark.parametrize("state", [established, fin_wait_1, last_ack])
def test_a_connection_that_is_up_ends_by_its_timers_alone(state):
    """And then says why, if nothing has arrived since."""
    tcp = state(data_retries=2, orphan_retries=2)
    if state is established:
        tcp.send(100)
    tcp.take()
    before = tcp.state
    tcp.rx_icmp(UNREACHABLE, PORT, seq=1)
    assert tcp.state == before
    tcp.watch(s=10)
    if state is established:
        assert error_of(tcp) == errno.ECONNREFUSED
    assert tcp.state in (None, "CLOSED")


def test_an_error_about_what_has_arrived_since_is_forgotten():
    tcp = established(data_retries=1)
    tcp.send(100)
    tcp.take()
    tcp.rx_icmp(UNREACHABLE, HOST, seq=1)
    tcp.rx(". 1:1(0) ack 101")
    tcp.send(100)
    tcp.take()
    tcp.watch(s=10)
    assert error_of(tcp) == errno.ETIMEDOUT


@pytest.mark.parametrize(
    ("code", "rules", "ends"), [(NET, LINUX, True), (HOST, LINUX, True), (PORT, LINUX, False), (HOST, FREEBSD, False), (HOST, RFC, False)]
)
def test_a_half_open_connection_goes_when_its_peer_cannot_be_reached(code, rules, ends):
    """What a flood from invented addresses leaves in the SYN queue."""
    tcp = syn_received(error_rules=rules)
    tcp.rx_icmp(UNREACHABLE, code, seq=1)
    assert tcp.state == "SYN_RECEIVED"
    tcp.rx_icmp(UNREACHABLE, code, seq=0)
    assert (tcp.state is None) == ends


@pytest.mark.parametrize(("rules", "error"), [(RFC, errno.EPIPE), (LINUX, errno.EPIPE), (FREEBSD, errno.ECONNRESET)])
def test_a_reset_behind_the_peers_fin_has_an_errno_by_the_same_rules(rules, error):
    tcp = established(error_rules=rules)
    tcp.rx("F. 1:1(0) ack 1")
    tcp.take()
    tcp.rx("R 2:2(0)")
    assert error_of(tcp) == error


# --- Path MTU (RFC 1191; RFC 5927, 7) ---


def proven(**kwargs):
    """Ten full segments have arrived, one more is out."""
    tcp = established(**kwargs)
    tcp.send(14600)
    tcp.take()
    tcp.rx(". 1:1(0) ack 14601")
    tcp.send(1460)
    tcp.take()
    return tcp


def test_a_smaller_path_is_not_believed_while_large_segments_arrive():
    tcp = proven()
    tcp.rx_icmp(UNREACHABLE, FRAG, rest=1000, seq=14601)
    assert tcp.snapshot()["mss"] == 1460
    assert tcp.counters()["mtu_doubted"] == 1


def test_a_smaller_path_is_believed_when_they_arrive_no_more():
    tcp = proven()
    tcp.rx_icmp(UNREACHABLE, FRAG, rest=1000, seq=14601)
    tcp.at(ms=200)
    tcp.expect("P. 14601:16061(1460) ack 1")
    tcp.rx_icmp(UNREACHABLE, FRAG, rest=1000, seq=14601)
    assert tcp.snapshot()["mss"] == 960


def test_patience_is_a_setting():
    tcp = proven(mtu_patience=0)
    tcp.rx_icmp(UNREACHABLE, FRAG, rest=1000, seq=14601)
    assert tcp.snapshot()["mss"] == 960


@pytest.mark.parametrize(("mss", "then"), [(1460, 1452), (1452, 966), (900, 512)])
def test_a_router_that_names_no_size_means_the_next_plateau(mss, then):
    """RFC 1191, 7.1; never below the floor."""
    tcp = established(mss=mss)
    tcp.send(3000)
    tcp.take()
    tcp.rx_icmp(UNREACHABLE, FRAG, rest=0, seq=1)
    assert tcp.snapshot()["mss"] == then
