"""Capture files are read as others write them, and damage is noticed."""
import io
import struct

import pytest
from scapy.all import Ether, PcapNgWriter, wrpcap

from tests.backends.conformance import frame
from usnet.backends.clock import ManualClock
from usnet.backends.pcap.reader import CaptureReader
from usnet.backends.poller import OSPoller
from usnet.backends.registry import open_port
from usnet.backends.wrappers.pcapng import PcapngWriter

FRAMES = [frame(i, 60 + i) for i in range(5)]


def pcap(order, magic, records, link=1):
    out = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, link)
    for sec, part, data in records:
        out += struct.pack(order + "IIII", sec, part, len(data), len(data)) + data
    return out


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(("magic", "unit"), [(0xA1B2C3D4, 1000), (0xA1B23C4D, 1)])
def test_all_four_kinds_of_pcap_are_read(tmp_path, order, magic, unit):
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap(order, magic, [(1_700_000_000 + i, 123, f) for i, f in enumerate(FRAMES)]))
    with open_port(f"pcap:{path}") as port:
        assert port.receive() == [(f, (1_700_000_000 + i) * 10**9 + 123 * unit) for i, f in enumerate(FRAMES)]


def ng_block(order, kind, body):
    body += b"\0" * (-len(body) % 4)
    return struct.pack(order + "II", kind, len(body) + 12) + body + struct.pack(order + "I", len(body) + 12)


def ng_section(order):
    return ng_block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))


def ng_interface(order, resolution=None, offset=None, link=1):
    options = b"" if resolution is None else struct.pack(order + "HHBxxx", 9, 1, resolution)
    options += b"" if offset is None else struct.pack(order + "HHq", 14, 8, offset)
    return ng_block(order, 1, struct.pack(order + "HHI", link, 0, 0) + options)


def ng_packet(order, time, data, interface=0):
    return ng_block(order, 6, struct.pack(order + "IIIII", interface, time >> 32, time & 0xFFFFFFFF, len(data),
                                          len(data)) + data)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(("resolution", "time", "ns"), [
    (None, 7_000_001, 7_000_001_000), (9, 7_000_001, 7_000_001),
    (3, 7001, 7_001_000_000), (12, 7_000_001, 7_000), (0, 7, 7 * 10**9),
    (0x80 | 10, 1024 * 3 + 512, 3_500_000_000), (0x80 | 40, (3 << 40) + (1 << 39), 3_500_000_000), (0x80, 3, 3 * 10**9),
])
def test_times_of_any_resolution_become_nanoseconds(tmp_path, order, resolution, time, ns):
    path = tmp_path / "a.pcapng"
    path.write_bytes(ng_section(order) + ng_interface(order, resolution) + ng_packet(order, time, FRAMES[0])
                     + ng_interface(order, resolution, offset=100) + ng_packet(order, time, FRAMES[1], 1))
    assert list(CaptureReader(path)) == [(FRAMES[0], ns), (FRAMES[1], ns + 100 * 10**9)]


def test_sections_of_both_orders_unknown_blocks_and_simple_packets(tmp_path):
    path = tmp_path / "a.pcapng"
    path.write_bytes(ng_section("<") + ng_block("<", 5, b"stat" * 5) + ng_interface("<") + ng_packet("<", 1, FRAMES[0])
                     + ng_section(">") + ng_interface(">", 9) + ng_packet(">", 2, FRAMES[1])
                     + ng_block(">", 3, struct.pack(">I", len(FRAMES[2])) + FRAMES[2]))
    assert list(CaptureReader(path)) == [(FRAMES[0], 1000), (FRAMES[1], 2), (FRAMES[2], 0)]


def test_files_that_scapy_wrote_are_read(tmp_path):
    packets = [Ether(f) for f in FRAMES]
    wrpcap(str(tmp_path / "a.pcap"), packets)
    with PcapNgWriter(str(tmp_path / "a.pcapng")) as w:
        w.write(packets)
    for name in ("a.pcap", "a.pcapng"):
        assert [f for f, _ in CaptureReader(tmp_path / name)] == FRAMES


def test_a_file_that_is_no_capture_or_not_there_is_refused(tmp_path):
    bad = tmp_path / "bad"
    for content in (b"", b"hello", b"#!/bin/sh" * 100):
        bad.write_bytes(content)
        with pytest.raises(ValueError, match="no pcap"):
            open_port(f"pcap:{bad}")
    with pytest.raises(FileNotFoundError):
        open_port(f"pcap:{tmp_path}/nothing")
    bad.write_bytes(pcap("<", 0xA1B2C3D4, [(1, 1, b"z" * 60)], link=113))
    with pytest.raises(ValueError, match="no Ethernet"):
        open_port(f"pcap:{bad}")


def test_a_file_cut_short_gives_what_is_whole(tmp_path):
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap("<", 0xA1B2C3D4, [(i, 0, f) for i, f in enumerate(FRAMES)])[:-10])
    with open_port(f"pcap:{path}") as port:
        assert [f for f, _ in port.receive()] == FRAMES[:4]
        assert not port.link_up and not port.gone and "within a record" in port.failure


def test_a_damaged_file_ends_there_and_says_so(tmp_path):
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap("<", 0xA1B2C3D4, [(1, 0, FRAMES[0])]) + struct.pack("<IIII", 2, 0, 2**31, 2**31) + b"z" * 100)
    with open_port(f"pcap:{path}") as port:
        assert [f for f, _ in port.receive()] == FRAMES[:1]
        assert port.failure == "Bad message"
    with pytest.raises(ValueError, match="damaged"):
        list(CaptureReader(path))


def test_rubbish_never_reads_beyond_the_buffer(tmp_path):
    import random
    r = random.Random(3)
    whole = ng_section("<") + ng_interface("<", 9) + b"".join(ng_packet("<", i, f) for i, f in enumerate(FRAMES))
    path = tmp_path / "a.pcapng"
    for _ in range(300):
        spoilt = bytearray(whole)
        for _ in range(r.randrange(1, 6)):
            spoilt[r.randrange(len(spoilt))] = r.choice([0, 1, 0xFF, r.randrange(256)])
        path.write_bytes(spoilt[:r.randrange(len(spoilt) + 1)])
        try:
            for data, _ in CaptureReader(path):
                assert len(data) <= len(whole)
        except ValueError:
            pass


def test_it_cannot_send_and_says_so(tmp_path):
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap("<", 0xA1B2C3D4, [(1, 0, FRAMES[0])]))
    with open_port(f"pcap:{path}") as port:
        with pytest.raises(OSError, match="not supported"):
            port.send(FRAMES[0])
        with pytest.raises(IndexError):
            port.tx_ring()


def test_the_link_goes_down_at_the_end(tmp_path):
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap("<", 0xA1B2C3D4, [(i, 0, f) for i, f in enumerate(FRAMES)]))
    with open_port(f"pcap:{path}", slots=4) as port:
        assert len(port.receive()) == 3 and port.link_up
        assert len(port.receive()) == 2 and not port.link_up and port.failure is None
        assert port.receive() == []


def test_paced_frames_arrive_at_their_distances(tmp_path):
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap("<", 0xA1B23C4D, [(1000 + i, 500, f) for i, f in enumerate(FRAMES)]))
    clock = ManualClock(77)
    with open_port(f"pcap:{path}", pace=True, clock=clock) as port:
        assert port.receive() == [(FRAMES[0], 77)]
        clock.advance(10**9 - 1)
        assert port.receive() == []
        clock.advance(1)
        assert port.receive() == [(FRAMES[1], 77 + 10**9)]
        clock.advance(10**10)
        assert [t for _, t in port.receive()] == [77 + i * 10**9 for i in (2, 3, 4)]


def test_a_wait_ends_when_a_paced_frame_is_due(tmp_path):
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap("<", 0xA1B23C4D, [(0, i * 5_000_000, f) for i, f in enumerate(FRAMES)]))
    with open_port(f"pcap:{path}", pace=True) as port, OSPoller() as poller:
        poller.add_port(port)
        start, got = poller.clock.now(), []
        while port.link_up:
            assert poller.wait(start + 2 * 10**9)
            got += port.receive()
        assert [f for f, _ in got] == FRAMES
        assert poller.clock.now() - start >= 20_000_000


# python-pcapng's own, about a way it will change
@pytest.mark.filterwarnings("ignore:Field type should not be:DeprecationWarning")
def test_what_the_writer_writes_python_pcapng_and_the_reader_read():
    from pcapng import FileScanner
    from pcapng.blocks import EnhancedPacket, InterfaceDescription
    out = io.BytesIO()
    with PcapngWriter(out) as w:
        w.add_interface("eth0", mac=b"\2\0\0\0\0\1")
        w.add_interface("eth1")
        for i, f in enumerate(FRAMES):
            w.write(f, 10**18 + i, interface=i % 2, direction=1 + i % 2)
        assert w.frames == 5
        with pytest.raises(IndexError):
            w.write(b"", 0, interface=2)
    out.seek(0)
    blocks = list(FileScanner(out))
    assert [b.options["if_name"] for b in blocks if isinstance(b, InterfaceDescription)] == ["eth0", "eth1"]
    packets = [b for b in blocks if isinstance(b, EnhancedPacket)]
    assert [p.packet_data for p in packets] == FRAMES
    assert [(p.timestamp_high << 32) + p.timestamp_low for p in packets] == [10**18 + i for i in range(5)]
    assert [p.interface_id for p in packets] == [0, 1, 0, 1, 0]
