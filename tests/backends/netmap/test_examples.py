"""The netmap examples, whole, on the stand-in."""
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from usnet.backends import netmap
from usnet.backends.netmap.intercept import Intercept
from usnet.backends.netmap.standin.kernel import StandIn

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


def example(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def frames(count):
    return [b"\xff" * 6 + b"\x02\0\0\0\0\x01\x08\0" + n.to_bytes(4, "big") * 20 for n in range(count)]


class Traffic:
    """Sends frames from ports of its own each time that somebody makes one of the calls: once all of them, then nothing."""

    def __init__(self, kernel, calls, *ports):
        self.kernel, self.calls, self.ports, self.left = kernel, calls, ports, 1
        self.device = Intercept(kernel, self)

    def __call__(self, call, fd, *details):
        if call in self.calls and self.left:
            self.left -= 1
            for port, what in self.ports:
                for frame in what:
                    port.send(frame)


@pytest.fixture
def kernel():
    return StandIn(buf_num=8192)


@pytest.mark.parametrize("more", [[], ["--rate", "20000"], ["--length", "1500"]])
def test_the_sender_sends_as_many_frames_as_it_says(kernel, capsys, more):
    with netmap.open("vale0:r", kernel) as receiver:
        assert example("netmap_sender").main(["vale0:s", "--count", "600", *more], kernel) == 600
        got = receiver.receive()
    assert len(got) == 600
    (frame,) = set(got)
    assert len(frame) == (1500 if "1500" in more else 60)
    words = [int.from_bytes(frame[i:i + 2], "big") for i in range(14, 34, 2)]
    assert sum(words) % 0xFFFF == 0
    assert frame[:14].hex(":") == "ff:ff:ff:ff:ff:ff:02:00:00:00:00:01:08:00"
    assert capsys.readouterr().out.startswith(f"sent 600 frames of {len(frame)} bytes in ")


def test_the_sender_gives_up_when_nobody_takes_its_frames(kernel, capsys):
    with netmap.open("vale0:p}1", kernel):
        sent = example("netmap_sender").main(["vale0:p{1", "--count", "100000"], kernel)
    assert 0 < sent < 5000
    assert "nobody takes the frames" in capsys.readouterr().out


def test_the_receiver_counts_and_shows_frames(kernel, capsys):
    with netmap.open("vale0:s", kernel) as sender:
        traffic = Traffic(kernel, ("poll",), (sender, frames(3)))
        assert example("netmap_receiver").main(["vale0:r", "--count", "3", "--show"], traffic.device) == {"frames": 3, "bytes": 3 * 94}
    out = capsys.readouterr().out
    assert out.count("   94 bytes: ff ff ff ff ff ff 02") == 3
    assert out.endswith("received 3 frames, 282 bytes\n")


def test_the_receiver_ends_when_nothing_comes(kernel, capsys):
    assert example("netmap_receiver").main(["vale0:r", "--timeout", "0.01"], kernel) == {"frames": 0, "bytes": 0}


def test_ctrl_c_ends_the_receiver_with_its_counts(kernel, capsys):
    receiver = example("netmap_receiver")
    real = receiver.receive

    def until_interrupted(port, most, *arguments):
        real(port, 2, *arguments)
        raise KeyboardInterrupt

    receiver.receive = until_interrupted
    with netmap.open("vale0:s", kernel) as sender:
        receiver.main(["vale0:r"], Traffic(kernel, ("poll",), (sender, frames(2))).device)
    assert capsys.readouterr().out == "received 2 frames, 188 bytes\n"


@pytest.mark.parametrize("copy", [[], ["--copy"]])
def test_the_bridge_joins_two_interfaces_without_copying_where_it_can(kernel, capsys, copy):
    nics = [kernel.nic("eth0"), kernel.nic("eth1")]
    left, right = frames(40), frames(25)

    def arrives(call, fd, *details):
        nonlocal left, right
        if call == "watch":
            nics[0].inject(left)
            nics[1].inject(right)
            left, right = [], []

    assert example("netmap_bridge").main(["eth0", "eth1", "--count", "65", *copy], Intercept(kernel, arrives)) == (40, 25)
    assert nics[1].sent() == frames(40)
    assert nics[0].sent() == frames(25)
    assert capsys.readouterr().out.endswith("buffers were copied\n" if copy else "buffers were swapped\n")


def test_the_bridge_copies_between_switches_and_keeps_long_frames_whole(kernel, capsys):
    long = frames(1)[0] * 60
    with netmap.open("vale0:s", kernel) as sender, netmap.open("vale1:r", kernel) as receiver:
        traffic = Traffic(kernel, ("watch",), (sender, [long, *frames(5)]))
        assert example("netmap_bridge").main(["vale0:x", "vale1:x", "--timeout", "0.1"], traffic.device) == (6, 0)
        assert receiver.receive() == [long, *frames(5)]
    assert capsys.readouterr().out == "6 frames from vale0:x to vale1:x, 0 back; buffers were copied\n"


def test_the_bridge_waits_for_room_and_loses_nothing(kernel):
    """More frames than the other side's ring holds, which is emptied now and then."""
    nics = [kernel.nic("eth0", rx_slots=256), kernel.nic("eth1", tx_slots=8)]
    waiting = frames(200)

    def arrives(call, fd, *details):
        nonlocal waiting
        if call == "watch":
            nics[0].inject(waiting)
            waiting = []

    assert example("netmap_bridge").main(["eth0", "eth1", "--count", "200", "--timeout", "0.5"], Intercept(kernel, arrives)) == (200, 0)
    assert nics[1].sent() == frames(200)


def test_the_bridge_hands_over_whole_frames_only(kernel):
    """Frames of three slots, for a ring of which seven can be used: two of them, and no part of the third."""
    long = [frame * 60 for frame in frames(6)]
    nic = kernel.nic("eth1", tx_slots=8)
    with netmap.open("vale0:s", kernel) as sender, netmap.open("vale0:x", kernel) as source, netmap.open("eth1", kernel) as target:
        way = example("netmap_bridge").Way(source, target, copy=False)
        for frame in long:
            sender.send(frame)
        source.rxsync()
        for n in (2, 4, 6):
            way.move()
            assert way.frames == n
            assert not target.tx_rings[0][target.tx_rings[0].head - 1].flags & netmap.NS_MOREFRAG
            target.txsync()
    assert nic.sent() == long


@pytest.mark.parametrize("arguments", [["sender", "a:b"], ["receiver", "a:b"], ["bridge", "a:b", "vale0:b"]])
def test_what_cannot_be_opened_is_one_line(arguments):
    name, *arguments = arguments
    ran = subprocess.run([sys.executable, EXAMPLES / f"netmap_{name}.py", *arguments], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (1, "", 1)
    assert ran.stderr.startswith(f"netmap_{name}: 'a:b': only ports of a switch")
