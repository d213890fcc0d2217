"""epoll: what is reported, when, and when again. The same rules for usnet and the kernel."""

import errno
import select
import socket

import pytest

import usnet
from usnet import EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLONESHOT, EPOLLOUT, EPOLLRDHUP
from usnet.backends.pair import make_pair


def code(call, *args):
    with pytest.raises(OSError) as e:
        call(*args)
    return e.value.errno


def watch(net, sock, mask, side="client"):
    ep = net.epoll(side)
    ep.register(sock, mask)
    return ep


def polled(net, ep):
    net.settle()
    return ep.poll(0)


def test_level_triggered_events_are_reported_for_as_long_as_they_hold(net):
    client, server = net.connected()
    ep = watch(net, client, EPOLLIN)
    assert polled(net, ep) == []
    server.send(b"ab")
    for _ in range(3):
        assert polled(net, ep) == [(client.fileno(), EPOLLIN)]
    client.recv(1)
    assert polled(net, ep) == [(client.fileno(), EPOLLIN)]
    client.recv(1)
    assert polled(net, ep) == []


def test_edge_triggered_events_are_reported_once_for_each_arrival(net):
    client, server = net.connected()
    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    ep = watch(net, client, EPOLLIN | EPOLLET)
    server.send(b"a")
    assert polled(net, ep) == [(client.fileno(), EPOLLIN)]
    assert polled(net, ep) == []
    server.send(b"b")
    assert polled(net, ep) == [(client.fileno(), EPOLLIN)]
    assert polled(net, ep) == []
    assert client.recv(10) == b"ab"
    assert polled(net, ep) == []


def test_an_edge_for_reading_does_not_repeat_the_one_for_writing(net):
    client, server = net.connected()
    ep = watch(net, client, EPOLLOUT | EPOLLET)
    assert polled(net, ep) == [(client.fileno(), EPOLLOUT)]
    server.send(b"news, but not of this kind")
    assert polled(net, ep) == []


def test_an_acknowledgement_is_no_edge_for_reading(net):
    client, server = net.connected()
    ep = watch(net, client, EPOLLIN | EPOLLET)
    server.send(b"unread")
    assert polled(net, ep) == [(client.fileno(), EPOLLIN)]
    client.send(b"this will be acknowledged")
    net.pass_time()
    assert polled(net, ep) == []


def test_the_edge_for_writing_comes_back_after_eagain(net):
    client, server = net.connected()
    ep = watch(net, client, EPOLLOUT | EPOLLET)
    assert polled(net, ep) == [(client.fileno(), EPOLLOUT)]
    sent = net.fill(client)
    assert polled(net, ep) == []
    assert net.drain(server, sent) == sent
    assert polled(net, ep) == [(client.fileno(), EPOLLOUT)]
    assert polled(net, ep) == []


def test_the_edge_for_writing_comes_back_though_nothing_ran_in_between(us):
    client, _ = us.connected()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    ep = watch(us, client, EPOLLOUT | EPOLLET)
    assert polled(us, ep) == [(client.fileno(), EPOLLOUT)]
    assert client.send(bytes(20_000)) == 8192
    us.clock.advance(1)
    us.server.run_once()  # acknowledges all of it: one piece of news for the client
    assert polled(us, ep) == [(client.fileno(), EPOLLOUT)]


def test_registering_reports_what_is_there_already(net):
    client, server = net.connected()
    server.send(b"early")
    net.settle()
    assert polled(net, watch(net, client, EPOLLIN | EPOLLET)) == [(client.fileno(), EPOLLIN)]


def test_modifying_reports_again_what_is_there(net):
    client, server = net.connected()
    ep = watch(net, client, EPOLLIN | EPOLLET)
    server.send(b"a")
    assert polled(net, ep) == [(client.fileno(), EPOLLIN)]
    ep.modify(client, EPOLLIN | EPOLLET)
    assert polled(net, ep) == [(client.fileno(), EPOLLIN)]
    assert polled(net, ep) == []


def test_oneshot_fires_once_until_modified(net):
    client, server = net.connected()
    ep = watch(net, client, EPOLLIN | EPOLLONESHOT)
    server.send(b"a")
    assert polled(net, ep) == [(client.fileno(), EPOLLIN)]
    server.send(b"b")
    assert polled(net, ep) == []
    server.close()
    assert polled(net, ep) == []
    ep.modify(client, EPOLLIN | EPOLLONESHOT)
    assert polled(net, ep) == [(client.fileno(), EPOLLIN)]


def test_modifying_changes_what_is_reported(net):
    client, _ = net.connected()
    ep = watch(net, client, EPOLLIN)
    assert polled(net, ep) == []
    ep.modify(client, EPOLLOUT)
    assert polled(net, ep) == [(client.fileno(), EPOLLOUT)]
    ep.modify(client, EPOLLIN)
    assert polled(net, ep) == []


def test_unregistered_and_closed_sockets_are_silent(net):
    client, server = net.connected()
    ep = watch(net, client, EPOLLIN)
    server.send(b"a")
    net.settle()
    ep.unregister(client)
    assert polled(net, ep) == []
    ep.register(client, EPOLLIN)
    assert polled(net, ep) == [(client.fileno(), EPOLLIN)]
    client.close()
    assert polled(net, ep) == []


def test_the_peers_fin_is_in_and_rdhup(net):
    client, server = net.connected()
    ep = watch(net, client, EPOLLIN | EPOLLRDHUP)
    server.shutdown(socket.SHUT_WR)
    assert polled(net, ep) == [(client.fileno(), EPOLLIN | EPOLLRDHUP)]
    ep.modify(client, EPOLLRDHUP)
    assert polled(net, ep) == [(client.fileno(), EPOLLRDHUP)]


def test_hup_is_reported_unasked_when_both_directions_are_closed(net):
    client, server = net.connected()
    ep = watch(net, client, 0)
    server.shutdown(socket.SHUT_WR)
    assert polled(net, ep) == []
    client.shutdown(socket.SHUT_WR)
    assert polled(net, ep) == [(client.fileno(), EPOLLHUP)]


def test_a_reset_is_err_and_hup_unasked(net):
    client, server = net.connected()
    ep = watch(net, client, 0)
    client.send(b"never read")
    net.settle()
    server.close()
    assert polled(net, ep) == [(client.fileno(), EPOLLERR | EPOLLHUP)]


def test_a_fresh_stream_reads_as_writable_and_hung_up(net):
    sock = net.tcp()
    ep = watch(net, sock, EPOLLIN | EPOLLOUT)
    assert polled(net, ep) == [(sock.fileno(), EPOLLOUT | EPOLLHUP)]


def test_a_listener_is_readable_while_connections_wait(net):
    listener = net.listener()
    listener.setblocking(False)
    ep = watch(net, listener, EPOLLIN, "server")
    assert polled(net, ep) == []
    client = net.tcp()
    client.connect(listener.getsockname())
    assert polled(net, ep) == [(listener.fileno(), EPOLLIN)]
    net.keep(listener.accept()[0])
    assert polled(net, ep) == []


def test_a_listeners_edge_comes_with_each_connection(net):
    listener = net.listener()
    ep = watch(net, listener, EPOLLIN | EPOLLET, "server")
    for _ in range(2):
        client = net.tcp()
        client.connect(listener.getsockname())
        assert polled(net, ep) == [(listener.fileno(), EPOLLIN)]
        assert polled(net, ep) == []


def test_a_listeners_edge_comes_while_others_wait(net):
    listener = net.listener()
    ep = watch(net, listener, EPOLLIN | EPOLLET, "server")
    for _ in range(2):
        net.tcp().connect(listener.getsockname())
    assert polled(net, ep) == [(listener.fileno(), EPOLLIN)]
    net.keep(listener.accept()[0])
    assert polled(net, ep) == []
    net.tcp().connect(listener.getsockname())
    assert polled(net, ep) == [(listener.fileno(), EPOLLIN)]


def test_the_outcome_of_a_connect_is_writability(net):
    listener = net.listener()
    client = net.tcp()
    client.setblocking(False)
    assert client.connect_ex(listener.getsockname()) == errno.EINPROGRESS
    ep = watch(net, client, EPOLLIN | EPOLLOUT)
    assert polled(net, ep) == [(client.fileno(), EPOLLOUT)]


def test_a_refused_connect_reports_err(net):
    listener = net.listener()
    address = listener.getsockname()
    listener.close()
    client = net.tcp()
    client.setblocking(False)
    client.connect_ex(address)
    ep = watch(net, client, EPOLLOUT)
    ((_, events),) = polled(net, ep)
    assert events == EPOLLOUT | EPOLLERR | EPOLLHUP


def test_maxevents_gives_everyone_a_turn(net):
    pairs = [net.connected() for _ in range(4)]
    ep = net.epoll()
    for client, server in pairs:
        ep.register(client, EPOLLIN)
        server.send(b"x")
    net.settle()
    seen = [ep.poll(0, 1)[0][0] for _ in range(8)]
    assert seen[:4] == seen[4:]
    assert sorted(seen[:4]) == sorted(c.fileno() for c, _ in pairs)


def test_several_instances_each_hear_of_it(net):
    client, server = net.connected()
    a, b = watch(net, client, EPOLLIN | EPOLLET), watch(net, client, EPOLLIN)
    server.send(b"x")
    assert polled(net, a) == [(client.fileno(), EPOLLIN)]
    assert polled(net, b) == [(client.fileno(), EPOLLIN)]
    a.close()
    assert polled(net, b) == [(client.fileno(), EPOLLIN)]


def test_registering_late_steals_no_news_from_the_others(net):
    client, server = net.connected()
    a = watch(net, client, EPOLLIN | EPOLLET)
    server.send(b"x")
    net.settle()
    watch(net, client, EPOLLIN | EPOLLET)
    assert polled(net, a) == [(client.fileno(), EPOLLIN)]


def test_datagrams_are_edges_one_by_one(net):
    server, client = net.udp("server"), net.udp()
    server.bind((net.host, 0))
    ep = watch(net, server, EPOLLIN | EPOLLET, "server")
    for _ in range(2):
        client.sendto(b"x", server.getsockname())
        assert polled(net, ep) == [(server.fileno(), EPOLLIN)]
        assert polled(net, ep) == []


def test_datagrams_are_edges_while_others_wait(net):
    server, client = net.udp("server"), net.udp()
    server.bind((net.host, 0))
    ep = watch(net, server, EPOLLIN | EPOLLET, "server")
    for _ in range(2):
        client.sendto(b"x", server.getsockname())
    assert polled(net, ep) == [(server.fileno(), EPOLLIN)]
    server.recv(10)
    assert polled(net, ep) == []
    client.sendto(b"x", server.getsockname())
    assert polled(net, ep) == [(server.fileno(), EPOLLIN)]


def test_registration_errors(net):
    sock = net.tcp()
    ep = watch(net, sock, EPOLLIN)
    assert code(ep.register, sock, EPOLLIN) == errno.EEXIST
    other = net.tcp()
    assert code(ep.modify, other, EPOLLIN) == errno.ENOENT
    assert code(ep.unregister, other) == errno.ENOENT
    assert code(ep.register, 12345, EPOLLIN) == errno.EBADF
    with pytest.raises(ValueError, match="negative"):
        ep.register(-1, EPOLLIN)
    with pytest.raises(TypeError):
        ep.register("3", EPOLLIN)
    ep.unregister(sock)
    sock.close()
    with pytest.raises((OSError, ValueError)):
        ep.register(sock, EPOLLIN)


def test_a_closed_instance_refuses(net):
    with net.kind.epoll() as ep:
        assert not ep.closed
    assert ep.closed
    ep.close()
    with pytest.raises(ValueError, match="closed epoll"):
        ep.poll(0)
    with pytest.raises(ValueError, match="closed epoll"):
        ep.fileno()


def test_maxevents_must_be_positive(net):
    with pytest.raises(ValueError, match="maxevents"):
        net.epoll().poll(0, 0)


def test_an_instance_cannot_hold_itself(us):
    ep = us.epoll()
    assert code(ep.register, ep.descriptor, EPOLLIN) == errno.EINVAL


def test_a_poll_waits_in_virtual_time(us):
    client, _ = us.connected()
    ep = watch(us, client, EPOLLIN)
    start = us.clock.now()
    assert ep.poll(0.25) == []
    assert us.clock.now() - start == 250_000_000


def test_a_poll_drives_the_stack_until_something_is_ready(us):
    client, server = us.connected()
    ep = watch(us, client, EPOLLIN)
    server.send(b"x")
    assert ep.poll() == [(client.fileno(), EPOLLIN)]


def test_the_real_descriptor_is_readable_while_there_is_something_to_do(us):
    client, server = us.connected()
    ep = watch(us, client, EPOLLIN)
    real = select.poll()
    real.register(ep.fileno(), select.POLLIN)
    assert real.poll(0) == []
    server.send(b"x")
    us.settle()
    assert real.poll(0) == [(ep.fileno(), select.POLLIN)]
    assert ep.poll(0) == [(client.fileno(), EPOLLIN)]
    assert client.recv(10) == b"x"
    assert ep.poll(0) == []
    assert real.poll(0) == []


def test_the_real_descriptor_wakes_for_frames_and_for_timers():
    """The system's poller and clock; both stacks in this thread, each driven only when its descriptor says so."""
    a, b = make_pair()
    with usnet.Stack(a, "10.9.0.1/24") as one, usnet.Stack(b, "10.9.0.2/24", config={"arp_retry": 20_000_000}) as two:
        instances = [one.epoll(), two.epoll()]
        real = select.poll()
        for ep in instances:
            real.register(ep.fileno(), select.POLLIN)
        by_fd = {ep.fileno(): ep for ep in instances}
        listener = one.create_server(("", 80))
        client = two.socket()
        client.setblocking(False)
        instances[0].register(listener, EPOLLIN)
        client.connect_ex(("10.9.0.1", 80))
        instances[1].register(client, EPOLLOUT)
        seen = set()
        while len(seen) < 2:
            ready = real.poll(5000)
            assert ready, "neither descriptor became readable"
            for fd, _ in ready:
                seen |= {(fd, events) for _, events in by_fd[fd].poll(0)}
        nobody = two.socket()
        nobody.setblocking(False)
        nobody.connect_ex(("10.9.0.77", 1))  # asks for its address, again and again: timers
        instances[1].unregister(client)
        instances[1].register(nobody, EPOLLOUT)
        runs = two.statistics()["ip"]["arp_requests_out"]
        while two.statistics()["ip"]["arp_requests_out"] == runs:
            assert real.poll(5000), "the timer did not make it readable"
            for ep in instances:
                ep.poll(0)
        for end in (listener, client, nobody, *instances):
            end.close()
        for stack in (one, two):
            stack.close(linger=0)
