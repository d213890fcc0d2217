"""ping compares what comes back with what it sent, as long as it is not told to be quiet.

It does not wait long for the last answer, once it knows the round-trip time. So it goes on here (-w) until so many are
there, and that every single request was answered is read in the capture.
"""
import re

import pytest

from tests.interop.addresses import USNET
from tests.interop.captures import fields
from tests.interop.machine import PATIENCE

pytestmark = pytest.mark.needs("root", "tun", "ping", "tshark")
SIZES = [*range(1, 65, 7), 56, 1000, 1471, 1472, 1473, 4000, 65000]
COUNT = 5


def answered(capture) -> int:
    """How many echo requests there are, each of them answered once."""
    requests, replies = (fields(capture, f"icmp.type == {kind}", "icmp.ident", "icmp.seq") for kind in (8, 0))
    assert sorted(requests) == sorted(replies)
    return len(requests)


def test_ping_of_every_size_gets_its_bytes_back_without_loss(machine):
    machine.serve("discard", capture=True)
    for size in SIZES:
        said = machine.run("ping", "-c", COUNT, "-i", "0.002", "-w", PATIENCE, "-s", size, USNET).stdout.decode()
        assert len(re.findall(rf"(?m)^{size + 8} bytes from {USNET}: icmp_seq=\d+ ttl=\d+", said)) >= COUNT, said
        assert not re.search("wrong data|DUP|truncated|error", said), said
    assert machine.complaints() == []
    assert answered(machine.captures[0]) >= COUNT * len(SIZES)


def test_a_flood_of_pings_is_answered_without_loss(machine):
    machine.serve("discard", capture=True)
    machine.run("ping", "-f", "-q", "-c", 3000, "-w", PATIENCE, "-s", 1400, USNET)
    assert machine.complaints() == []
    assert answered(machine.captures[0]) >= 3000
