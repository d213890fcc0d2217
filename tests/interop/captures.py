"""tshark as the judge of captures."""
import subprocess
from pathlib import Path

CHECKS = ("ip.check_checksum:TRUE", "tcp.check_checksum:TRUE", "udp.check_checksum:TRUE", "ip.defragment:TRUE")
BAD = " || ".join(["_ws.malformed", "_ws.expert.severity == error", *(f'{p}.checksum.status == "Bad"' for p in ("ip", "tcp", "udp", "icmp"))])


def tshark(file: Path, *options: str) -> list[str]:
    """The lines it writes. AssertionError when it cannot read the file, or not to its end."""
    checks = [word for check in CHECKS for word in ("-o", check)]
    done = subprocess.run(["tshark", "-n", "-r", str(file), *checks, *options], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def bad_frames(file: Path, among: str = "") -> list[str]:
    """One line for each frame that has a bad checksum, is malformed, or breaks its protocol, of those a display filter lets through."""
    return tshark(file, "-Y", f"({among}) && ({BAD})" if among else BAD)


def count_frames(file: Path, among: str) -> int:
    return len(tshark(file, "-Y", among, "-T", "fields", "-e", "frame.number"))
