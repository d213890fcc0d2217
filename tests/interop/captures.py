"""tshark as the judge of captures."""
import subprocess
from pathlib import Path

from tests.interop.addresses import KERNEL

CHECKS = ("ip.check_checksum:TRUE", "tcp.check_checksum:TRUE", "udp.check_checksum:TRUE", "ip.defragment:TRUE")
PAYLOAD = ("tcp.port==1-65535,data", "udp.port==1-65535,data")
"""It is noise here, and no message, be it malformed or not, of whatever may live at the port."""
BAD = " || ".join(["_ws.malformed", "_ws.expert.severity == error",
                   *(f'{p}.checksum.status == "Bad"' for p in ("ip", "icmp", "tcp", "udp"))])
ALLOWED = f"(tcp.checksum == 0xffff && ip.src == {KERNEL})"
"""Linux writes a TCP checksum of 0 as 0xffff, as only UDP should: the same number, but an error to tshark."""


def tshark(file: Path, *options: str) -> list[str]:
    """The lines it writes. AssertionError when it cannot read the file, or not to its end."""
    argv = ["tshark", "-n", "-r", str(file), *options]
    for option, values in (("-o", CHECKS), ("-d", PAYLOAD)):
        for value in values:
            argv += [option, value]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def bad_frames(file: Path, among: str = "") -> list[str]:
    """A line for each frame with a bad checksum, or malformed, or against its protocol; `among` is a display filter."""
    return tshark(file, "-Y", f"({among or 'frame'}) && ({BAD}) && !{ALLOWED}")


def fields(file: Path, among: str, *names: str) -> list[str]:
    """A line for each frame of a display filter, with the values of tshark's fields between tabs."""
    return tshark(file, "-Y", among, "-T", "fields", *(word for name in names for word in ("-e", name)))
