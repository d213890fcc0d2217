"""The Cython API from outside: somebody else's module is compiled against the .pxd files and echoes without the GIL."""

from tests.sockets.outside import compile_module

SOURCE = '''
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint64_t
from libc.errno cimport EAGAIN, EINPROGRESS, EINVAL
from libc.string cimport memcpy, memset
from usnet.sockets.api cimport *
from usnet.sockets.host cimport Stack
from usnet.sockets.lent cimport *
from usnet.sockets.ready cimport CTL_ADD, usn_epoll_event
from usnet.ip.state cimport READY_IN, READY_OUT
from usnet.wire.addr cimport addr_from_v4, ip_addr


cdef int64_t echo(net *server, net *client, uint16_t port, int64_t total, int64_t now) noexcept nogil:
    """A stream of `total` bytes there and back; how many came back, or -errno."""
    cdef ip_addr a
    cdef usn_epoll_event events[8]
    cdef uint8_t buf[4096]
    cdef usn_buffer lent
    cdef int listener, sock, conn = -1, ep, status, i
    cdef uint64_t MINE = 1 << 40
    cdef int64_t sent = 0, back = 0, n, held = 0
    memset(&a, 0, sizeof(a))
    memset(buf, 7, sizeof(buf))
    listener = usn_socket(server, 2, 1, 0)
    status = usn_bind(server, listener, &a, port)
    if status == 0:
        status = usn_listen(server, listener, 5)
    ep = usn_epoll_create(server)
    if status == 0:
        status = usn_epoll_ctl(server, ep, CTL_ADD, listener, READY_IN)
    if status < 0:
        return status
    sock = usn_socket(client, 2, 1, 0)
    addr_from_v4(&a, 0x0a090001)
    status = usn_connect(client, sock, &a, port, now)
    if status != -EINPROGRESS:
        return -1000
    while back < total:
        now += 1000000
        usn_run(client, now)
        usn_run(server, now)
        n = usn_epoll_wait(server, ep, events, 8)
        for i in range(n):
            if events[i].fd == listener:
                conn = usn_accept(server, listener, NULL, NULL)
                usn_epoll_ctl_data(server, ep, CTL_ADD, conn, READY_IN, <uint64_t>MINE + conn)
            elif events[i].data != <uint64_t>MINE + conn:
                return -1001
            elif held == 0:
                held = usn_recv_buffer(server, conn, &lent, now)
                if held > 0:
                    memcpy(buf, lent.p, held)
                    if usn_give_buffer(server, &lent) or usn_give_buffer(server, &lent) != -EINVAL:
                        return -1001
        if held > 0:
            n = usn_send(server, conn, buf, held, 0, now)
            if n > 0:
                held -= n
        if sent < total:
            n = usn_send_buffer_get(client, sock, min(<int64_t>1000, total - sent), &lent, now)
            if n > 0:
                memset(lent.p, 7, n)
                n = usn_send_buffer_commit(client, sock, &lent, n, now)
            if n > 0:
                sent += n
            elif n != -EAGAIN:
                return n
        n = usn_recv(client, sock, buf, 4096, 0, now)
        if n > 0:
            back += n
        elif n != -EAGAIN:
            return n
        usn_flush(client, now)
        usn_flush(server, now)
    usn_close(client, sock, now)
    usn_close(server, conn, now)
    usn_close(server, ep, now)
    usn_close(server, listener, now)
    return back


def run(Stack server, Stack client, int64_t total):
    cdef int64_t back, now = server.clock.now()
    with nogil:
        back = echo(&server.n, &client.n, 7, total, now)
    return back, server.n.n_socks, client.n.n_socks
'''


def test_a_module_outside_can_cimport_the_api_and_run_without_the_gil(tmp_path, us):
    outside = compile_module(tmp_path, "outside", SOURCE)
    assert outside.run(us.server, us.client, 100_000) == (100_000, 0, 0)
