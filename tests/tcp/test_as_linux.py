"""Settings with which the stack does as Linux does where the RFCs leave a choice: what the profile `linux` of packetdrill turns on."""

import pytest

from usnet.testing.packetdrill.profiles import LINUX, PROFILES, Profile
from usnet.testing.packetdrill.runner import run_text

OPEN = """0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
{listen}
+0 < S 0:0(0) win 30000 <mss 1000,sackOK,nop,nop>
+0 > S. 0:0(0) ack 1 <mss 1460,nop,nop,sackOK>
+.1 < . 1:1(0) ack 1 win 30000
+0 accept(3, ..., ...) = 4
"""


def holds(text, listen="", **config):
    PROFILES["of a test"] = Profile("of a test", config=config)
    try:
        result = run_text(OPEN.format(listen=listen) + text, profile="of a test")
    finally:
        del PROFILES["of a test"]
    assert result.outcome in ("passed", "failed"), result.text
    return result.outcome == "passed"


BURST = "--strict_segments\n"
CASES = {
    "push_bursts": (2, """+0 write(4, ..., 6000) = 6000
        +0 > . 1:1001(1000) ack 1
        +0 > P. 1001:2001(1000) ack 1
        +0 > . 2001:3001(1000) ack 1
        +0 > P. 3001:4001(1000) ack 1"""),
    "quick_acks": (16, """+0 < P. 1:11(10) ack 1 win 30000
        +0 > . 1:1(0) ack 11
        +.5 < P. 11:21(10) ack 1 win 30000
        +0 > . 1:1(0) ack 21"""),
    "adaptive_acks": (1, """+0 < P. 1:11(10) ack 1 win 30000
        +0 > . 1:1(0) ack 11
        +.01 < P. 11:21(10) ack 1 win 30000
        +0 > . 1:1(0) ack 21"""),
    "minshall": (1, """+0 write(4, ..., 1500) = 1500
        +0 > . 1:1001(1000) ack 1
        +0 > P. 1001:1501(500) ack 1"""),
    "bare_probes": (1, """+0 write(4, ..., 100) = 100
        +0 > P. 1:101(100) ack 1
        +.1 < . 1:1(0) ack 101 win 0
        +0 write(4, ..., 100) = 100
        * > . 100:100(0) ack 1"""),
    "rst_timestamps": (0, ""),
    "more_until_ack": (1, """+0 send(4, ..., 1500, MSG_MORE) = 1500
        +0 > . 1:1001(1000) ack 1
        +.05 < . 1:1(0) ack 1001 win 30000
        +0 > . 1001:1501(500) ack 1"""),
    "wide_growth": (1, """+0 write(4, ..., 5000) = 5000
        +0 > P. 1:5001(5000) ack 1
        +.1 < . 1:1(0) ack 5001 win 30000
        +0 %{ assert tcpi_snd_cwnd == 10, tcpi_snd_cwnd }%"""),
    "cwnd_validation": (0, """+0 write(4, ..., 10000) = 10000
        +0 > . 1:9001(9000) ack 1
        +0 > P. 9001:10001(1000) ack 1
        +.1 < . 1:1(0) ack 10001 win 30000
        +10 write(4, ..., 30000) = 30000
        +0 > . 10001:22001(12000) ack 1"""),
    "rto_spread": (1, """+0 write(4, ..., 100) = 100
        +0 > P. 1:101(100) ack 1
        +.1 < . 1:1(0) ack 101 win 30000
        +0 write(4, ..., 100) = 100
        +0 > P. 101:201(100) ack 1
        +.1 < . 1:1(0) ack 201 win 30000
        +0 write(4, ..., 100) = 100
        +0 > P. 201:301(100) ack 1
        +.3 > P. 201:301(100) ack 1"""),
    "charged_buffers": (1, """+0 setsockopt(4, SOL_SOCKET, SO_SNDBUF, [20000], 4) = 0
        +0 getsockopt(4, SOL_SOCKET, SO_SNDBUF, [40000], [4]) = 0"""),
    "notsent_lowat": (4000, """+0 write(4, ..., 14000) = 14000
        +0 > . 1:10001(10000) ack 1
        +0 poll([{fd=4, events=POLLOUT, revents=0}], 1, 0) = 0"""),
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name, (_, text) in CASES.items() if text])
def test_each_setting_makes_its_difference(name):
    value, text = CASES[name]
    assert holds(text, **{name: value})
    assert not holds(text)


def test_a_reset_carries_timestamps_where_that_is_set():
    text = """0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
        +0 bind(3, ..., ...) = 0
        +0 listen(3, 1) = 0
        +0 < S 0:0(0) win 30000 <mss 1000,nop,nop,TS val 100 ecr 0>
        +0 > S. 0:0(0) ack 1 <...>
        +.1 < . 1:1(0) ack 1 win 30000 <nop,nop,TS val 200 ecr 100>
        +0 accept(3, ..., ...) = 4
        +0 < P. 1:11(10) ack 1 win 30000 <nop,nop,TS val 200 ecr 100>
        +0~+.1 > . 1:1(0) ack 11 <nop,nop,TS val 100 ecr 200>
        +0 close(4) = 0
        +0 > R. 1:1(0) ack 11 <nop,nop,TS val 100 ecr 200>"""
    assert run_text(text, profile="linux").outcome == "passed"
    assert run_text(text, profile="rfc").outcome == "failed"
    assert LINUX.config["rst_timestamps"] == 1


# Without a setting


def test_no_segment_spans_the_end_of_a_record_first_or_again():
    """MSG_EOR: each ends with PSH, waits for nothing behind it, and keeps its end when it is sent again."""
    assert holds("""+0 write(4, ..., 9600) = 9600
        +0 send(4, ..., 800, MSG_EOR) = 800
        +0 send(4, ..., 300, MSG_EOR) = 300
        +0 write(4, ..., 1000) = 1000
        +0 > . 1:9001(9000) ack 1
        +0 > . 9001:10001(1000) ack 1
        +.1 < . 1:1(0) ack 10001 win 30000
        +0 > P. 10001:10401(400) ack 1
        +0 > P. 10401:10701(300) ack 1
        +0 > P. 10701:11701(1000) ack 1
        +.01 < . 1:1(0) ack 10001 win 30000 <sack 10701:11701,nop,nop>
        *  > P. 10001:10401(400) ack 1""")


def test_urgent_data_sets_the_pointer_behind_its_last_byte():
    assert holds("""+0 write(4, ..., 1000) = 1000
        +0 > P. 1:1001(1000) ack 1
        +0 send(4, ..., 10, MSG_OOB) = 10
        +.1 < . 1:1(0) ack 1001 win 30000
        +0 > PU. 1001:1011(10) ack 1 urg 10
        +.1 < . 1:1(0) ack 1011 win 30000
        +0 write(4, ..., 10) = 10
        +0 > P. 1011:1021(10) ack 1""")


def test_a_deferred_connection_is_accepted_with_its_first_data():
    text = """0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
        +0 setsockopt(3, SOL_TCP, TCP_DEFER_ACCEPT, [3], 4) = 0
        +0 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0
        +0 bind(3, ..., ...) = 0
        +0 listen(3, 1) = 0
        +0 < S 0:0(0) win 30000 <mss 1000>
        +0 > S. 0:0(0) ack 1 <mss 1460>
        +.1 < . 1:1(0) ack 1 win 30000
        +0 accept(3, ..., ...) = -1 EAGAIN (not yet)
        +.5 < P. 1:11(10) ack 1 win 30000
        +0 accept(3, ..., ...) = 4
        +0 read(4, ..., 100) = 10"""
    assert run_text(text).outcome == "passed"
    assert run_text(text.replace("[3]", "[0]")).outcome == "failed"


def test_a_deferred_connection_is_accepted_without_data_when_the_time_is_up():
    assert run_text("""0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
        +0 setsockopt(3, SOL_TCP, TCP_DEFER_ACCEPT, [3], 4) = 0
        +0 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0
        +0 bind(3, ..., ...) = 0
        +0 listen(3, 1) = 0
        +0 < S 0:0(0) win 30000 <mss 1000>
        +0 > S. 0:0(0) ack 1 <mss 1460>
        +.1 < . 1:1(0) ack 1 win 30000
        2.9~3.1 > S. 0:0(0) ack 1 <mss 1460>
        +0 < . 1:1(0) ack 1 win 30000
        +0 accept(3, ..., ...) = 4""").text == ""


def test_syns_are_sent_again_as_often_as_asked_for():
    assert run_text("""0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
        +0 setsockopt(3, SOL_TCP, TCP_SYNCNT, [1], 4) = 0
        +0...3 connect(3, ..., ...) = -1 ETIMEDOUT (nobody)
        +0 > S 0:0(0) <...>
        +1 > S 0:0(0) <...>""").outcome == "passed"


def test_a_clamped_window_is_never_offered_wider():
    assert run_text("""0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
        +0 setsockopt(3, SOL_TCP, TCP_WINDOW_CLAMP, [5000], 4) = 0
        +0 bind(3, ..., ...) = 0
        +0 listen(3, 1) = 0
        +0 < S 0:0(0) win 30000 <mss 1000>
        +0 > S. 0:0(0) ack 1 win 5000 <mss 1460>
        +.1 < . 1:1(0) ack 1 win 30000
        +0 accept(3, ..., ...) = 4
        +0 getsockopt(4, SOL_TCP, TCP_WINDOW_CLAMP, [5000], [4]) = 0""").text == ""


def test_an_acknowledgement_of_what_was_never_sent_leaves_the_timestamp_alone():
    assert run_text("""0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
        +0 bind(3, ..., ...) = 0
        +0 listen(3, 1) = 0
        +0 < S 0:0(0) win 20000 <mss 1000,sackOK,TS val 100 ecr 0>
        +0 > S. 0:0(0) ack 1 <mss 1460,sackOK,TS val 100 ecr 100>
        +.1 < . 1:1(0) ack 1 win 20000 <nop,nop,TS val 200 ecr 100>
        +0 accept(3, ..., ...) = 4
        +0 < . 1:1(0) ack 9999 win 20000 <nop,nop,TS val 200000 ecr 100>
        +0 > . 1:1(0) ack 1 <nop,nop,TS val 200 ecr 200>
        +0 < P. 1:1001(1000) ack 1 win 20000 <nop,nop,TS val 201 ecr 100>
        +0~+.1 > . 1:1(0) ack 1001 <nop,nop,TS val 200 ecr 201>""").text == ""
