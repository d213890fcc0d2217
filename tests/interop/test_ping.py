import re

import pytest

from tests.interop.addresses import USNET

pytestmark = pytest.mark.needs("root", "tun", "ping")
SIZES = [*range(1, 65, 7), 56, 1000, 1471, 1472, 1473, 4000, 65000]


def ping(machine, size, count):
    """What ping says: it compares what comes back with what it sent, as long as it is not told to be quiet."""
    return machine.run("ping", "-c", count, "-i", "0.002", "-s", size, "-W", 20, USNET).stdout.decode()


@pytest.mark.needs("tshark")
def test_ping_of_every_size_gets_its_bytes_back_without_loss(machine):
    machine.serve("discard", capture=True)
    for size in SIZES:
        said = ping(machine, size, 5)
        assert "5 packets transmitted, 5 received, 0% packet loss" in said, said
        assert len(re.findall(rf"(?m)^{size + 8} bytes from {USNET}: icmp_seq=\d+ ttl=\d+", said)) == 5, said
        assert "wrong data" not in said and "DUP" not in said and "truncated" not in said, said
    assert machine.complaints() == []


def test_a_flood_of_pings_is_answered_without_loss(machine):
    machine.serve("discard")
    said = machine.run("ping", "-f", "-q", "-c", 3000, "-s", 1400, "-W", 20, USNET).stdout.decode()
    assert "3000 packets transmitted, 3000 received, 0% packet loss" in said, said
