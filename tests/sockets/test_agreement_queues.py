"""What stands in queues, and what is told apart from the data: ioctl, TCP_INQ, peeking, urgent data, the error queue, TCP_INFO. On the kernel's
sockets and on usnet's."""

import fcntl
import socket
import struct

import pytest

from tests.sockets import agree
from tests.sockets.agree import events_of, said
from usnet import EPOLLERR, EPOLLIN, EPOLLOUT, EPOLLPRI

SOL, TCP = socket.SOL_SOCKET, socket.IPPROTO_TCP
SIOCINQ, SIOCOUTQ, SIOCOUTQNSD, SIOCATMARK = 0x541B, 0x5411, 0x894B, 0x8905
SO_PEEK_OFF, SO_ZEROCOPY, SO_TIMESTAMPING, TCP_INQ = 42, 60, 37, 36
MSG_ZEROCOPY, MSG_ERRQUEUE, MSG_EOR = 0x4000000, 0x2000, 0x80
TX_SOFTWARE, SOFTWARE, OPT_ID, TX_SCHED, TX_ACK, TSONLY = 1 << 1, 1 << 4, 1 << 7, 1 << 8, 1 << 9, 1 << 11
STREAMS = {"SO_RCVLOWAT": SOL, "SO_OOBINLINE": SOL, "SO_SNDLOWAT": SOL, "TCP_SYNCNT": TCP, "TCP_DEFER_ACCEPT": TCP, "TCP_NOTSENT_LOWAT": TCP,
           "TCP_LINGER2": TCP}  # fmt: skip
NUMBERS = {"SO_PEEK_OFF": (SOL, SO_PEEK_OFF), "SO_ZEROCOPY": (SOL, SO_ZEROCOPY), "SO_TIMESTAMPING": (SOL, SO_TIMESTAMPING), "TCP_INQ": (TCP, TCP_INQ)}
NAMES = {name: (level, getattr(socket, name)) for name, level in STREAMS.items()} | NUMBERS
VALUES = [0, 1, 2, 3, 5, 60, 127, 128, 200, 5000]


def asked(sock, request):
    """What an ioctl tells."""
    if hasattr(sock, "ioctl"):
        return sock.ioctl(request)
    room = bytearray(4)
    fcntl.ioctl(sock.fileno(), request, room)
    return struct.unpack("i", room)[0]


def queues(sock):
    return [said(asked, sock, request) for request in (SIOCINQ, SIOCOUTQ, SIOCATMARK, 0x1234)]


# Options


def setting(net, name):
    told = [said(net.tcp().getsockopt, *NAMES[name])]
    for value in VALUES:
        sock = net.tcp()
        told.append((value, said(sock.setsockopt, *NAMES[name], value), said(sock.getsockopt, *NAMES[name])))
    return told


@pytest.mark.parametrize("name", NAMES)
def test_what_may_be_set_of_a_stream_agrees(name):
    agree.check(("stream option", name), setting, name)


def inherited(net, name, value):
    listener = net.listener()
    listener.setsockopt(*NAMES[name], value)
    net.tcp().connect(listener.getsockname())
    server, _ = listener.accept()
    return net.keep(server).getsockopt(*NAMES[name])


INHERITED = [("SO_RCVLOWAT", 7), ("SO_OOBINLINE", 1), ("TCP_SYNCNT", 3), ("TCP_NOTSENT_LOWAT", 999), ("SO_ZEROCOPY", 1)]


@pytest.mark.parametrize(("name", "value"), INHERITED)
def test_what_an_accepted_stream_inherits_agrees(name, value):
    agree.check(("stream option inherited", name), inherited, name, value)


# How much there is


def counted(net):
    told = [queues(net.tcp()), queues(net.listener())]
    client, server = net.connected()
    told.append(queues(client))
    server.send(b"x" * 3000)
    net.settle()
    told += [queues(client), client.recv(1000), queues(client)]
    server.close()
    net.settle()
    told += [queues(client), len(client.recv(5000)), queues(client), client.recv(5), queues(client)]
    udp, other = net.udp(), net.udp("server")
    udp.bind((net.host, 0) if net.name == "kernel" else ("10.9.0.2", 0))
    for size in (5, 70):
        other.sendto(b"d" * size, udp.getsockname())
    net.settle()
    return [*told, queues(udp)[:2], udp.recv(100), queues(udp)[:2]]


def test_what_waits_in_queues_agrees():
    agree.check("queues", counted)


def inq(net):
    client, server = net.connected()
    client.setsockopt(TCP, TCP_INQ, 1)
    server.send(b"x" * 3000)
    net.settle()
    told = [client.recvmsg(1000, 100), client.recvmsg(500, 4), client.recvmsg(500)]
    server.close()
    net.settle()
    return [*told, client.recvmsg(1000, 100)]


def test_what_is_left_is_told_alike():
    agree.check("inq", inq)


def test_how_much_is_not_sent_is_told():
    net = agree.Net(agree.Usnet())
    client, _ = net.connected()
    client.setsockopt(SOL, socket.SO_SNDBUF, 1 << 20)
    sent = net.fill(client)
    assert asked(client, SIOCOUTQ) <= sent
    assert 0 < asked(client, SIOCOUTQNSD) < asked(client, SIOCOUTQ)
    net.close()


# Reading without taking, taking without reading


def peeked(net):
    client, server = net.connected()
    server.send(b"abcdefgh")
    net.settle()
    told = [client.recv(3, socket.MSG_PEEK), client.recv(3, socket.MSG_PEEK), len(client.recv(2, socket.MSG_TRUNC)), client.recv(1)]
    client.setsockopt(SOL, SO_PEEK_OFF, 1)
    told += [client.recv(2, socket.MSG_PEEK), client.recv(9, socket.MSG_PEEK), said(client.recv, 1, socket.MSG_PEEK)]
    told += [client.recv(2), client.getsockopt(SOL, SO_PEEK_OFF)]
    client.setsockopt(SOL, SO_PEEK_OFF, -1)
    return [*told, client.recv(9, socket.MSG_PEEK), len(client.recv(90, socket.MSG_TRUNC | socket.MSG_PEEK)), client.recv(9)]


def test_peeking_and_throwing_away_agree():
    agree.check("peeking", peeked)


def low_water(net):
    client, server = net.connected()
    server.setsockopt(TCP, socket.TCP_NODELAY, 1)
    client.setsockopt(SOL, socket.SO_RCVLOWAT, 10)
    told = []
    for part in (b"123", b"4567", b"890"):
        server.send(part)
        net.settle()
        told.append(events_of(net, client, EPOLLIN))
    told.append(client.recv(4))
    told.append(events_of(net, client, EPOLLIN))
    server.shutdown(socket.SHUT_WR)
    net.settle()
    return [*told, events_of(net, client, EPOLLIN)]


def test_low_water_marks_agree():
    agree.check("low water", low_water)


# Urgent data


def urgent(net, inline):
    client, server = net.connected()
    server.setsockopt(TCP, socket.TCP_NODELAY, 1)
    client.setsockopt(SOL, socket.SO_OOBINLINE, inline)
    told = [said(client.recv, 1, socket.MSG_OOB), server.send(b"ab!", socket.MSG_OOB), server.send(b"cd")]
    net.settle()
    told += [events_of(net, client), asked(client, SIOCINQ), asked(client, SIOCATMARK), said(client.recv, 1, socket.MSG_OOB | socket.MSG_PEEK)]
    told += [client.recv(9), asked(client, SIOCATMARK), said(client.recv, 5, socket.MSG_OOB), said(client.recv, 1, socket.MSG_OOB)]
    told += [events_of(net, client), said(client.recv, 9), asked(client, SIOCATMARK), said(client.recv, 9)]
    return told


@pytest.mark.parametrize("inline", [0, 1])
def test_urgent_data_agrees(inline):
    agree.check(("urgent", inline), urgent, inline)


# The error queue


def drained(sock):
    found = []
    while True:
        try:
            found.append(sock.recvmsg(0, 1000, MSG_ERRQUEUE))
        except BlockingIOError:
            return found


def copies(net):
    client, server = net.connected()
    client.setsockopt(SOL, SO_ZEROCOPY, 1)
    client.setsockopt(TCP, socket.TCP_NODELAY, 1)
    told = [said(client.recvmsg, 0, 100, MSG_ERRQUEUE), client.send(b"", MSG_ZEROCOPY)]
    for _ in range(3):
        client.send(b"x" * 100, MSG_ZEROCOPY)
        net.settle()
        server.recv(1000)
    net.pass_time()
    told += [events_of(net, client) & (EPOLLERR | EPOLLOUT), drained(client), events_of(net, client) & EPOLLERR]
    client.send(b"y", MSG_ZEROCOPY)
    net.settle()
    server.recv(10)
    net.pass_time()
    _, more, flags, _ = client.recvmsg(0, 4, MSG_ERRQUEUE)
    return [*told, more, flags & ~MSG_ERRQUEUE, client.getsockopt(SOL, socket.SO_ERROR)]


def test_completions_of_zero_copy_sends_agree():
    agree.check("zero copy", copies)


def stamps(net):
    """All but the times themselves, and their order: loopback acknowledges within the send."""
    client, server = net.connected()
    client.setsockopt(SOL, SO_TIMESTAMPING, TX_SOFTWARE | TX_SCHED | TX_ACK | SOFTWARE | OPT_ID | TSONLY)
    told = []
    for size in (100, 50):
        client.send(b"x" * size)
        net.settle()
        server.recv(1000)
        net.pass_time()
        seen = drained(client)
        told.append(sorted((data, flags, [(level, kind, rest if kind != SO_TIMESTAMPING else len(rest)) for level, kind, rest in anc])
                           for data, anc, flags, _ in seen))
    return told


def test_times_of_sends_are_told_alike():
    agree.check("stamps", stamps)


def test_times_of_sends_are_those_of_the_stack():
    net = agree.Net(agree.Usnet())
    client, _ = net.connected()
    client.setsockopt(SOL, SO_TIMESTAMPING, TX_SOFTWARE | TX_ACK | SOFTWARE | OPT_ID)
    before = net.clock.now()
    client.send(b"x" * 10)
    net.settle()
    net.pass_time()
    (_, first, flags, _), (_, second, _, _) = drained(client)
    assert flags == MSG_ERRQUEUE | socket.MSG_TRUNC
    assert [struct.unpack_from("=qq", anc[0][2]) for anc in (first, second)] == [divmod(at, 10**9) for at in (before, before + 50_000_000)]
    net.close()


# TCP_INFO

FIELDS = {"state": (0, "B"), "options": (5, "B"), "unacked": (24, "I"), "sacked": (28, "I"), "lost": (32, "I"), "retrans": (36, "I"),
          "total_retrans": (100, "I"), "bytes_received": (128, "Q"), "notsent_bytes": (144, "I"), "data_segs_in": (152, "I"),
          "data_segs_out": (156, "I"), "bytes_retrans": (208, "Q"), "dsack_dups": (216, "I"), "rcv_ooopack": (224, "I"),
          "total_rto": (240, "H")}  # fmt: skip


def info(net):
    client, server = net.connected()
    told = [len(client.getsockopt(TCP, socket.TCP_INFO, 1000)), len(client.getsockopt(TCP, socket.TCP_INFO, 60))]
    for step in range(3):
        if step:
            client.send(b"x" * 500 * step)
            net.settle()
            server.recv(5000)
            net.pass_time()
        for sock in (client, server):
            data = sock.getsockopt(TCP, socket.TCP_INFO, 280)
            told.append({name: struct.unpack_from("=" + form, data, at)[0] for name, (at, form) in FIELDS.items()})
    return told


def test_what_a_connection_tells_of_itself_agrees():
    agree.check("info", info)


def test_lifetime_counters_outlive_rest():
    found = []
    for working_set in (1000, 0):
        net = agree.Net(agree.Usnet(working_set=working_set))
        client, server = net.connected()
        for size in (5, 3000):
            client.send(bytes(size))
            net.settle()
            server.recv(5000)
            net.pass_time()
            net.pass_time()
        found.append([sock.getsockopt(TCP, socket.TCP_INFO, 280) for sock in (client, server)])
        net.close()
    assert found[0] == found[1]
    segs_out, segs_in = struct.unpack_from("=II", found[0][0], 136)
    assert (segs_out, segs_in) == (2 + 4, 1 + 3)                # SYN, ACK, data; SYN-ACK, ACKs
    assert struct.unpack_from("=Q", found[0][0], 120)[0] == 3005        # bytes_acked


# What is not sent yet


def test_a_stream_is_writable_while_little_is_not_sent():
    net = agree.Net(agree.Usnet())
    client, _ = net.connected()
    client.setsockopt(TCP, socket.TCP_NOTSENT_LOWAT, 20_000)
    client.send(bytes(14_600 + 9_999))          # the first window's, and less than half
    assert events_of(net, client, EPOLLOUT) & EPOLLOUT
    client.send(bytes(100_000))
    seen = []
    with net.epoll() as ep:
        ep.register(client, EPOLLOUT)
        for _ in range(40):
            writable = bool(ep.poll(0))
            seen.append((asked(client, SIOCOUTQNSD) * 2 < 20_000, writable))
            net.server.run_once()
    assert {*seen} == {(False, False), (True, True)}
    net.close()


def test_urgent_data_makes_no_difference_to_a_reader_in_time():
    net = agree.Net(agree.Usnet())
    client, server = net.connected()
    server.setsockopt(TCP, socket.TCP_NODELAY, 1)
    server.send(b"!", socket.MSG_OOB)
    net.settle()
    assert events_of(net, client) & EPOLLPRI
    assert client.recv(1, socket.MSG_OOB) == b"!"
    assert not events_of(net, client) & EPOLLPRI
    server.send(b"more")
    net.settle()
    assert client.recv(10) == b"more"
    net.close()
