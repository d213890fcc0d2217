"""Bulk over TAP: usnet at one end of a device and the kernel's TCP at the other, beside the kernel's at both ends of two devices that a forwarder
joins. Each run is in processes and namespaces of its own; what it costs is wall time, and processor time of all that took part."""

import ctypes
import multiprocessing
import os
import resource
import socket
import time

from benchmarks import forwarder

DEVICE, NEAR, FAR, PORT = "ustap0", "10.77.0.1", "10.77.0.2", 9
PIECE = 1 << 18
TOTAL = {True: 512 << 20, False: 128 << 20}     # bytes of a run with and without offload
CONGESTION = b"reno"    # of the kernel's connections, as of usnet's: what this machine prefers may pace itself
CLONE_NEWNET = 0x40000000
FORK = multiprocessing.get_context("fork")


def missing():
    """What is not here that a run needs, or None."""
    if os.geteuid() != 0 or not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "root and /dev/net/tun (network namespaces and devices)"
    return forwarder.available()


class Cost:
    """Seconds of wall and processor time since it was made: of this process, kernel included."""

    def __init__(self):
        self.began, self.used = time.perf_counter(), self.processor()

    @staticmethod
    def processor():
        spent = resource.getrusage(resource.RUSAGE_SELF)
        return spent.ru_utime + spent.ru_stime

    def now(self):
        return time.perf_counter() - self.began, self.processor() - self.used


def own_network():
    """This process lives in a new network namespace from now on."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def send(sock, total):
    """All of it, and then waits for the peer's end, which comes when it has read everything: the cost."""
    data, cost, sent = bytes(PIECE), Cost(), 0
    while sent < total:
        sent += sock.send(data)
    sock.shutdown(socket.SHUT_WR)
    assert sock.recv(1) == b""
    return cost.now()


def receive(sock, total):
    """To the end: the cost. The first byte is not waited for at this process's cost, only at the sender's."""
    room, cost, got = bytearray(PIECE), Cost(), 0
    while n := sock.recv_into(room):
        got += n
    assert got >= total
    return cost.now()


def served(listener, work, total):
    """Accepts one connection and works on it."""
    sock, _ = listener.accept()
    with sock:
        return work(sock, total)


# Who takes part: each function is a process of its own, and says in the queue what it was and what it cost

def usnet_end(costs, work, offload):
    """usnet, and in another process of its namespace the kernel's program, which does the opposite."""
    import usnet
    from usnet.backends.registry import open_port
    from usnet.backends.tap.peer import configure_peer

    own_network()
    port = open_port(f"tap:{DEVICE}", offload=offload)
    configure_peer(port.device, f"{NEAR}/24")
    with usnet.Stack(port, f"{FAR}/24", config={"msl": 1_000_000}) as stack, stack.create_server(("", PORT)) as listener:
        peer = start(kernel_client, costs, send if work is receive else receive, offload)
        costs.put((work.__name__, *served(listener, work, TOTAL[offload])))
        while peer.exitcode is None:
            stack.wait(stack.clock.now() + 1_000_000)


def kernel_socket():
    """Before it is connected: whoever began with pacing goes on with it."""
    sock = socket.socket()
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, CONGESTION)
    return sock


def kernel_client(costs, work, offload):
    with kernel_socket() as sock:
        sock.connect((FAR, PORT))
        costs.put((work.__name__, *work(sock, TOTAL[offload])))


def kernel_server(costs, work, offload, ready):
    with kernel_socket() as listener:
        listener.bind((FAR, PORT))
        listener.listen()
        ready.set()
        costs.put((work.__name__, *served(listener, work, TOTAL[offload])))


def forwarder_end(costs, work, offload):
    """The forwarder, and two namespaces with a program of the kernel's each. It ends with them: they hold the other end of its pipe."""
    from usnet.backends.tap.peer import configure_peer

    ready = FORK.Event()
    stop, held = os.pipe()
    own_network()
    far = forwarder.open_tap(DEVICE, offload)
    configure_peer(DEVICE, f"{FAR}/24")
    start(kernel_server, costs, work, offload, ready)
    ready.wait()
    own_network()
    near = forwarder.open_tap(DEVICE, offload)
    configure_peer(DEVICE, f"{NEAR}/24")
    start(kernel_client, costs, send if work is receive else receive, offload)
    os.close(held)
    cost = Cost()
    forwarder.module().forward(far, near, stop)
    costs.put(("forward", *cost.now()))


def start(target, *arguments):
    process = FORK.Process(target=target, args=arguments)
    process.start()
    return process


def run(end, work, offload):
    """(wall time, processor time of all processes together) of one run, in ns per KiB of payload."""
    forwarder.module()
    costs = FORK.SimpleQueue()
    first = start(end, costs, work, offload)
    first.join()
    if first.exitcode != 0:
        raise RuntimeError(f"{end.__name__} ended with {first.exitcode}")
    said = []
    while not costs.empty():
        said.append(costs.get())
    [wall] = [wall for who, wall, _ in said if who == "send"]
    unit = 1e9 / (TOTAL[offload] >> 10)
    return wall * unit, sum(processor for *_, processor in said) * unit
