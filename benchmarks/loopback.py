"""The kernel's TCP over loopback without Python in the loop: both ends in one thread, which never sleeps (drivers/loopback.pyx)."""

import contextlib
import ctypes
import fcntl
import multiprocessing
import os
import resource
import socket
import struct

from benchmarks import building

NAME = "kernel loopback"
PACKETS = "kernel loopback, MTU 1500, no TSO"
CLONE_NEWNET = 0x40000000
SIOCSIFMTU, SIOCSIFFLAGS, SIOCETHTOOL = 0x8922, 0x8914, 0x8946
IFF_UP = 1
STSO, SGSO, SGRO = 0x1F, 0x24, 0x2C  # of ethtool
PATIENCE = 60  # seconds
FORK = multiprocessing.get_context("fork")


def missing():
    return building.missing()


def missing_packets():
    """Also what a network namespace takes."""
    return missing() or (None if os.geteuid() == 0 else "root (a network namespace)")


@contextlib.contextmanager
def joined(connections, check=False, most=None):
    both = building.module("loopback").Joined(most or connections + 128, 0, check)
    try:
        more_descriptors(2 * connections + 256)
        both.connect(connections)
        yield both
    finally:
        both.close()


def more_descriptors(wanted):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(hard, wanted), hard))


# The works of benchmarks/native.py.

@contextlib.contextmanager
def bulk(check=False):
    with joined(1, check) as both:
        yield lambda units: both.bulk(units * 1460)


@contextlib.contextmanager
def echo(connections, check=False):
    with joined(connections, check) as both:
        yield lambda units: both.echo(max(1, units // connections))


@contextlib.contextmanager
def connect(batch, check=False):
    with joined(0, check, most=batch + 64) as both:
        yield lambda units: both.open_and_close(max(1, units // batch), batch)


@contextlib.contextmanager
def packets():
    """Bulk over a loopback that carries packets of 1,500 bytes, each by itself: in a process with a network namespace of its own."""
    here, there = FORK.Pipe()
    child = FORK.Process(target=serve_packets, args=(there,))
    child.start()
    there.close()

    def run(units):
        here.send(units)
        if not here.poll(PATIENCE):
            raise RuntimeError("no answer from the process with its own namespace")
        return here.recv()

    try:
        yield run
    finally:
        here.send(0)
        child.join()
        here.close()


def serve_packets(pipe):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    plain_loopback()
    with bulk() as run:
        while units := pipe.recv():
            pipe.send(run(units))


def plain_loopback():
    """Of this namespace: up, MTU 1500, nothing put off to a device that there is not."""
    with socket.socket() as any_socket:
        fd = any_socket.fileno()
        for command in (STSO, SGSO, SGRO):
            value = ctypes.create_string_buffer(struct.pack("II", command, 0))
            fcntl.ioctl(fd, SIOCETHTOOL, struct.pack("16sP", b"lo", ctypes.addressof(value)))
        fcntl.ioctl(fd, SIOCSIFMTU, struct.pack("16si", b"lo", 1500))
        fcntl.ioctl(fd, SIOCSIFFLAGS, struct.pack("16sh", b"lo", IFF_UP))
