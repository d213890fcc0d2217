"""What all tests share: Hypothesis's settings, and skipping where the machine lacks something, with what it lacks."""
import os
import shutil
import signal
import sys

import pytest
from hypothesis import settings

settings.register_profile("usnet", deadline=None, derandomize="CI" in os.environ, print_blob=True)
settings.register_profile("night", parent=settings.get_profile("usnet"), derandomize=False, max_examples=10_000)  # a hundred times as many
settings.load_profile("usnet")

# Debian packages of the programs that tests ask for.
PACKAGES = {
    "tshark": "tshark",
    "nc": "netcat-openbsd",
    "nginx": "nginx-light",
    "ping": "iputils-ping",
    "curl": "curl",
    "ip": "iproute2",
    "redis-server": "redis-server",
    "iperf3": "iperf3",
    "valgrind": "valgrind",
}
BUILDS = ("test_wheel.py", "test_instructions.py")      # that make something once, of which all of their tests are
SBIN = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def missing(what: str) -> str | None:
    """What to tell the reader when `what` (root, tun, or a program) is not here; None when it is."""
    if what == "root":
        return None if os.geteuid() == 0 else "root (network namespaces and devices need it)"
    if what == "tun":
        return None if os.access("/dev/net/tun", os.R_OK | os.W_OK) else "access to /dev/net/tun"
    if what == "netmap":
        return None if os.access("/dev/netmap", os.R_OK | os.W_OK) else \
            "/dev/netmap (the kernel's netmap module; `make test-netmap` runs these tests in a virtual machine that has it)"
    if what == "netmap.ko":
        return None if os.environ.get("NETMAP_KO") else "NETMAP_KO, the module's file: these tests load it anew (`make test-netmap`)"
    if what not in PACKAGES:
        raise pytest.UsageError(f"needs({what!r}): unknown; see tests/conftest.py")
    return None if shutil.which(what, path=SBIN) else f"{what} (Debian package {PACKAGES[what]})"


def pytest_configure():
    """Whoever starts this in the background has SIGINT ignored, here and in all children; some tests are about Ctrl-C."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Tests with devices of the kernel run one after another: the machine has few processors, and they measure time. So do those that share what
    takes long to make: a wheel, counts of instructions."""
    for item in items:
        if item.path.name in BUILDS:
            item.add_marker(pytest.mark.timeout(1800))
        if config.pluginmanager.is_blocked("xdist"):        # its workers do not have it by that name, so that is not what is asked
            continue
        if item.path.name in BUILDS:
            item.add_marker(pytest.mark.xdist_group(item.path.name))
        elif any("root" in mark.args for mark in item.iter_markers("needs")):
            item.add_marker(pytest.mark.xdist_group("kernel"))


def pytest_runtest_setup(item):
    lacking = [m for mark in item.iter_markers("needs") for what in mark.args if (m := missing(what))]
    if lacking:
        pytest.skip("missing: " + ", ".join(lacking))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """No test may make a connection go from a state to another that RFC 9293 does not know (usnet/tcp/states)."""
    states = sys.modules.get("usnet.tcp.states")
    before = states.illegal_transitions() if states else 0
    result = yield
    states = sys.modules.get("usnet.tcp.states")
    assert not states or states.illegal_transitions() == before, "an illegal transition: see usnet.tcp.states.LEGAL"
    return result
