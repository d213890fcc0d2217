"""Many messages a call; docs/sockets.md says how they are used. No call here waits, whatever a socket's timeout is."""
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.errno cimport EAGAIN, EBADF
from libc.stdint cimport uint8_t

from usnet.sockets.api cimport usn_recv, usn_send
from usnet.sockets.convert cimport os_error
from usnet.sockets.table cimport KIND_UDP
from usnet.tcp.options cimport OPT_ACCEPTCONN, tcp_get

cdef enum:
    FEW = 64                    # bytes, for calls that find nothing to read
    DATAGRAM = 65536            # bytes: more than the largest datagram


cdef int descriptor_of(object fd) except? -2:
    if not isinstance(fd, int):
        try:
            fd = fd.fileno()
        except AttributeError:
            raise TypeError(f"a descriptor is an int, or has a fileno() method, unlike {fd!r}") from None
    return fd


cdef object receive_one(Stack stack, int fd, Py_ssize_t most, int64_t now):
    cdef net *n = &stack.n
    cdef sock *so = sock_at(n, fd)
    cdef uint32_t ready
    cdef int64_t got
    cdef bytes data
    cdef uint8_t few[64]
    if so == NULL:
        return os_error(-EBADF)
    if so.kind == KIND_TCP:
        ready = stream_ready(n, fd)
        if ready == 0 or most == 0:         # its end, an error, or nothing yet
            if tcp_get(&n.s.tcp, so.pcb, OPT_ACCEPTCONN):
                return None
            got = usn_recv(n, fd, few, min(most, FEW), 0, now)
            return few[:got] if got >= 0 else None if got == -EAGAIN else os_error(<int>got)
        most = min(most, <Py_ssize_t>ready)
    elif so.kind == KIND_UDP:
        most = min(most, <Py_ssize_t>DATAGRAM)
    else:
        return None
    data = PyBytes_FromStringAndSize(NULL, most)
    got = usn_recv(n, fd, <uint8_t *>PyBytes_AS_STRING(data), most, 0, now)
    if got == most:
        return data
    return data[:got] if got >= 0 else None if got == -EAGAIN else os_error(<int>got)


def recv_many(Stack stack not None, fds, Py_ssize_t bufsize):
    """Stack.recv_many()."""
    cdef int64_t now
    stack.enter()
    if bufsize < 0:
        raise ValueError("negative buffersize in recv_many")
    numbers = [descriptor_of(fd) for fd in fds]
    now = stack.now()
    found = [receive_one(stack, fd, bufsize, now) for fd in numbers]
    if stack.n.s.tcp.output.count:
        stack.flush()                       # windows may have opened
    return found


cdef object send_one(Stack stack, int fd, object data, int64_t now):
    cdef int64_t done
    cdef Py_buffer b
    if PyBytes_CheckExact(data):
        done = usn_send(&stack.n, fd, <const uint8_t *>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), 0, now)
    else:
        PyObject_GetBuffer(data, &b, PyBUF_SIMPLE)
        done = usn_send(&stack.n, fd, <const uint8_t *>b.buf, b.len, 0, now)
        PyBuffer_Release(&b)
    return done if done >= 0 else None if done == -EAGAIN else os_error(<int>done)


def send_many(Stack stack not None, messages):
    """Stack.send_many()."""
    cdef int64_t now
    cdef list taken = []
    stack.enter()
    now = stack.now()
    try:
        for fd, data in messages:
            taken.append(send_one(stack, descriptor_of(fd), data, now))
    finally:
        stack.flush()
    return taken
