"""What Linux's sysctls of recovery switch: tcp_reordering, tcp_max_reordering, the bits of tcp_recovery, tcp_thin_linear_timeouts."""

from itertools import pairwise

from tests.tcp.recovering import flying, sent
from usnet.testing.packetdrill.profiles import LINUX
from usnet.testing.peer import established


def test_without_sack_so_many_duplicates_mean_a_loss():
    for thresh in (2, 5):
        tcp = established(mss=1000, reordering=thresh, congestion="newreno")
        tcp.send(8000)
        tcp.take()
        for _ in range(thresh - 1):
            tcp.rx(". 1:1(0) ack 1")
        assert tcp.take() == []
        tcp.rx(". 1:1(0) ack 1")
        assert sent(tcp) == [1]


def test_with_sack_so_many_reports_do():
    """RFC 6675: by blocks, and by bytes above a hole."""
    tcp = flying(recovery=0, reordering=5)
    for end in (2001, 3001, 4001, 5001):
        tcp.rx(f". 1:1(0) ack 1 <sack 1001:{end}>")
    assert tcp.take() == []
    tcp.rx(". 1:1(0) ack 1 <sack 1001:6001>")
    assert sent(tcp)[0] == 1


def test_rack_waits_no_longer_when_so_many_are_reported():
    tcp = flying(reordering=5)
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 1 <sack 1001:5001>")
    assert tcp.take() == []
    tcp.rx(". 1:1(0) ack 1 <sack 1001:6001>")
    assert sent(tcp)[0] == 1


def test_rack_may_do_without_that_number():
    """Then its window of a quarter of the round trip counts."""
    tcp = flying(rack_no_dupthresh=1)
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 1 <sack 1001:9001>")
    tcp.after(ms=24)
    tcp.expect_nothing()
    tcp.after(ms=1)
    assert sent(tcp)[0] == 1


def test_racks_window_may_stay_as_it_is_whatever_is_reported_twice():
    tcp = flying(rack_static_reo_wnd=1)
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 1 <sack 1001:2001>", ". 1:1(0) ack 2001", ". 1:1(0) ack 2001 <sack 4001:7001>")
    tcp.after(ms=25)
    tcp.expect(". 2001:3001(1000) ack 1")
    tcp.rx(". 1:1(0) ack 2001 <sack 4001:8001>")
    tcp.take()
    tcp.rx(". 1:1(0) ack 8001", ". 1:1(0) ack 8001 <sack 2001:3001>", ". 1:1(0) ack 8001 <sack 3001:4001>")
    assert tcp.snapshot()["reo_wnd_steps"] == 0


def test_no_more_reordering_is_believed_than_max_reordering():
    seen = []
    for most in (300, 6):
        tcp = flying(max_reordering=most)
        tcp.after(ms=100)
        tcp.rx(". 1:1(0) ack 1 <sack 9001:10001>", ". 1:1(0) ack 1001 <sack 9001:10001>")
        seen.append(tcp.snapshot()["reordering"])
    assert seen == [10, 6]


def test_a_reordering_that_duplicates_allow_for_is_none_to_remember():
    tcp = flying(reordering=20)
    tcp.after(ms=100)
    tcp.rx(". 1:1(0) ack 1 <sack 9001:10001>", ". 1:1(0) ack 1001 <sack 9001:10001>")
    assert (tcp.snapshot()["reordering"], tcp.snapshot()["reord_seen"]) == (0, 1)


def gaps(n, **kwargs):
    """ms between the retransmissions of n segments that nobody acknowledges."""
    tcp = established(mss=1000, data_retries=15, **kwargs)
    tcp.send(n * 1000)
    tcp.take()
    times = [0.0] + [at for at, _ in tcp.watch(s=20)]
    return [round(b - a) for a, b in pairwise(times)]


def test_few_segments_are_sent_again_six_times_before_the_time_doubles():
    assert gaps(3, thin_linear_timeouts=1)[:9] == [200] * 7 + [400, 800]
    assert gaps(4, thin_linear_timeouts=1)[:3] == [200, 400, 800]
    assert gaps(3)[:3] == [200, 400, 800]


def test_a_script_that_sets_a_sysctl_gets_what_it_asks_for():
    asked = {
        "tcp_recovery": {
            "0": {"recovery": 0}, "1": {"recovery": 1, "rack_static_reo_wnd": False}, "7": {"rack_static_reo_wnd": True, "rack_no_dupthresh": True},
        },
        "tcp_early_retrans": {"0": {"probes": False}, "3": {"probes": True}, "4": {"probes": True}, "2": {"probes": False}},
        "tcp_frto": {"0": {"frto": False}, "2": {"frto": True}},
        "tcp_dsack": {"0": {"dsack": False}},
        "tcp_reordering": {"10": {"reordering": 10}},
        "tcp_max_reordering": {"100": {"max_reordering": 100}},
        "tcp_thin_linear_timeouts": {"1": {"thin_linear_timeouts": True}},
        "tcp_rto_min_us": {"40000": {"rto_min": 40_000_000}},
        "tcp_rto_max_ms": {"5000": {"rto_max": 5_000_000_000}},
        "tcp_pacing_ss_ratio": {"150": {"pacing_slow_start": 150}},
    }
    tcp = established()
    for name, values in asked.items():
        for text, settings in values.items():
            given = LINUX.sysctls[f"net.ipv4.{name}"](text)
            assert given.items() >= settings.items()
            tcp.cable.stack.configure(**given)
