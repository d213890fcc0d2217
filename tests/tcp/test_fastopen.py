"""Fast Open (RFC 7413): what goes with a SYN, what comes with one, and whom neither side believes. The public scripts for it are in
tests/conformance/passing; here is what they leave out."""

import contextlib

import pytest

import usnet
from usnet.backends.pair import make_pair
from usnet.sockets.fastopen import MSG_FASTOPEN, TCP_FASTOPEN_KEY, set_keys
from usnet.testing.packetdrill.machine import Machine
from usnet.testing.packetdrill.runner import run_text
from usnet.wire.raw import RawTcp

COOKIE = "3021b9d889017eeb"  # of 192.0.2.1 for 192.168.0.1, by the first key
KEY, OTHER = "a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4", "00000001-00000002-00000003-00000004"
LISTENS = """0 `sysctl -q net.ipv4.tcp_fastopen=0x3
sysctl -q net.ipv4.tcp_fastopen_key=""" + KEY + """`
+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 10) = 0
"""
QUEUE = "+0 setsockopt(3, SOL_TCP, TCP_FASTOPEN, [{}], 4) = 0\n"
SYN = "+0 < S 0:{n}({n}) win 65535 <mss 1000,sackOK,nop,nop,FO {cookie},nop,nop>\n"
TAKEN = LISTENS + QUEUE.format(5) + SYN.format(n=10, cookie=COOKIE) + "+0 > S. 0:0(0) ack 11 <mss 1460,nop,nop,sackOK>\n"
ACCEPTED = TAKEN + "+0 accept(3, ..., ...) = 4\n"
CLIENT = """0 `sysctl -q net.ipv4.tcp_timestamps=0 net.ipv4.tcp_window_scaling=0 net.ipv4.tcp_sack=0`
+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0
+0 sendto(3, ..., 0, MSG_FASTOPEN, ..., ...) = -1 EINPROGRESS (Operation now in progress)
+0 > S 0:0(0) <mss 1460,FO,nop,nop>
+.01 < S. 0:0(0) ack 1 win 60000 <mss 1000,FO abcd1234,nop,nop>
+0 > . 1:1(0) ack 1
+0 close(3) = 0
+0 > F. 1:1(0) ack 1
+0 < R. 1:1(0) ack 2 win 0
+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 4
+0 fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = 0
"""
"""A client that has a cookie, and a new socket."""


def holds(text, profile="linux"):
    result = run_text(text, profile=profile)
    assert (result.outcome, result.text) == ("passed", "")


# --- Listeners ---


def test_a_listener_that_was_not_asked_takes_no_data():
    holds(LISTENS + SYN.format(n=10, cookie=COOKIE) + "+0 > S. 0:0(0) ack 1 <mss 1460,nop,nop,sackOK>")


def test_a_stack_that_may_not_serve_takes_no_data():
    holds(TAKEN.replace("tcp_fastopen=0x3", "tcp_fastopen=0x1").replace("ack 11", "ack 1"))


@pytest.mark.parametrize("cookie", ["3021b9d889017eec", "3021b9d8", "3021b9d889017eeb0000"])
def test_a_cookie_that_is_not_ours_takes_nothing_and_earns_ours(cookie):
    pad = ",nop,nop" if len(cookie) // 2 % 4 in (0, 2) and len(cookie) != 20 else ""
    syn = f"+0 < S 0:10(10) win 65535 <mss 1000,sackOK,nop,nop,FO {cookie}{pad}>\n"
    holds(LISTENS + QUEUE.format(5) + syn + f"+0 > S. 0:0(0) ack 1 <mss 1460,nop,nop,sackOK,FO {COOKIE},nop,nop>")


def test_a_cookie_of_the_key_before_is_taken_and_replaced():
    """RFC 7413, 4.1.2: rotation."""
    rotated = TAKEN.replace(KEY, f"{OTHER},{KEY}")
    result = run_text(rotated.replace("sackOK>\n", "sackOK>\n", 1), profile="linux")
    assert result.outcome == "failed" and "FO " in result.text  # a cookie of the new key comes with the SYN-ACK
    assert "ack 11" in result.text and COOKIE not in result.text


def test_keys_are_read_as_they_were_set():
    with usnet.Stack(make_pair()[0], "10.0.0.1/24", seed=1) as stack:
        sock = stack.socket()
        assert len(sock.getsockopt(6, TCP_FASTOPEN_KEY, 32)) == 16
        set_keys(stack, b"0123456789abcdef", b"ghijklmnopqrstuv")
        assert sock.getsockopt(6, TCP_FASTOPEN_KEY, 32) == b"0123456789abcdefghijklmnopqrstuv"
        sock.setsockopt(6, TCP_FASTOPEN_KEY, b"x" * 16)
        assert sock.getsockopt(6, TCP_FASTOPEN_KEY, 32) == b"x" * 16
        with pytest.raises(OSError, match="Invalid"):
            sock.setsockopt(6, TCP_FASTOPEN_KEY, b"x" * 15)
        with pytest.raises(ValueError, match="16 bytes"):
            set_keys(stack, b"short")
        sock.close()


def test_a_cookie_is_given_once_with_the_first_syn_ack():
    holds(LISTENS + QUEUE.format(5) + """+0 < S 0:0(0) win 65535 <mss 1000,FO,nop,nop>
+0 > S. 0:0(0) ack 1 <mss 1460,FO """ + COOKIE + """,nop,nop>
+1 > S. 0:0(0) ack 1 <mss 1460>""")


@pytest.mark.parametrize(("limit", "ack"), [(1, 1), (2, 11)])
def test_how_many_may_be_pending_is_the_listeners_to_say(limit, ack):
    with Listener(limit) as one:
        assert one.syn(1) == 11
        assert one.syn(2) == ack
        one.acknowledge(1)
        assert one.syn(3) == 11


def test_what_the_peer_reset_counts_as_pending_for_a_minute():
    with Listener(1) as one:
        assert one.syn(1) == 11
        one.reset(1)
        assert one.syn(2) == 1
        one.pass_time(59)
        assert one.syn(3) == 1
        one.pass_time(2)
        assert one.syn(4) == 11


def test_a_listener_that_is_closed_leaves_nothing_behind():
    with Listener(3) as one:
        for port in (1, 2, 3):
            assert one.syn(port) == 11
        one.reset(2)
        accepted, _ = one.listener.accept()
        one.listener.close()
        one.acknowledge(1)
        accepted.close()
        one.run()
        assert one.stack.core.connections() == []


class Listener:
    """A stack with a listener for Fast Open, and peers at the other end of the wire, each a port."""

    PEER, US = "10.0.0.2", "10.0.0.1"

    def __init__(self, limit):
        self.machine = Machine(self.US, self.PEER, 1500, {"fastopen": 0x202, "challenge_interval": 0})
        self.stack = self.machine.stack
        self.listener = self.stack.socket()
        self.listener.setblocking(False)
        self.listener.bind((self.US, 80))
        self.listener.listen(20)
        self.listener.setsockopt(6, 23, limit)
        self.isn = {}

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.machine.close()

    def put(self, port, flags, seq=0, ack=0, payload=b""):
        segment = RawTcp(1000 + port, 80, seq, ack, flags, 65535, 0, [("mss", 1000)] if flags & 2 else [], payload)
        self.machine.put(6, segment.to_bytes(self.PEER, self.US))

    def run(self):
        self.machine.run()

    def syn(self, port):
        """How far the SYN-ACK acknowledges a SYN with ten bytes."""
        self.machine.left.clear()
        self.put(port, 0x02, payload=bytes(10))
        (seen,) = self.machine.left
        assert seen.tcp.flags == 0x12
        self.isn[port] = seen.tcp.seq
        return seen.tcp.ack

    def acknowledge(self, port):
        self.put(port, 0x10, 11, (self.isn[port] + 1) & 0xFFFFFFFF)

    def reset(self, port):
        self.put(port, 0x04, 11)

    def pass_time(self, seconds):
        until = self.machine.now + seconds * 10**9
        while not self.machine.step(until):
            pass


# --- A connection that was taken with its SYN ---


def test_data_leaves_before_the_handshake_ends_and_the_syn_ack_alone_is_repeated():
    holds(ACCEPTED + """+0 write(4, ..., 500) = 500
+0 > P. 1:501(500) ack 11
+1 > S. 0:0(0) ack 11 <mss 1460,nop,nop,sackOK>
+.1 < . 11:11(0) ack 1 win 65535
+1~+4 > P. 1:501(500) ack 11
+.1 < . 11:11(0) ack 501 win 65535
+0 %{ assert tcpi_state == TCP_ESTABLISHED; assert tcpi_unacked == 0 }%""")


def test_one_ack_may_confirm_the_handshake_and_data():
    holds(ACCEPTED + """+0 write(4, ..., 500) = 500
+0 > P. 1:501(500) ack 11
+.1 < . 11:11(0) ack 501 win 65535
+0 %{ assert tcpi_unacked == 0 and tcpi_state == TCP_ESTABLISHED }%
+5 write(4, ..., 100) = 100
+0 > P. 501:601(100) ack 11""")


def test_the_same_syn_again_is_answered_again_and_its_data_taken_once():
    holds(ACCEPTED + SYN.format(n=10, cookie=COOKIE) + """+0 > S. 0:0(0) ack 11 <mss 1460,nop,nop,sackOK>
+.1 < . 11:11(0) ack 1 win 65535
+0 read(4, ..., 100) = 10
+0 fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = 0
+0 read(4, ..., 100) = -1 EAGAIN (Resource temporarily unavailable)""")


def test_closed_before_the_handshake_ends_it_sends_its_fin_at_once():
    holds(ACCEPTED + """+0 read(4, ..., 100) = 10
+0 close(4) = 0
+0 > F. 1:1(0) ack 11
+.1 < . 11:11(0) ack 2 win 65535
+0 < F. 11:11(0) ack 2 win 65535
+0 > . 2:2(0) ack 12""")


def test_a_handshake_that_never_ends_is_told_to_who_accepted():
    holds("""0 `sysctl -q net.ipv4.tcp_synack_retries=1`
""" + ACCEPTED[2:].join(["+0 ", ""]) + """+0 read(4, ..., 100) = 10
+1 > S. 0:0(0) ack 11 <mss 1460,nop,nop,sackOK>
+10 read(4, ..., 100) = -1 ETIMEDOUT (Connection timed out)""")


# --- Clients ---


def test_what_waits_beyond_the_syn_follows_with_its_acknowledgement():
    blocking = CLIENT.replace("fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK)", "fcntl(4, F_SETFL, O_RDWR)")
    holds(blocking + """+0...0.050 sendto(4, ..., 2960, MSG_FASTOPEN, ..., ...) = 2960
+0 > S 0:960(960) <mss 1460,FO abcd1234,nop,nop>
+.05 < S. 0:0(0) ack 961 win 60000 <mss 1000>
+0 > P. 961:2961(2000) ack 1""")


def test_without_a_cookie_option_it_sends_data_all_the_same():
    """TCP_FASTOPEN_NO_COOKIE: for networks that one knows."""
    holds(CLIENT + """+0 setsockopt(4, SOL_TCP, TCP_FASTOPEN_NO_COOKIE, [1], 4) = 0
+0 sendto(4, ..., 100, MSG_FASTOPEN, ..., ...) = 100
+0 > S 0:100(100) <mss 1460>
+.05 < S. 0:0(0) ack 101 win 60000 <mss 1000>
+0 > . 101:101(0) ack 1
+0 %{ assert tcpi_options & TCPI_OPT_SYN_DATA }%""")


def test_what_failed_is_told_by_tcp_info():
    """tcpi_fastopen_client_fail: bits 1 and 2 of the byte behind the shifts."""
    holds(CLIENT + """+0 sendto(4, ..., 100, MSG_FASTOPEN, ..., ...) = 100
+0 > S 0:100(100) <mss 1460,FO abcd1234,nop,nop>
+.05 < S. 0:0(0) ack 1 win 60000 <mss 1000>
+0 > P. 1:101(100) ack 1
+0 %{ assert tcpi_flags >> 1 & 3 == 2 }%""")
    holds(CLIENT + """+0 sendto(4, ..., 100, MSG_FASTOPEN, ..., ...) = 100
+0 > S 0:100(100) <mss 1460,FO abcd1234,nop,nop>
+1 > S 0:0(0) <mss 1460>
+.05 < S. 0:0(0) ack 1 win 60000 <mss 1000>
+0 > P. 1:101(100) ack 1
+0 %{ assert tcpi_flags >> 1 & 3 == 3 }%""")


def test_a_path_that_swallows_it_is_spared_for_a_while_and_then_tried_again():
    """As Linux's tcp_fastopen_blackhole_timeout_sec: the third timeout in a row stops it, for all servers."""
    lost = """+0 sendto({fd}, ..., 100, MSG_FASTOPEN, ..., ...) = 100
+0 > S 0:100(100) <mss 1460,FO abcd1234,nop,nop>
+1 > S 0:0(0) <mss 1460>
+2 > S 0:0(0) <mss 1460>
+4 > S 0:0(0) <mss 1460>
+0 close({fd}) = 0
"""
    fresh = """+{wait} socket(..., SOCK_STREAM, IPPROTO_TCP) = {fd}
+0 fcntl({fd}, F_SETFL, O_RDWR|O_NONBLOCK) = 0
"""
    plain = """+0 sendto({fd}, ..., 100, MSG_FASTOPEN, ..., ...) = -1 EINPROGRESS (Operation now in progress)
+0 > S 0:0(0) <mss 1460>
+0 < R. 0:0(0) ack 1 win 0
"""
    begin = CLIENT.replace("tcp_sack=0`", "tcp_sack=0 net.ipv4.tcp_fastopen_blackhole_timeout_sec=100`")
    again = fresh.format(fd=6, wait=101) + """+0 sendto(6, ..., 100, MSG_FASTOPEN, ..., ...) = 100
+0 > S 0:100(100) <mss 1460,FO abcd1234,nop,nop>"""
    holds(begin + lost.format(fd=4) + fresh.format(fd=5, wait=1) + plain.format(fd=5) + again)


class Servers:
    """A stack, and as many servers as one likes behind a gateway."""

    def __init__(self):
        self.machine = Machine("10.0.0.1", "10.0.0.2", 1500, {})

    def opens_with_data(self, there, cookie=None):
        """Whether the SYN to that server has data; with `cookie` it is answered, and gives that one."""
        with_data = False
        sock = self.machine.stack.socket()
        sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            sock.sendto(b"x" * 10, MSG_FASTOPEN, (there, 80))
            with_data = True
        self.machine.run()
        syn = self.machine.left.pop().tcp
        assert len(syn.payload) == 10 * with_data
        if cookie is not None:
            self.machine.remote = there
            answer = RawTcp(80, syn.src_port, 7, syn.seq + 1, 0x12, 65535, 0, [("FO", cookie), ("nop",), ("nop",)])
            self.machine.put(6, answer.to_bytes(there, "10.0.0.1"))
        sock.close()
        self.machine.run()
        self.machine.left.clear()
        return with_data


def test_as_many_servers_as_fit_are_remembered_and_the_oldest_give_way():
    names = [f"10.1.{i >> 8}.{i & 255}" for i in range(400)]
    servers = Servers()
    try:
        for name in names:
            assert not servers.opens_with_data(name, b"abcdefgh")
        known = [servers.opens_with_data(name) for name in reversed(names)]
    finally:
        servers.machine.close()
    assert 180 <= sum(known) <= 256 and all(known[:20])


def test_the_cookie_request_of_a_server_that_gives_none_is_not_repeated_where_one_says_so():
    """FreeBSD's path_disable_time."""
    holds("""0 `sysctl net.inet.tcp.fastopen.client_enable=1 net.inet.tcp.rfc1323=0 net.inet.tcp.sack.enable=0
sysctl net.inet.tcp.fastopen.path_disable_time=10`
+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 setsockopt(3, IPPROTO_TCP, TCP_FASTOPEN, [1], 4) = 0
+0 sendto(3, ..., 100, 0, ..., ...) = 100
+0 > S 0:0(0) win 65535 <mss 1460,FO,eol,eol>
+0 < R. 0:0(0) ack 1 win 0
+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 4
+0 setsockopt(4, IPPROTO_TCP, TCP_FASTOPEN, [1], 4) = 0
+0 sendto(4, ..., 100, 0, ..., ...) = 100
+0 > S 0:0(0) win 65535 <mss 1460,FO,eol,eol>
+0 < S. 0:0(0) ack 1 win 60000 <mss 1000>
+0 > P. 1:101(100) ack 1
+0 < R. 1:1(0) ack 101 win 0
+1 socket(..., SOCK_STREAM, IPPROTO_TCP) = 5
+0 setsockopt(5, IPPROTO_TCP, TCP_FASTOPEN, [1], 4) = 0
+0 sendto(5, ..., 100, 0, ..., ...) = 100
+0 > S 0:0(0) win 65535 <mss 1460>
+0 < R. 0:0(0) ack 1 win 0
+10 socket(..., SOCK_STREAM, IPPROTO_TCP) = 6
+0 setsockopt(6, IPPROTO_TCP, TCP_FASTOPEN, [1], 4) = 0
+0 sendto(6, ..., 100, 0, ..., ...) = 100
+0 > S 0:0(0) win 65535 <mss 1460,FO,eol,eol>""", "freebsd")
