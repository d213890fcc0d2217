"""ACKs that are delayed as Linux's are (setting adaptive_acks): quick at the start, for as long as data comes apart, for the program's answers."""

import socket

import pytest

from usnet.testing.packetdrill.info import tcp_info
from usnet.testing.peer import Tcp, established, listening, syn_received

TCP, QUICKACK = socket.IPPROTO_TCP, socket.TCP_QUICKACK


def opened(rtt=0, **kwargs) -> Tcp:
    """Over a path whose round trip took so many ms."""
    tcp = syn_received(**{"adaptive_acks": 1, **kwargs})
    tcp.after(ms=rtt)
    tcp.rx(". 1:1(0) ack 1")
    tcp.accept()
    return tcp


def ato(tcp) -> int:
    """ms."""
    return tcp_info(tcp.sock)["ato"] // 1000


def arrive(tcp, first, n=100, flags="P.") -> int:
    tcp.rx(f"{flags} {first}:{first + n}({n}) ack {tcp.us_end}")
    return first + n


def settled(**kwargs) -> tuple[Tcp, int]:
    """Sixteen segments, each acknowledged at once, came 10 ms apart: ACKs are delayed now."""
    tcp = opened(**kwargs)
    seq = 1
    for _ in range(16):
        seq = arrive(tcp, seq)
        tcp.expect(f". 1:1(0) ack {seq}")
        tcp.after(ms=10)
    return tcp, seq


def wait_of(tcp, seq, most=600) -> int:
    """ms until the ACK of seq leaves, which is the only segment in `most`."""
    since = tcp.cable.elapsed / 1e6
    seen = tcp.watch(ms=most)
    assert len(seen) == 1 and f"ack {seq} " in seen[0][1], seen
    return round(seen[0][0] - since)


def test_the_first_sixteen_do_not_wait():
    tcp, seq = settled()
    seq = arrive(tcp, seq)
    tcp.expect_nothing()
    assert wait_of(tcp, seq) == 40


def test_without_the_setting_the_first_waits():
    tcp = established()
    arrive(tcp, 1)
    tcp.expect_nothing()
    assert wait_of(tcp, 101) == 40


@pytest.mark.parametrize(("rcvbuf", "n"), [(2800, 2), (4000, 1), (8000, 2), (12000, 4), (60000, 16)])
def test_a_small_window_has_fewer_of_them(rcvbuf, n):
    """One for each two segments of 1,460 that fit, or two where that is none."""
    tcp = opened(rcvbuf=rcvbuf)
    seq = arrive(tcp, 1, 1460, ".")
    left = 0
    while tcp.take():
        left += 1
        tcp.recv()
        tcp.take()
        tcp.after(ms=5)
        seq = arrive(tcp, seq, 20)
    assert left == n


def test_every_second_full_segment_and_what_is_out_of_order_is_acknowledged_at_once_all_the_same():
    tcp, seq = settled()
    for _ in range(3):
        seq = arrive(tcp, seq, 1460, ".")
        tcp.expect_nothing()
        seq = arrive(tcp, seq, 1460, ".")
        tcp.expect(f". 1:1(0) ack {seq}")
    arrive(tcp, seq + 1000, 1000, ".")
    tcp.expect(f". 1:1(0) ack {seq}")
    arrive(tcp, seq, 1000, ".")
    tcp.expect(f". 1:1(0) ack {seq + 2000}")


def test_it_waits_longer_where_data_comes_farther_apart():
    """ato is half of what it was and the distance; no answer at its end doubles it. 200 ms at most."""
    tcp, seq = settled(rtt=300)
    assert ato(tcp) == 40
    seq = arrive(tcp, seq)
    tcp.after(ms=35)
    seq = arrive(tcp, seq)              # 35 ms behind: 40 / 2 + 35; but it was about to leave
    tcp.expect(f". 1:1(0) ack {seq}")
    assert ato(tcp) == 55
    tcp.after(ms=50)
    seq = arrive(tcp, seq)
    assert ato(tcp) == 77
    assert wait_of(tcp, seq, 150) == 77
    assert ato(tcp) == 154
    seq = arrive(tcp, seq)
    assert ato(tcp) == 227
    assert wait_of(tcp, seq) == 200


def test_the_round_trip_bounds_it():
    tcp, seq = settled(rtt=60)
    seq = arrive(tcp, seq)
    assert wait_of(tcp, seq, 45) == 40
    seq = arrive(tcp, seq)
    assert ato(tcp) == 85
    assert wait_of(tcp, seq) == 60


def test_behind_a_long_silence_they_are_quick_again():
    tcp, seq = settled()
    tcp.after(s=5)
    for _ in range(16):
        seq = arrive(tcp, seq)
        tcp.expect(f". 1:1(0) ack {seq}")


def test_what_arrives_twice_makes_them_quick():
    tcp, seq = settled()
    arrive(tcp, seq - 100)
    tcp.expect(f". 1:1(0) ack {seq}")
    for _ in range(15):
        seq = arrive(tcp, seq)
        tcp.expect(f". 1:1(0) ack {seq}")


def test_answers_acknowledge():
    """A program that answers before the ACK is due: no quick ACKs any more, though there are some left."""
    tcp = opened()
    arrive(tcp, 1)
    tcp.expect(". 1:1(0) ack 101")
    tcp.send(10)
    tcp.expect("P. 1:11(10) ack 101")
    seq = arrive(tcp, 101)
    tcp.expect_nothing()
    tcp.send(10)
    tcp.take()
    tcp.rx(f". {seq}:{seq}(0) ack 21")
    seq = arrive(tcp, seq)
    assert wait_of(tcp, seq) == 40
    arrive(tcp, seq)                    # no answer came: quick ones again
    tcp.expect(f". 21:21(0) ack {seq + 100}")


def test_reading_the_last_of_what_was_pushed_acknowledges():
    tcp, seq = settled()
    tcp.recv()
    tcp.expect_nothing()
    seq = arrive(tcp, seq)
    tcp.expect_nothing()
    tcp.recv(50)
    tcp.expect_nothing()
    tcp.recv(50)
    tcp.expect(f". 1:1(0) ack {seq}")


@pytest.mark.parametrize("read", [3000, 1000])
def test_reading_the_last_of_several_segments_acknowledges(read):
    """What was read at once is more than a segment, as where the kernel acknowledges; of a program that reads segment by segment it is none."""
    tcp, seq = settled(mss=1000)
    for _ in range(4):
        seq = arrive(tcp, seq, 1000, ".")
    tcp.sock.recv(1 << 16)
    tcp.take()
    for _ in range(3):
        seq = arrive(tcp, seq, 1000, ".")
    assert [s.ack for s in tcp.take()] == [seq - 1000]
    for _ in range(0, 3000, read):
        tcp.sock.recv(read)
    assert [s.ack for s in tcp.take()] == ([seq] if read == 3000 else [])


def test_reading_does_not_where_answers_acknowledge():
    tcp, seq = settled()
    tcp.send(10)
    tcp.take()
    tcp.recv()
    seq = arrive(tcp, seq)
    tcp.recv()
    tcp.expect_nothing()


def test_the_peers_full_segments_are_measured():
    """Down to what comes twice in a row, unless it is short and pushed."""
    tcp = opened()
    arrive(tcp, 1, 1460, ".")
    assert tcp_info(tcp.sock)["rcv_mss"] == 1460
    arrive(tcp, 1461, 600)
    assert tcp_info(tcp.sock)["rcv_mss"] == 1460
    arrive(tcp, 2061, 600)
    assert tcp_info(tcp.sock)["rcv_mss"] == 600
    arrive(tcp, 2661, 200, ".")
    arrive(tcp, 2861, 200, ".")
    assert tcp_info(tcp.sock)["rcv_mss"] == 200
    arrive(tcp, 3061, 100)
    arrive(tcp, 3161, 100)
    assert tcp_info(tcp.sock)["rcv_mss"] == 200


def test_quickack_is_no_number_but_a_mode():
    tcp, _ = settled()
    tcp.send(10)
    tcp.take()
    assert tcp.sock.getsockopt(TCP, QUICKACK) == 0
    tcp.sock.setsockopt(TCP, QUICKACK, 1)
    assert tcp.sock.getsockopt(TCP, QUICKACK) == 1
    tcp.sock.setsockopt(TCP, QUICKACK, 0)
    assert tcp.sock.getsockopt(TCP, QUICKACK) == 0


@pytest.mark.parametrize(("value", "mode"), [(1, 1), (2, 0)])
def test_quickack_acknowledges_what_was_read(value, mode):
    tcp, seq = settled()
    tcp.send(10)
    tcp.take()
    tcp.recv()
    seq = arrive(tcp, seq)
    tcp.recv()
    tcp.expect_nothing()
    tcp.sock.setsockopt(TCP, QUICKACK, value)
    tcp.expect(f". 11:11(0) ack {seq}")
    assert tcp.sock.getsockopt(TCP, QUICKACK) == mode


def test_marks_make_them_quick():
    tcp = listening(adaptive_acks=1)
    tcp.rx("SEW 0:0(0) <mss 1460>")
    tcp.expect("SE. 0:0(0) ack 1")
    tcp.rx(". 1:1(0) ack 1")
    tcp.accept()
    seq = 1
    for _ in range(16):
        tcp.rx(f"[ect0] P. {seq}:{seq + 100}(100)")
        seq += 100
        tcp.take()
    tcp.rx(f"[ect0] P. {seq}:{seq + 100}(100)")
    tcp.expect_nothing()
    tcp.rx(f"[ce] P. {seq + 100}:{seq + 200}(100)")
    tcp.expect(f"E. 1:1(0) ack {seq + 200}")


def test_it_outlives_rest():
    """Whether a connection rests between its segments changes nothing."""
    seen = []
    for working_set in (0, 1000):
        tcp = opened(working_set=working_set)
        seq, left = 1, []
        for gap in [5] * 17 + [70, 90, 100]:
            seq = arrive(tcp, seq, 1460, ".")
            tcp.recv()
            left += tcp.watch(ms=gap)
        if working_set == 0:
            tcp.after(s=5)
            assert tcp.cable.memory()["awake"] == 1         # the listener
        seen.append(left)
    assert seen[0] == seen[1]
    assert len(seen[0]) > 17


def test_delayed_ones_are_counted():
    tcp, seq = settled()
    seq = arrive(tcp, seq)
    wait_of(tcp, seq)
    assert tcp.counters()["delayed_acks"] == 1
