"""When SYNs and SYN-ACKs are sent again, how often, and as what (RFC 6298, 5; RFC 9293, 3.8.3; Linux's and FreeBSD's ways as settings)."""

import errno

import pytest

from usnet.testing.peer import syn_received, syn_sent


def again(tcp, s):
    return [round(when / 1000) for when, _ in tcp.watch(s=s)]


@pytest.mark.parametrize(
    ("settings", "times", "end"),
    [
        ({}, [1, 3, 7, 15, 31, 63, 123], 183),
        ({"syn_retries": 3}, [1, 3, 7], 15),
        ({"syn_retries": 0}, [], 1),
        ({"syn_retries": 6, "syn_linear": 4}, [1, 2, 3, 4, 5, 7], 11),
        ({"syn_retries": 3, "rto_initial": 3 * 10**9}, [3, 9, 21], 45),
        ({"syn_retries": 4, "rto_max": 2 * 10**9}, [1, 3, 5, 7], 9),
    ],
)
def test_syns_come_again_at_these_seconds_and_then_no_more(settings, times, end):
    tcp = syn_sent(**settings)
    assert again(tcp, end - 0.001) == times
    assert tcp.state == "SYN_SENT"
    assert tcp.watch(s=0.002) == []
    assert tcp.state == "CLOSED"
    assert tcp.sock.getsockopt(1, 4) == errno.ETIMEDOUT


@pytest.mark.parametrize(
    ("settings", "times", "end"),
    [
        ({}, [1, 3, 7, 15, 31], 63),
        ({"synack_retries": 2}, [1, 3], 7),
        ({"syn_linear": 4, "synack_retries": 2}, [1, 3], 7),
    ],
)
def test_syn_acks_come_again_at_these_seconds_and_then_no_more(settings, times, end):
    tcp = syn_received(**settings)
    assert again(tcp, end - 0.001) == times
    assert tcp.state == "SYN_RECEIVED"
    assert tcp.watch(s=0.002) == []
    assert tcp.state is None


def test_the_last_syns_leave_options_out_where_that_is_asked_for():
    """For paths on which somebody drops what has them; what is not offered is not agreed on either."""
    tcp = syn_sent(syn_plain=2)
    tcp.at(s=1)
    tcp.expect("S 0:0(0) <mss 1460,sackOK,TS,wscale 5>")
    tcp.at(s=3)
    (syn,) = tcp.expect("S 0:0(0)")
    assert syn.options == {"mss": 1460}
    tcp.rx("S. 0:0(0) ack 1 <mss 1000,sackOK,wscale 7>")
    (ack,) = tcp.expect(". 1:1(0) ack 1")
    assert ack.options == {}
    assert tcp.snapshot()["snd_wscale"] == tcp.snapshot()["rcv_wscale"] == 0
    assert ack.win == 65535
