"""Goodput over a way that loses and delays: the kernel's TCP at both ends of two TAP devices that a forwarder joins, and usnet in the place of the
sender or of the receiver. One fault wrapper harms the same frames, by number, in all of them. Each run is in processes and namespaces of its own."""

import itertools
import os
import socket
import statistics
import time

from benchmarks.building import module
from benchmarks.rows import row, spread
from benchmarks.tap import DEVICE, FAR, FORK, NEAR, PORT, own_network, start

LOSSES = ("0", "0.001", "0.01", "0.05")     # chance of each frame of the direction that the data takes
RTTS = (1, 20, 100)                         # ms
CONTROLLERS = {"reno": "newreno", "cubic": "cubic"}     # the kernel's name: usnet's
PIECE = 1 << 18
HELD = 1 << 17      # frames that the wrapper may hold back
PAUSE = 0.5         # s between the last byte looked at and the end of the sender


def seconds(rtt, share):
    """How long a run is: a longer way needs more of it before it tells anything."""
    return max(2.0, (4 + rtt / 10) * share)


def rules(loss, rtt, towards):
    """Half the round trip each way, and the loss in the direction of the data only."""
    from usnet.backends.fate import Fate

    return [Fate("drop", at=towards, p=loss), Fate(f"delay({rtt * 500}us)")]


def send(sock, end):
    """As much as goes until a while after `end`."""
    data = bytes(PIECE)
    try:
        while (left := end + PAUSE - time.monotonic()) > 0:
            sock.settimeout(left)
            sock.send(data)
    except OSError:
        pass    # the receiver has seen enough, or nothing moved any more


def receive(sock, end):
    """Bytes that arrived until `end`."""
    room, got = bytearray(PIECE), 0
    try:
        while (left := end - time.monotonic()) > 0:
            sock.settimeout(left)
            if not (n := sock.recv_into(room)):
                break
            got += n
    except TimeoutError:
        pass
    return got


WORKS = {"send": send, "receive": receive}


def take_part(said, sock, role, lasts):
    """Does its part from now on; what was received goes into `said`, with its time."""
    began = time.monotonic()
    got = WORKS[role](sock, began + lasts)
    if role == "receive":
        said.put((got, time.monotonic() - began))


def kernel_socket(controller):
    sock = socket.socket()
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, controller.encode())
    return sock


def kernel_client(said, role, controller, lasts):
    with kernel_socket(controller) as sock:
        sock.connect((FAR, PORT))
        take_part(said, sock, role, lasts)


def kernel_server(said, role, controller, lasts, ready):
    with kernel_socket(controller) as listener:
        listener.bind((FAR, PORT))
        listener.listen()
        ready.set()
        sock, _ = listener.accept()
        with sock:
            take_part(said, sock, role, lasts)


def harmed(role, loss, rtt, seed):
    """The near end's device. `role` is that of the far end, whose frames are a's."""
    from usnet.backends.registry import open_port
    from usnet.backends.wrappers.faults import FaultPort

    port = open_port(f"tap:{DEVICE}", offload=False)
    return FaultPort(port, rules(loss, rtt, "a->b" if role == "send" else "b->a"), seed, max_held=HELD), port.device


def opposite(role):
    return "receive" if role == "send" else "send"


def usnet_end(said, role, controller, loss, rtt, lasts, seed):
    """usnet, and the kernel's program in another process of its namespace, which does the opposite."""
    import usnet
    from usnet.backends.tap.peer import configure_peer

    own_network()
    port, device = harmed(role, loss, rtt, seed)
    configure_peer(device, f"{NEAR}/24")
    config = {"msl": 1_000_000, "congestion": CONTROLLERS[controller], "adaptive_acks": True}
    with usnet.Stack(port, f"{FAR}/24", config=config) as stack, stack.create_server(("", PORT)) as listener:
        peer = start(kernel_client, said, opposite(role), controller, lasts)
        sock, _ = listener.accept()
        with sock:
            take_part(said, sock, role, lasts)
        while peer.exitcode is None:
            stack.wait(stack.clock.now() + 1_000_000)


def kernel_ends(said, role, controller, loss, rtt, lasts, seed):
    """The forwarder, and two namespaces with a program of the kernel's each: `role` is the server's. It ends with them: they hold the other end of
    its pipe."""
    from usnet.backends.registry import open_port
    from usnet.backends.tap.peer import configure_peer

    ready = FORK.Event()
    stop, held = os.pipe()
    own_network()
    far = open_port(f"tap:{DEVICE}", offload=False)
    configure_peer(far.device, f"{FAR}/24")
    start(kernel_server, said, role, controller, lasts, ready)
    ready.wait()
    own_network()
    near, device = harmed(role, loss, rtt, seed)
    configure_peer(device, f"{NEAR}/24")
    start(kernel_client, said, opposite(role), controller, lasts)
    os.close(held)
    module("harmed").forward(far, near, stop)


def goodput(end, *arguments):
    """Mbit/s of one run."""
    module("harmed")
    said = FORK.SimpleQueue()
    first = start(end, said, *arguments)
    first.join()
    if first.exitcode != 0:
        raise RuntimeError(f"{end.__name__} ended with {first.exitcode}")
    got, took = said.get()
    return got * 8 / took / 1e6


def missing():
    from benchmarks import tap

    if lacking := tap.missing():
        return lacking
    with open("/proc/sys/net/ipv4/tcp_available_congestion_control") as file:
        absent = set(CONTROLLERS) - set(file.read().split())
    return f"the kernel's {', '.join(sorted(absent))}" if absent else None


def rows(found):
    """For each way two rows, usnet as the far end's sender and as its receiver, beside the kernel in its place: four turns in each run, which lose
    other frames than the next run's; `paired` is the median of the runs' ratios. Goodput: more is better."""
    for controller, rtt, loss in itertools.product(CONTROLLERS, RTTS, LOSSES):
        way = f"{controller}, {rtt} ms, loss {float(loss) * 100:g} %"
        if found.case not in way or not found.times:
            continue
        asked = controller, loss, rtt, seconds(rtt, found.share)
        found_by = {(end, role): [] for end in (kernel_ends, usnet_end) for role in WORKS}
        for seed in range(1, found.runs + 1):
            for (end, role), made in found_by.items():
                made.append(goodput(end, role, *asked, seed))
        for role in WORKS:
            ours, kernels = found_by[usnet_end, role], found_by[kernel_ends, role]
            ratios = [one / other for one, other in zip(ours, kernels, strict=True)]
            paired = {"paired": round(statistics.median(ratios), 3), "paired_spread": spread(ratios)}
            yield row("wan", f"{way}; usnet {role}s", "Mbit/s", ours, "kernel to kernel", kernels, **paired)
