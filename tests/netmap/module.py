"""The module in the running kernel: loaded anew with parameters, and what it says of itself."""
import os
import subprocess
import time
from pathlib import Path

from tests.backends.netmap.world import SMALL
from usnet.backends import netmap
from usnet.backends.netmap.abi import NETMAP_REQ_VALE_DELIF
from usnet.backends.netmap.device import KernelDevice

PARAMETERS = Path("/sys/module/netmap/parameters")


def reload(**parameters):
    """Takes the module out and puts it in again, with `parameters` beside SMALL."""
    ko = os.environ["NETMAP_KO"]
    remove_persistent_ports()
    for _attempt in range(50):
        gone = subprocess.run(["rmmod", "netmap"], check=False, capture_output=True, text=True)
        if not Path("/sys/module/netmap").exists():
            break
        time.sleep(0.1)
    else:
        raise RuntimeError(f"rmmod netmap: {gone.stderr}")
    subprocess.run(["insmod", ko, *(f"{k}={v}" for k, v in (SMALL | parameters).items())], check=True)


def remove_persistent_ports():
    """VALE ports that outlive their descriptors keep the module in use."""
    device = KernelDevice()
    fd = device.call_open()
    for name in os.listdir("/sys/class/net"):
        if not Path("/sys/class/net", name, "device").exists():
            device.call_control(fd, NETMAP_REQ_VALE_DELIF, name.encode())
    device.call_close(fd)


def parameters():
    return {p.name: p.read_text().strip() for p in sorted(PARAMETERS.iterdir())}


def set_parameter(name, value):
    """While nobody uses what it is about."""
    (PARAMETERS / name).write_text(str(value))


def free_buffers():
    """How many buffers the common memory could still give: one port takes them all for a moment."""
    with netmap.open("vale7:count", mem_id=1, tx_slots=2, rx_slots=2, extra_bufs=1 << 20) as port:
        return len(port.extra_buffers)


def users():
    """How many descriptors and attachments hold the module."""
    return int(next(line for line in Path("/proc/modules").read_text().splitlines() if line.startswith("netmap ")).split()[2])
