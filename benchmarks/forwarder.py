"""A forwarder of frames between two TAP devices, in Cython: compiled once a run, by the compiler that builds usnet."""

import fcntl
import functools
import importlib.util
import os
import shutil
import struct
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

SOURCE = Path(__file__).with_name("forward.pyx")
TUNSETIFF, TUNSETOFFLOAD, TUNSETVNETHDRSZ = 0x400454CA, 0x400454D0, 0x400454D8
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x2, 0x1000, 0x4000
TUN_F_CSUM, TUN_F_TSO4, TUN_F_TSO6 = 1, 2, 4


def available():
    """What is missing to build it, or None."""
    missing = [tool for tool in ("cython", "cc") if not find(tool)]
    return " and ".join(missing) or None


def find(tool):
    return shutil.which(tool, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))


@functools.cache
def module():
    """The compiled forward.pyx. CalledProcessError with the compiler's words on stderr."""
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder, "forward.c"), Path(folder, "forward.so")
        subprocess.run([find("cython"), "-3", SOURCE, "-o", source], check=True)
        include = sysconfig.get_paths()["include"]
        subprocess.run([find("cc"), "-O2", "-shared", "-fPIC", f"-I{include}", source, "-o", library], check=True)
        spec = importlib.util.spec_from_file_location("forward", library)
        made = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(made)
    return made


def open_tap(name, offload):
    """A descriptor of a new TAP device in this thread's namespace, non-blocking, with the flags that usnet's port has."""
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI | (IFF_VNET_HDR if offload else 0)))
    if offload:
        fcntl.ioctl(fd, TUNSETVNETHDRSZ, struct.pack("i", 10))
        fcntl.ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6)
    return fd
