"""usnet at one end of a TAP device, the kernel's TCP at the other, in another process: bulk in both directions, with and without offloads.

python -m benchmarks.tap [--total MiB] [--runs N] [--small]     GB/s of payload, wall time; needs root (a network namespace of its own)
"""

import argparse
import ctypes
import multiprocessing
import os
import socket
import statistics
import time
import traceback

DEVICE, KERNEL, USNET, PORT = "ustap0", "10.77.0.1", "10.77.0.2", 9
PIECE = 1 << 18
CLONE_NEWNET = 0x40000000


def own_network():
    """This process lives in a new network namespace from now on."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def open_stack(offload, clock=None):
    """A usnet stack on a new TAP device in this namespace, with the kernel at the other end."""
    import usnet
    from usnet.backends.registry import open_port
    from usnet.backends.tap.peer import configure_peer

    port = open_port(f"tap:{DEVICE}", offload=offload)
    configure_peer(port.device, f"{KERNEL}/24")
    return usnet.Stack(port, f"{USNET}/24", config={"msl": 1_000_000})


def kernel_receives(port, ready):
    """A process: takes all that one connection brings."""
    with socket.create_server((KERNEL, port)) as listener:
        ready.set()
        sock, _ = listener.accept()
        room = bytearray(PIECE)
        with sock:
            while sock.recv_into(room):
                pass


def kernel_sends(port, total):
    """A process: connects to usnet and sends so many bytes."""
    data = bytes(PIECE)
    with socket.create_connection((USNET, port)) as sock:
        sent = 0
        while sent < total:
            sent += sock.send(data)
        sock.shutdown(socket.SHUT_WR)
        sock.recv(1)


def to_kernel(stack, total):
    """Seconds until usnet has sent `total` bytes and the kernel's program has taken them all."""
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    peer = context.Process(target=kernel_receives, args=(PORT, ready))
    peer.start()
    ready.wait()
    data = bytes(PIECE)
    with stack.socket() as sock:
        sock.connect((KERNEL, PORT))
        began = time.perf_counter()
        sent = 0
        while sent < total:
            sent += sock.send(data)
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1) == b""          # it has read to the end
        took = time.perf_counter() - began
    peer.join()
    return took


def from_kernel(stack, total):
    """Seconds from the connection to the last of `total` bytes that the kernel's program sends and usnet's reads."""
    context = multiprocessing.get_context("fork")
    with stack.socket() as listener:
        listener.bind((USNET, PORT))
        listener.listen(1)
        peer = context.Process(target=kernel_sends, args=(PORT, total))
        peer.start()
        sock, _ = listener.accept()
        room = bytearray(PIECE)
        with sock:
            began = time.perf_counter()
            got = 0
            while n := sock.recv_into(room):
                got += n
            took = time.perf_counter() - began
        assert got >= total
    peer.join()
    return took


def run_case(direction, offload, total, results):
    try:
        own_network()
        stack = open_stack(offload)
        results.put((to_kernel if direction == "to_kernel" else from_kernel)(stack, total))
        stack.close(linger=0)
    except BaseException:
        traceback.print_exc()
        results.put(None)
        os._exit(1)


def measure(direction, offload, total):
    """Bytes a second of one run, in a process and a namespace of its own."""
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    process = context.Process(target=run_case, args=(direction, offload, total, results))
    process.start()
    took = results.get()
    process.join()
    if took is None:
        raise RuntimeError("the run failed")
    return total / took


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tap", description=__doc__.splitlines()[0])
    parser.add_argument("--total", type=int, default=512, help="MiB a run")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args(argv)
    cases = [(d, o) for d in ("to_kernel", "from_kernel") for o in (False, True)]
    seen = {case: [] for case in cases}
    for _ in range(options.runs):
        for case in cases:
            seen[case].append(measure(*case, options.total << 20))
    for (direction, offload), rates in seen.items():
        print(f"{direction:12} offload {'on' if offload else 'off':4} {statistics.median(rates) / 1e9:6.2f} GB/s"
              f"   ({min(rates) / 1e9:.2f} to {max(rates) / 1e9:.2f})", flush=True)


if __name__ == "__main__":
    main()
