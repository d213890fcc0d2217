"""Streams: what each call says in each state, the same for usnet and the kernel."""

import errno
import socket
import struct

import pytest


def code(call, *args):
    with pytest.raises(OSError) as e:
        call(*args)
    return e.value.errno


def test_bytes_arrive_in_order_both_ways(net):
    client, server = net.connected()
    assert client.send(b"hello") == 5
    net.settle()
    assert server.recv(2) == b"he"
    assert server.recv(100) == b"llo"
    server.sendall(b"answer")
    net.settle()
    assert client.recv(100) == b"answer"


def test_names_of_both_ends_agree(net):
    client, server = net.connected()
    assert client.getpeername() == server.getsockname()
    assert client.getsockname() == server.getpeername()
    assert server.getsockname()[0] == net.host


def test_a_fresh_socket_has_no_name_and_no_peer(net):
    sock = net.tcp()
    assert sock.getsockname() == ("0.0.0.0", 0)
    assert code(sock.getpeername) == errno.ENOTCONN
    assert (sock.family, sock.type, sock.proto) == (socket.AF_INET, socket.SOCK_STREAM, 0)


def test_nothing_to_read_is_eagain(net):
    client, _ = net.connected()
    with pytest.raises(BlockingIOError):
        client.recv(10)


def test_the_end_of_the_stream_is_empty_and_stays_so(net):
    client, server = net.connected()
    client.send(b"last")
    client.close()
    net.settle()
    assert server.recv(10) == b"last"
    assert server.recv(10) == b""
    assert server.recv(10) == b""


def test_half_closed_streams_carry_data_the_other_way(net):
    client, server = net.connected()
    client.shutdown(socket.SHUT_WR)
    net.settle()
    assert server.recv(10) == b""
    server.send(b"still here")
    net.settle()
    assert client.recv(100) == b"still here"
    assert code(client.send, b"x") == errno.EPIPE


def test_reading_ends_after_shutdown_for_reading(net):
    client, _ = net.connected()
    client.shutdown(socket.SHUT_RD)
    assert client.recv(10) == b""


def test_shutdown_needs_a_connection_and_a_known_direction(net):
    client, _ = net.connected()
    assert code(net.tcp().shutdown, socket.SHUT_WR) == errno.ENOTCONN
    assert code(client.shutdown, 7) == errno.EINVAL


def test_closing_with_unread_data_resets_the_peer_who_is_told_once(net):
    client, server = net.connected()
    server.send(b"never read")
    net.settle()
    client.close()
    net.settle()
    assert code(server.recv, 10) == errno.ECONNRESET
    assert server.recv(10) == b""
    assert code(server.send, b"x") == errno.EPIPE


def test_lingering_for_no_time_resets(net):
    client, server = net.connected()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    net.settle()
    with pytest.raises(ConnectionResetError):
        server.recv(10)


def test_a_send_to_a_peer_that_is_gone_fails_and_in_the_end_with_epipe(net):
    client, server = net.connected()
    server.close()
    net.settle()
    client.send(b"into the void")
    net.settle()
    if net.name == "usnet":
        assert code(client.send, b"again") in (errno.EPIPE, errno.ECONNRESET)
    assert code(client.send, b"again") == errno.EPIPE


def test_sending_before_connecting_is_epipe_and_reading_is_enotconn(net):
    sock = net.tcp()
    assert code(sock.send, b"x") == errno.EPIPE
    assert code(sock.recv, 1) == errno.ENOTCONN


def test_calls_on_a_closed_socket_say_ebadf(net):
    sock = net.tcp()
    sock.close()
    sock.close()
    assert sock.fileno() == -1
    for call, args in (
        (sock.recv, (1,)),
        (sock.send, (b"",)),
        (sock.bind, (("", 0),)),
        (sock.getsockname, ()),
        (sock.listen, ()),
        (sock.settimeout, (1,)),
        (sock.setblocking, (False,)),
    ):
        assert code(call, *args) == errno.EBADF


def test_connecting_without_blocking_goes_through_einprogress_to_eisconn(net):
    listener = net.listener()
    client = net.tcp()
    client.setblocking(False)
    assert client.connect_ex(listener.getsockname()) == errno.EINPROGRESS
    net.settle()
    assert client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    assert client.connect_ex(listener.getsockname()) == 0
    assert client.connect_ex(listener.getsockname()) == errno.EISCONN


def test_a_second_connect_while_the_first_is_under_way_says_ealready(us):
    client = us.tcp()
    client.setblocking(False)
    assert client.connect_ex((us.dead, 80)) == errno.EINPROGRESS
    assert client.connect_ex((us.dead, 80)) == errno.EALREADY
    with pytest.raises(BlockingIOError):
        client.recv(1)
    with pytest.raises(BlockingIOError):
        client.send(b"x")


def test_a_port_where_nobody_listens_refuses(net):
    listener = net.listener()
    address = listener.getsockname()
    listener.close()
    net.settle()
    with pytest.raises(ConnectionRefusedError):
        net.tcp().connect(address)


def test_a_refusal_is_told_once_by_so_error(net):
    listener = net.listener()
    address = listener.getsockname()
    listener.close()
    net.settle()
    client = net.tcp()
    client.setblocking(False)
    assert client.connect_ex(address) in (errno.EINPROGRESS, errno.ECONNREFUSED)
    net.settle()
    if client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        assert client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0


def test_connecting_to_where_no_route_leads_fails_at_once(us):
    assert us.tcp().connect_ex(("192.0.2.1", 80)) == errno.ENETUNREACH


@pytest.mark.parametrize("host", ["255.255.255.255", "224.0.0.1", "10.9.0.255"])
def test_a_group_or_broadcast_address_has_no_stream(us, host):
    sock = us.tcp()
    assert sock.connect_ex((host, 80)) == errno.ENETUNREACH
    assert sock.connect_ex((us.dead, 80)) != errno.EISCONN


def test_connecting_to_an_address_that_answers_no_arp_is_ehostunreach_or_times_out(us):
    client = us.tcp()
    with pytest.raises(OSError) as e:
        client.connect((us.dead, 80))
    assert e.value.errno in (errno.EHOSTUNREACH, errno.ETIMEDOUT)


def test_connects_timeout_passes_in_virtual_time(us):
    client = us.tcp()
    client.settimeout(1.25)
    start = us.clock.now()
    with pytest.raises(TimeoutError, match="timed out"):
        client.connect((us.dead, 80))
    assert us.clock.now() - start == 1_250_000_000
    assert client.connect_ex((us.dead, 80)) == errno.EAGAIN


def test_binding_rules(net):
    a = net.tcp("server")
    a.bind((net.host, 0))
    assert code(a.bind, (net.host, 0)) == errno.EINVAL
    a.listen()
    b = net.tcp("server")
    assert code(b.bind, a.getsockname()) == errno.EADDRINUSE
    assert code(b.bind, ("203.0.113.9", 0)) == errno.EADDRNOTAVAIL
    b.bind(("", 0))
    assert b.getsockname()[0] == "0.0.0.0" and b.getsockname()[1] > 0


def test_accepting_needs_a_listener_and_someone_who_waits(net):
    sock = net.tcp("server")
    assert code(sock.accept) == errno.EINVAL
    listener = net.listener()
    listener.setblocking(False)
    assert code(listener.accept) == errno.EAGAIN
    assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 0


def test_connections_are_accepted_in_the_order_in_which_they_came(net):
    listener = net.listener()
    clients = []
    for _ in range(3):
        client = net.tcp()
        client.connect(listener.getsockname())
        clients.append(client)
        net.settle()
    for client in clients:
        server, peer = listener.accept()
        net.keep(server)
        assert peer == client.getsockname() == server.getpeername()


def test_closing_a_listener_resets_those_that_nobody_accepted(net):
    listener = net.listener()
    client = net.tcp()
    client.connect(listener.getsockname())
    net.settle()
    listener.close()
    net.settle()
    client.setblocking(False)
    with pytest.raises(ConnectionResetError):
        client.recv(1)


def test_reads_can_peek_and_fill_buffers(net):
    client, server = net.connected()
    client.send(b"0123456789")
    net.settle()
    assert server.recv(4, socket.MSG_PEEK) == b"0123"
    room = bytearray(8)
    assert server.recv_into(room, 4) == 4 and bytes(room[:5]) == b"0123\0"
    assert server.recv_into(memoryview(room)) == 6 and room[:6] == b"456789"
    assert server.recv(0) == b""
    assert server.recv_into(bytearray()) == 0


def test_recvfrom_on_a_stream_names_nobody(net):
    client, server = net.connected()
    client.send(b"data")
    net.settle()
    assert server.recvfrom(10) == (b"data", None)


def test_waiting_for_all_collects_what_comes_in_pieces(net):
    client, server = net.connected()
    server.setblocking(True)
    client.send(b"abc")
    client.send(b"def")
    assert server.recv(6, socket.MSG_WAITALL) == b"abcdef"
    client.send(b"gh")
    client.close()
    assert server.recv(6, socket.MSG_WAITALL) == b"gh"


def test_a_full_stream_takes_no_more_until_it_is_read(net):
    client, server = net.connected()
    sent = net.fill(client)
    assert sent > 100_000
    with pytest.raises(BlockingIOError):
        client.send(b"x")
    assert net.drain(server, sent) == sent
    net.settle()
    assert client.send(b"x") == 1


def test_wrong_arguments_are_refused_as_the_standard_library_does(net):
    sock = net.tcp()
    with pytest.raises(TypeError):
        sock.connect("not a tuple")
    with pytest.raises(TypeError):
        sock.bind(("10.0.0.1", "80"))
    with pytest.raises(OverflowError):
        sock.bind((net.host, 65536))
    with pytest.raises(OverflowError):
        sock.connect((net.host, -1))
    with pytest.raises(ValueError, match="negative buffersize"):
        sock.recv(-1)
    with pytest.raises(TypeError):
        sock.send("text")
    with pytest.raises(ValueError, match="out of range"):
        sock.settimeout(-1)
    with pytest.raises(TypeError):
        sock.settimeout("1")
    with pytest.raises(ValueError, match="buffer"):
        sock.recv_into(bytearray(2), 4)


def test_timeouts_are_kept_and_blocking_follows_them(net):
    sock = net.tcp()
    assert sock.gettimeout() is None and sock.getblocking()
    sock.settimeout(1.5)
    assert sock.gettimeout() == 1.5 and sock.getblocking()
    sock.setblocking(False)
    assert sock.gettimeout() == 0 and not sock.getblocking()
    sock.setblocking(True)
    assert sock.gettimeout() is None


def test_options_are_kept(net):
    sock = net.tcp()
    for level, name in (
        (socket.SOL_SOCKET, socket.SO_REUSEADDR),
        (socket.SOL_SOCKET, socket.SO_REUSEPORT),
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
        (socket.SOL_SOCKET, socket.SO_BROADCAST),
        (socket.IPPROTO_TCP, socket.TCP_NODELAY),
    ):
        assert sock.getsockopt(level, name) == 0
        sock.setsockopt(level, name, 1)
        assert sock.getsockopt(level, name) == 1
        sock.setsockopt(level, name, 0)
        assert sock.getsockopt(level, name) == 0
    for name, value in ((socket.TCP_KEEPIDLE, 90), (socket.TCP_KEEPINTVL, 7), (socket.TCP_USER_TIMEOUT, 12345)):
        sock.setsockopt(socket.IPPROTO_TCP, name, value)
        assert sock.getsockopt(socket.IPPROTO_TCP, name) == value
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_STREAM
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_DOMAIN) == socket.AF_INET
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_PROTOCOL) == socket.IPPROTO_TCP
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 30))
    assert struct.unpack("ii", sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)) == (1, 30)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 50_000)
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) >= 50_000


def test_options_that_do_not_exist_or_do_not_fit_are_refused(net):
    sock = net.tcp()
    assert code(sock.setsockopt, socket.SOL_SOCKET, 9999, 1) == errno.ENOPROTOOPT
    assert code(sock.getsockopt, socket.IPPROTO_TCP, 9999) == errno.ENOPROTOOPT
    assert code(sock.setsockopt, socket.SOL_SOCKET, socket.SO_KEEPALIVE, b"\1") == errno.EINVAL
    assert code(sock.setsockopt, socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 0) == errno.EINVAL


def test_files_over_sockets_read_lines_and_keep_the_socket_open(net):
    client, server = net.connected()
    server.setblocking(True)
    file = server.makefile("rb")
    server.close()
    client.sendall(b"one\ntwo\n")
    client.shutdown(socket.SHUT_WR)
    assert list(file) == [b"one\n", b"two\n"]
    file.close()
    assert server.fileno() == -1


def test_text_files_write(net):
    client, server = net.connected()
    client.setblocking(True)
    with client.makefile("w", encoding="utf-8") as file:
        file.write("grüß dich\n")
    net.settle()
    assert server.recv(100).decode() == "grüß dich\n"


def test_detaching_gives_the_descriptor_away(net):
    client, server = net.connected()
    fd = client.detach()
    assert client.fileno() == -1 and fd >= 3
    again = net.keep(client.__class__(fileno=fd, stack=net.kind.client) if net.name == "usnet" else socket.socket(fileno=fd))
    again.send(b"x")
    net.settle()
    assert server.recv(1) == b"x"


def test_wrong_kinds_of_sockets_are_refused(us):
    with pytest.raises(OSError, match="Address family") as e:
        us.client.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    assert e.value.errno == errno.EAFNOSUPPORT
    assert code(us.client.socket, socket.AF_INET, socket.SOCK_SEQPACKET) == errno.ESOCKTNOSUPPORT
    assert code(us.client.socket, socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_UDP) == errno.EPROTONOSUPPORT


def test_descriptors_are_the_lowest_free_from_three(us):
    a, b, c = us.tcp(), us.udp(), us.tcp()
    assert [s.fileno() for s in (a, b, c)] == [3, 4, 5]
    b.close()
    a.close()
    assert us.epoll().descriptor == 3
    assert us.tcp().fileno() == 4
    assert us.tcp().fileno() == 6


def test_descriptors_run_out_with_emfile():
    import usnet

    stack = usnet.Stack(seed=1, max_sockets=70)
    socks = [stack.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(70)]
    assert [s.fileno() for s in socks] == list(range(3, 73))
    assert code(stack.socket) == errno.EMFILE
    socks[40].close()
    again = stack.socket()
    assert again.fileno() == 43
    stack.close()
