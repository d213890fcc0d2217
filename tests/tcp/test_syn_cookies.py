"""SYN cookies (RFC 4987, 3.6): what a SYN said comes back in numbers, and nothing is remembered meanwhile."""

import ipaddress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from usnet.tcp.cookies import Cookies, stamp, unstamp
from usnet.testing.peer import PEER, listening
from usnet.wire.mirror import TcpHeader

PERIOD = 64 * 10**9  # ns
SIZES = (48, 536, 1220, 1360, 1440, 1452, 1460, 8960)
numbers = st.integers(0, 0xFFFFFFFF)
ports = st.integers(1, 65535)
ends = st.tuples(numbers, numbers, ports, ports)
times = st.integers(0, 10**18)


# --- The number ---


@given(ends, numbers, st.integers(48, 65535), times, st.integers(0, PERIOD))
def test_a_cookie_gives_back_the_size_below(ends, seq, mss, now, later):
    cookies = Cookies(b"0123456789abcdef")
    assert cookies.check(ends, seq, cookies.make(ends, seq, mss, now), now + later) == max(size for size in SIZES if size <= mss)


@given(ends, numbers, times, st.integers(2 * PERIOD, 255 * PERIOD))
def test_a_cookie_grows_old(ends, seq, now, later):
    cookies = Cookies(b"0123456789abcdef")
    assert cookies.check(ends, seq, cookies.make(ends, seq, 1460, now), now + later) is None


def changed(ends, which):
    return tuple(one ^ 1 if i == which else one for i, one in enumerate(ends))


@pytest.mark.parametrize("which", range(4))
def test_a_cookie_is_good_for_its_ends_alone(which):
    cookies = Cookies(b"0123456789abcdef")
    good = 0
    for i in range(2000):
        here = (i * 7919, i, 80, 1 + i)
        good += cookies.check(changed(here, which), 5, cookies.make(here, 5, 1460, 0), 0) is not None
    assert good == 0  # one in 2^28 by chance


def test_another_number_or_key_makes_it_worthless():
    cookies, others = Cookies(b"0123456789abcdef"), Cookies(b"0123456789abcdeg")
    here = (1, 2, 80, 40000)
    cookie = cookies.make(here, 1000, 1460, 0)
    assert cookies.check(here, 1001, cookie, 0) is None
    assert cookies.check(here, 1000, cookie ^ 0x800, 0) is None
    assert others.check(here, 1000, cookie, 0) is None


def test_a_guess_succeeds_once_in_2_to_the_28():
    """8 sizes of 2^24, 2 periods of 256: of 100,000 guesses not one."""
    cookies = Cookies(b"0123456789abcdef")
    assert not any(cookies.check((1, 2, 80, 40000), 0, guess * 42949 & 0xFFFFFFFF, 0) for guess in range(100_000))


@given(st.integers(64, 0xFFFFFFFF), st.none() | st.integers(0, 14), st.booleans(), st.booleans())
@example(64, None, True, True)
def test_low_bits_of_a_time_say_scale_sack_and_ecn(now, wscale, sack, ecn):
    """Never a time to come, never older than 64 ms."""
    found = stamp(now, wscale, sack, ecn)
    assert now - 64 < found <= now
    assert unstamp(found) == (wscale, sack, ecn)


# --- A handshake by cookie ---


def cookies(tcp):
    return tuple(tcp.counters()[f"cookies_{name}"] for name in ("sent", "received", "failed"))


def connections(tcp):
    return tcp.cable.memory()["connections"] - 1


@pytest.mark.parametrize("options", ["mss 1460", "mss 1460,sackOK", "mss 1460,TS", "mss 1460,sackOK,TS,wscale 7", ""])
def test_a_connection_by_cookie_is_as_one_that_was_remembered(options):
    """But for what only timestamps can carry, and for the buffer of a receiver without them."""
    fields = ("state", "mss", "peer_mss", "flags", "snd_wscale", "rcv_wscale", "snd_wnd", "ts_recent", "rcv_wnd", "ts_offset")
    seen = []
    for when in (0, 2):
        tcp = listening(syncookies=when)
        tcp.timestamps = "TS" in options
        tcp.rx(f"S 0:0(0) <{options}>" if options else "S 0:0(0)")
        (answer,) = tcp.expect("S. 0:0(0) ack 1")
        assert connections(tcp) == (when == 0)
        tcp.rx(". 1:1(0) ack 1 win 500")
        seen.append(({name: value for name, value in tcp.snapshot().items() if name in fields}, answer.options))
    (kept, offered), (cookie, again) = seen
    lost = 0x6 if "TS" not in options else 0  # window scaling and SACK
    timed = 0x800
    assert cookie.pop("flags") & ~timed == kept.pop("flags") & ~timed & ~lost
    if "TS" in options:
        assert cookie == kept
        assert offered.keys() == again.keys()
    else:
        assert {**kept, "rcv_wscale": 0, "snd_wscale": 0} == cookie


def test_data_on_the_ack_is_taken():
    tcp = listening(syncookies=2)
    tcp.rx("S 0:0(0) <mss 1460>")
    tcp.expect("S. 0:0(0) ack 1 <mss 1460>")
    tcp.rx("P. 1:11(10) ack 1")
    tcp.accept()
    assert len(tcp.recv()) == 10
    tcp.send(2920)
    assert [s.length for s in tcp.take()] == [1460, 1460]
    assert cookies(tcp) == (1, 1, 0)


def test_a_lost_ack_is_made_up_for_by_data():
    """Nothing is sent again by us; what the peer sends again opens the connection."""
    tcp = listening(syncookies=2)
    tcp.rx("S 0:0(0) <mss 1460>")
    tcp.expect("S. 0:0(0) ack 1")
    assert tcp.watch(s=20) == []
    tcp.rx("P. 1:11(10) ack 1")
    tcp.expect_nothing()
    assert tcp.state == "ESTABLISHED"


def test_cookies_begin_where_the_syn_queue_ends():
    tcp = listening(max_syn_queue=2)
    for i in range(2):
        half = tcp.another(41000 + i)
        half.rx("S 0:0(0)")
        half.expect("S. 0:0(0) ack 1")
    late = tcp.another(42000)
    late.rx("S 0:0(0)")
    late.expect("S. 0:0(0) ack 1")
    assert connections(tcp) == 2
    late.rx(". 1:1(0) ack 1")
    assert late.state == "ESTABLISHED"
    half.rx(". 1:1(0) ack 1")  # its place was kept, and nobody mistook its number for a cookie
    assert half.state == "ESTABLISHED"
    assert cookies(tcp) == (1, 1, 0)
    assert tcp.drops() == {}


def test_the_queue_is_as_long_as_the_backlog_where_that_is_asked_for():
    tcp = listening(backlog=3, syn_queue_backlog=1)
    for i in range(6):
        tcp.another(41000 + i).rx("S 0:0(0)")
    assert connections(tcp) == 4
    assert cookies(tcp)[0] == 2


def cookie_of(tcp):
    """What answers a SYN, and leaves no other trace."""
    tcp.rx("S 0:0(0)")
    tcp.expect("S. 0:0(0) ack 1")
    return tcp


@pytest.mark.parametrize("ack", ["2", "0", "-4096"])
def test_a_wrong_number_is_refused_and_counted(ack):
    tcp = cookie_of(listening(syncookies=2))
    tcp.rx(f". 1:1(0) ack {ack}")
    assert ["R"] == [s.flags for s in tcp.take()]
    assert cookies(tcp) == (1, 0, 1)
    assert connections(tcp) == 0


def test_the_wrong_peers_number_is_refused():
    tcp = cookie_of(listening(syncookies=2))
    other = tcp.another(41000, isn=tcp.isn)
    other.us_isn = tcp.us_isn
    other.rx(". 1:1(0) ack 1")
    other.expect("R 1:1(0)")


def test_a_cookie_is_no_good_when_it_is_old():
    tcp = cookie_of(listening(syncookies=2))
    tcp.after(s=128)
    tcp.another(41000).rx("S 0:0(0)")  # cookies are out all the same
    tcp.rx(". 1:1(0) ack 1")
    tcp.expect("R 1:1(0)")
    assert cookies(tcp) == (2, 0, 1)


def test_nothing_is_decoded_while_no_cookie_is_out():
    """Who holds a good cookie of before, and who guesses, meets a listener as it is without cookies."""
    tcp = cookie_of(listening(syncookies=2))
    tcp.cable.stack.core.configure(syncookies=1)
    tcp.after(s=129)
    tcp.rx(". 1:1(0) ack 1")
    tcp.expect("R 1:1(0)")
    fresh = listening()
    fresh.us_isn = 1000
    fresh.rx(". 1:1(0) ack 1")
    fresh.expect("R 1:1(0)")
    assert cookies(tcp) == (1, 0, 0)
    assert cookies(fresh) == (0, 0, 0)


def test_another_listeners_cookies_are_its_own_affair():
    tcp = cookie_of(listening(syncookies=2))
    with tcp.cable.stack.create_server(("", 81)):
        guess = tcp.another(41000)
        guess.us_port, guess.us_isn = 81, 1000
        guess.rx(". 1:1(0) ack 1")
        guess.expect("R 1:1(0)")
    assert cookies(tcp) == (1, 0, 0)


def test_what_settings_have_taken_back_is_not_believed():
    """The peer says that we agreed on SACK; we cannot have."""
    tcp = listening(syncookies=2)
    tcp.timestamps = True
    tcp.rx("S 0:0(0) <mss 1460,sackOK,TS,wscale 7>")
    tcp.expect("S. 0:0(0) ack 1")
    tcp.cable.stack.core.configure(sack=0)
    tcp.rx(". 1:1(0) ack 1")
    tcp.expect("R 1:1(0)")
    assert cookies(tcp) == (1, 0, 1)


def test_a_full_queue_for_accept_drops_syns_and_cookies():
    tcp = listening(backlog=0, syncookies=2)
    one, two = cookie_of(tcp.another(41000)), cookie_of(tcp.another(41001))
    one.rx(". 1:1(0) ack 1")
    two.rx(". 1:1(0) ack 1")
    two.expect_nothing()
    tcp.another(41002).rx("S 0:0(0)")
    assert tcp.drops() == {"accept_queue_full": 2}
    assert connections(tcp) == 1
    tcp.accept()
    two.rx("P. 1:2(1) ack 1")
    assert two.state == "ESTABLISHED"


def test_a_cookie_needs_a_connection_when_it_comes_back():
    tcp = listening(syncookies=2, limits={"max_connections": 2})
    cookie_of(tcp)
    with tcp.cable.stack.socket():
        tcp.rx(". 1:1(0) ack 1")
        tcp.expect_nothing()
        tcp.another(41000).rx("S 0:0(0)")  # and where there is none now, none is given
        assert tcp.drops() == {"no_memory": 2}
        assert cookies(tcp) == (1, 1, 0)
    tcp.rx(". 1:1(0) ack 1")
    assert tcp.state == "ESTABLISHED"


@pytest.mark.parametrize("flags", ["F.", "FP."])
def test_a_fin_behind_the_data_of_the_ack_is_taken_too(flags):
    tcp = cookie_of(listening(syncookies=2))
    tcp.rx(f"{flags} 1:{2 if 'P' in flags else 1}({1 if 'P' in flags else 0}) ack 1")
    assert tcp.state == "CLOSE_WAIT"


def test_a_reset_with_a_cookie_opens_nothing():
    tcp = cookie_of(listening(syncookies=2))
    tcp.rx("R. 1:1(0) ack 1")
    tcp.expect_nothing()
    assert connections(tcp) == 0


def syn_from(address, port, seq):
    source = str(ipaddress.ip_address(address))
    return source, TcpHeader(port, 80, seq, 0, 2, 65535, mss=1460)


def test_a_flood_from_everywhere_takes_no_memory_and_stops_nobody():
    """Abuse R1."""
    tcp = listening(max_syn_queue=64, backlog=128)
    tcp.cable.stack.core.add_route("0.0.0.0", 0, PEER, 0)
    for n in range(20_000):
        source, header = syn_from(0x0B000000 + n * 7919 % 0x50000000, 1024 + n % 60000, n * 65537 & 0xFFFFFFFF)
        tcp.cable.put(6, header.to_bytes(b"", source, "10.0.0.1"), src=source)
        if n % 100 == 99:
            tcp.cable.run()
        if n == 10_000:
            before = tcp.cable.memory()
    assert tcp.cable.memory() == before
    assert before["connections"] == 1 + 64
    assert cookies(tcp) == (20_000 - 64, 0, 0)
    good = tcp.another(41000)
    good.timestamps = True
    good.rx("S 0:0(0) <mss 1460,sackOK,TS,wscale 7>")
    good.expect("S. 0:0(0) ack 1")
    good.rx("P. 1:11(10) ack 1")
    good.accept()
    assert len(good.recv()) == 10
    assert good.snapshot()["snd_wscale"] == 7


def test_the_last_connections_are_not_for_half_open_ones():
    """However long the SYN queue may be: a flood leaves an eighth of all connections to those who are there."""
    tcp = listening(limits={"max_connections": 64})
    for i in range(100):
        tcp.another(41000 + i).rx("S 0:0(0)")
    assert connections(tcp) == 55
    assert cookies(tcp)[0] == 45
    late = cookie_of(tcp.another(50000))
    late.rx(". 1:1(0) ack 1")
    assert late.state == "ESTABLISHED"
    tcp.cable.stack.socket().close()


# --- Overflow of the queue for accept, by policy ---


def test_an_overflow_may_be_answered_by_a_reset():
    """tcp_abort_on_overflow."""
    tcp = listening(backlog=0, abort_on_overflow=1)
    one, two = cookie_of(tcp.another(41000)), cookie_of(tcp.another(41001))
    one.rx(". 1:1(0) ack 1")
    two.rx(". 1:1(0) ack 1")
    two.expect("R. 1:1(0) ack 1")
    assert two.state is None
    assert tcp.counters()["queue_aborts"] == 1
