"""CLOSED (RFC 9293, 3.10.7.1): all that arrives for nobody is answered by a RST, unless it is one."""

import pytest

from usnet.testing.peer import closed


@pytest.mark.parametrize(
    ("arrives", "answer"),
    [
        ("S 0:0(0)", "R. 0:0(0) ack 1"),
        ("S 0:10(10)", "R. 0:0(0) ack 11"),
        ("F 5:5(0)", "R. 0:0(0) ack 6"),
        ("P 5:15(10)", "R. 0:0(0) ack 15"),
        ("- 5:5(0)", "R. 0:0(0) ack 5"),
        (". 5:5(0) ack 77", "R 77:77(0)"),
        ("P. 5:15(10) ack 77", "R 77:77(0)"),
        ("S. 0:0(0) ack 77", "R 77:77(0)"),
        ("FSPUEW. 0:0(0) ack 77", "R 77:77(0)"),
    ],
)
def test_a_segment_for_nobody_is_reset(arrives, answer):
    tcp = closed()
    tcp.rx(arrives)
    tcp.expect(answer)
    assert tcp.drops() == {"no_connection": 1}


@pytest.mark.parametrize("arrives", ["R 0:0(0)", "R. 0:0(0) ack 5", "SR 0:0(0)", "FSRPUEW. 0:0(0) ack 1"])
def test_a_reset_for_nobody_is_not_answered(arrives):
    tcp = closed()
    tcp.rx(arrives)
    tcp.expect_nothing()
    assert tcp.drops() == {"no_connection": 1}


@pytest.mark.parametrize("ports", [(0, 80), (40000, 0), (0, 0)])
def test_port_zero_is_dropped(ports):
    tcp = closed()
    tcp.port, tcp.us_port = ports
    tcp.rx("S 0:0(0)")
    tcp.expect_nothing()
    assert tcp.drops() == {"port_zero": 1}


def test_the_reset_carries_no_options_and_no_window():
    tcp = closed()
    tcp.rx("S 0:0(0) <mss 1460,sackOK,TS,wscale 7>")
    tcp.expect("R. 0:0(0) ack 1 win 0 <>")
