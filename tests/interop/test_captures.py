"""The judge itself, and captures that usnet did not write."""
import re
import subprocess

import pytest

from tests.interop.addresses import DEVICE, USNET
from tests.interop.captures import bad_frames, fields
from tests.interop.machine import PATIENCE, read_line
from tests.interop.payload import difference
from tests.interop.serving import Serving
from usnet.cli.services import serve_echo

pytestmark = pytest.mark.needs("root", "tun", "nc", "tshark")


@pytest.fixture
def capture(machine, noise):
    """A good one, of TCP and ICMP, written by usnet."""
    machine.serve("echo", capture=True)
    machine.run("nc", "-N", USNET, 7, data=noise(20_000))
    machine.run("ping", "-c", 1, "-w", PATIENCE, USNET)
    assert machine.complaints() == []
    return machine.captures[0]


@pytest.mark.needs("ping")
@pytest.mark.parametrize(("what", "number"), [("tcp", b"\x06"), ("icmp", b"\x01")])
def test_a_damaged_capture_is_complained_about(capture, what, number):
    """One bit of the last frame of a protocol, in its payload or at the end of its header."""
    data = bytearray(capture.read_bytes())
    header = list(re.finditer(b"\x45\x00[\\s\\S]{7}" + number, data))[-1].start()
    data[header + 20 + 4] ^= 1
    capture.write_bytes(data)
    assert len(bad_frames(capture)) == 1
    assert len(bad_frames(capture, what)) == 1
    assert bad_frames(capture, f"!{what}") == []


@pytest.mark.needs("ping")
def test_a_cut_off_capture_is_complained_about(capture):
    capture.write_bytes(capture.read_bytes()[:-3])
    with pytest.raises(AssertionError, match=r"cut short|damaged"):
        bad_frames(capture)


def test_what_the_kernel_saw_is_what_usnet_wrote_down(machine, noise, tmp_path):
    """dumpcap on the kernel's end, for usnet's frames only: the kernel may leave checksums of its own to a device. usnet leaves none."""
    theirs, count = tmp_path / "kernel.pcapng", 200
    sent, back = tmp_path / "sent", tmp_path / "back"
    sent.write_bytes(noise(500_000))
    with Serving(machine.stack(capture=True, offload=False)) as loop:
        serve_echo(loop, ("", 7))
        dumpcap = machine.start("dumpcap", "-q", "-i", DEVICE, "-f", f"tcp and src host {USNET}", "-c", count, "-w", theirs,
                                stderr=subprocess.PIPE)
        with dumpcap.stderr, sent.open("rb") as said, back.open("wb") as heard:
            while not (line := read_line(dumpcap, dumpcap.stderr)).startswith("File:"):
                assert line
            loop.run_while(machine.start("nc", "-N", USNET, 7, stdin=said, stdout=heard), dumpcap)
    assert difference(back.read_bytes(), noise(500_000)) == ""
    assert machine.complaints() == []
    assert bad_frames(theirs) == []
    what = (f"tcp && ip.src == {USNET}", "ip.checksum", "tcp.seq_raw", "tcp.ack_raw", "tcp.flags",
            "tcp.window_size_value", "tcp.len", "tcp.checksum")
    seen, written = fields(theirs, *what), fields(machine.captures[0], *what)
    assert len(seen) == count
    assert seen == written[:count]
