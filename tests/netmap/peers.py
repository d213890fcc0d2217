"""The kernel of the machine as the peer of usnet on a VALE switch: an interface whose host rings are attached to it.

Not a veth pair with one end attached: the emulated mode writes into the memory of a sent frame again when its ring has come round, also where that
frame still waits in a socket of the other end.
"""
import contextlib
import signal
import subprocess
import sys
from pathlib import Path

from tests.interop.machine import PATIENCE, environment, read_line
from tests.netmap import links
from usnet.backends import netmap

KERNEL, USNET, PREFIX = "10.9.0.1", "10.9.0.2", 24
SWITCH = "vale0"


@contextlib.contextmanager
def kernel_on_the_switch():
    subprocess.run(["modprobe", "dummy", "numdummies=0"], check=True)
    links.ip("link", "add", "k0", "type", "dummy")
    links.quiet("k0")
    links.ip("link", "set", "k0", "arp", "on")
    links.ip("addr", "add", f"{KERNEL}/{PREFIX}", "dev", "k0")
    netmap.vale_attach(f"{SWITCH}:k0", host=True)
    try:
        yield
    finally:
        netmap.vale_detach(f"{SWITCH}:k0")
        links.remove("k0")


@contextlib.contextmanager
def served(what, *options, port=f"{SWITCH}:u", address=USNET):
    """`usnet serve` in a process of its own, as soon as it listens."""
    argv = [sys.executable, "-u", "-m", "usnet", "serve", what, "--backend", f"netmap:{port}", "--address", f"{address}/{PREFIX}", *map(str, options)]
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment())
    try:
        line = read_line(process)
        assert line.startswith("listening"), line
        yield process
    finally:
        process.stdout.close()
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def run(*words, data=None, check=True):
    done = subprocess.run([str(w) for w in words], input=data, capture_output=True, env=environment(), timeout=PATIENCE * 2, check=False)
    assert not check or done.returncode == 0, f"{words[0]} ended with {done.returncode}: {done.stdout[-2000:]!r} {done.stderr[-2000:]!r}"
    return done


def memory_in_use():
    """Bytes that the kernel cannot give away, as far as it says."""
    said = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return (int(said["MemTotal"].split()[0]) - int(said["MemAvailable"].split()[0])) * 1024
