"""A stack that asks for segments below 536 bytes: they are full ones all the same (RFC 5681, section 4.2)."""

import pytest

from usnet.testing.peer import listening


@pytest.mark.parametrize(("length", "option"), [(200, ""), (188, ",TS val 1 ecr 0")])
def test_every_second_full_segment_is_acknowledged(length, option):
    tcp = listening()
    tcp.timestamps = bool(option)
    tcp.cable.stack.configure(mss=200)
    tcp.handshake(f"S 0:0(0) <mss 1460{option}>")
    tcp.rx(f". 1:{1 + length}({length}) ack 1")
    tcp.expect_nothing()
    tcp.rx(f". {1 + length}:{1 + 2 * length}({length}) ack 1")
    tcp.expect(f". 1:1(0) ack {1 + 2 * length}")
