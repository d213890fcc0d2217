"""Middleboxes of the simulator: the translator of addresses, and the one that moves the borders of segments."""

import pytest

from tests.sim.worlds import collect
from usnet.backends.sim.network import Network
from usnet.wire.mirror import ArpPacket, EthHeader, IcmpHeader, Ipv4Header, TcpHeader, UdpHeader

CLIENT, OTHER, PUBLIC, SERVER = "10.0.0.1", "10.0.0.3", "10.0.0.100", "10.0.0.2"
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
BROADCAST = "ff:ff:ff:ff:ff:ff"


class Path:
    """client - box - server."""

    def __init__(self, kind, delay="0ns", **options):
        self.net = Network()
        self.inside, self.outside = self.net.port("inside"), self.net.port("outside")
        self.box = self.net.middlebox("box", kind, **options)
        self.net.link(self.inside, self.box, delay=delay)
        self.net.link(self.box, self.outside, delay=delay)
        self.arrived = {"inside": collect(self.inside), "outside": collect(self.outside)}
        self.mac = {port.name: bytes(port.mac).hex(":") for port in (self.inside, self.outside)}

    def send(self, port, *frames):
        """Frames that leave at once; what has arrived at the other end then, all of it since the last look."""
        for frame in frames:
            port.send(frame)
        self.net.run(self.net.now + 1_000_000)
        return self.take("outside" if port is self.inside else "inside")

    def take(self, end):
        frames = [frame for _, frame in self.arrived[end]]
        self.arrived[end].clear()
        return frames

    def out(self, *frames):
        return self.send(self.inside, *frames)

    def back(self, *frames):
        return self.send(self.outside, *frames)


def packet(source, destination, proto, payload, eth=("02:00:00:00:00:01", "02:00:00:00:00:02")):
    ip = Ipv4Header(source, destination, proto, total_len=20 + len(payload), dont_fragment=True)
    return EthHeader(eth[1], eth[0], 0x0800).to_bytes() + ip.to_bytes() + payload


def tcp(source, destination, sport, dport, flags=SYN, seq=1, data=b"", **eth):
    return packet(source, destination, 6, TcpHeader(sport, dport, seq, 0, flags, 1000).to_bytes(data, source, destination), **eth)


def udp(source, destination, sport, dport, data=b"data", **eth):
    return packet(source, destination, 17, UdpHeader(sport, dport, 8 + len(data)).to_bytes(data, source, destination), **eth)


def ends(frame):
    """((address, port), (address, port)), after all its sums were found right."""
    ip = Ipv4Header.from_bytes(frame[14:])
    kind = TcpHeader if ip.proto == 6 else UdpHeader
    l4 = kind.from_bytes(frame[34 : 14 + ip.total_len], ip.src, ip.dst, True)
    return (ip.src, l4.src_port), (ip.dst, l4.dst_port)


@pytest.fixture
def nat():
    path = Path("nat", address=PUBLIC, ports=(50000, 50002), timeout="60s")
    path.own = path.learn()
    return path


def learn(self):
    """The translator's hardware address, by ARP."""
    ask = EthHeader(BROADCAST, self.mac["sim:outside"], 0x0806).to_bytes()
    ask += ArpPacket(1, self.mac["sim:outside"], SERVER, "00:00:00:00:00:00", PUBLIC).to_bytes()
    assert self.back(ask) == []
    (answer,) = self.take("outside")
    said = ArpPacket.from_bytes(answer[14:])
    assert (said.op, said.sender_ip, said.target_ip, said.target_mac) == (2, PUBLIC, SERVER, self.mac["sim:outside"])
    assert EthHeader.from_bytes(answer).src == said.sender_mac
    return said.sender_mac


Path.learn = learn


def answer(path, port, **more):
    return tcp(SERVER, PUBLIC, 80, port, SYN | ACK, eth=(path.mac["sim:outside"], path.own), **more)


def test_a_flow_is_seen_under_the_public_address_and_a_port(nat):
    (out,) = nat.out(tcp(CLIENT, SERVER, 1000, 80, eth=(nat.mac["sim:inside"], nat.mac["sim:outside"])))
    assert ends(out) == ((PUBLIC, 50000), (SERVER, 80))
    assert EthHeader.from_bytes(out).src == nat.own
    assert EthHeader.from_bytes(out).dst == nat.mac["sim:outside"]
    (back,) = nat.back(answer(nat, 50000))
    assert ends(back) == ((SERVER, 80), (CLIENT, 1000))
    assert EthHeader.from_bytes(back).dst == nat.mac["sim:inside"]
    assert nat.box.mappings() == {("tcp", 50000): (CLIENT, 1000)}
    assert nat.box.inside_of((PUBLIC, 50000)) == (CLIENT, 1000)
    assert nat.box.inside_of((PUBLIC, 50001)) == (PUBLIC, 50001)
    assert nat.box.inside_of((SERVER, 80)) == (SERVER, 80)


def test_a_mapping_is_of_an_end_whatever_it_talks_to_and_of_a_protocol(nat):
    """RFC 4787, REQ-1."""
    first, second, other, datagram = nat.out(
        tcp(CLIENT, SERVER, 1000, 80), tcp(CLIENT, "10.0.0.7", 1000, 81), tcp(OTHER, SERVER, 1000, 80), udp(CLIENT, SERVER, 1000, 80)
    )
    assert [ends(frame)[0] for frame in (first, second, other, datagram)] == [
        (PUBLIC, 50000), (PUBLIC, 50000), (PUBLIC, 50001), (PUBLIC, 50002),
    ]  # fmt: skip
    assert nat.back(tcp("10.0.0.9", PUBLIC, 5, 50000, eth=(nat.mac["sim:outside"], nat.own))) != []
    assert nat.back(answer(nat, 50002)) == []           # a datagram's port is no connection's
    assert nat.box.statistics()["unknown"] == 1


def test_a_silent_mapping_is_forgotten_and_used_ones_are_not(nat):
    nat.out(tcp(CLIENT, SERVER, 1000, 80))
    for _ in range(3):
        nat.net.run(nat.net.now + 50 * 10**9)
        assert len(nat.back(answer(nat, 50000))) == 1
    nat.net.run(nat.net.now + 60 * 10**9)
    assert nat.back(answer(nat, 50000)) == []
    assert (nat.box.statistics()["unknown"], nat.box.statistics()["expired"]) == (1, 1)
    (out,) = nat.out(tcp(CLIENT, SERVER, 1000, 80, ACK))
    assert ends(out)[0] == (PUBLIC, 50001)


def test_all_ports_in_use(nat):
    sent = nat.out(*(tcp(CLIENT, SERVER, 1000 + i, 80) for i in range(4)))
    assert [ends(frame)[0][1] for frame in sent] == [50000, 50001, 50002]
    assert nat.box.statistics()["no_port"] == 1
    nat.net.run(nat.net.now + 60 * 10**9)
    assert [ends(frame)[0][1] for frame in nat.out(tcp(CLIENT, SERVER, 1003, 80))] == [50000]


def test_one_that_was_started_anew_gives_other_ports(nat):
    nat.out(tcp(CLIENT, SERVER, 1000, 80))
    nat.box.rebind()
    assert nat.back(answer(nat, 50000)) == []
    (out,) = nat.out(tcp(CLIENT, SERVER, 1000, 80, ACK))
    assert ends(out)[0] == (PUBLIC, 50001)


def test_a_strict_one_wants_a_syn():
    path = Path("nat", address=PUBLIC, loose=False)
    assert path.out(tcp(CLIENT, SERVER, 1000, 80, ACK), tcp(CLIENT, SERVER, 1000, 80, SYN | ACK)) == []
    assert path.box.statistics()["not_syn"] == 2
    assert len(path.out(tcp(CLIENT, SERVER, 1000, 80), tcp(CLIENT, SERVER, 1000, 80, ACK), udp(CLIENT, SERVER, 1, 2))) == 3


def test_who_asks_inside_is_answered_by_the_outside(nat):
    asks = [
        EthHeader(BROADCAST, f"02:00:00:00:00:0{i}", 0x0806).to_bytes()
        + ArpPacket(1, f"02:00:00:00:00:0{i}", address, "00:00:00:00:00:00", SERVER).to_bytes()
        for i, address in ((1, CLIENT), (3, OTHER))
    ]
    heard = [ArpPacket.from_bytes(frame[14:]) for frame in nat.out(*asks)]
    assert [(said.sender_ip, said.sender_mac, said.target_ip) for said in heard] == [(PUBLIC, nat.own, SERVER)] * 2
    reply = EthHeader(nat.own, nat.mac["sim:outside"], 0x0806).to_bytes()
    reply += ArpPacket(2, nat.mac["sim:outside"], SERVER, nat.own, PUBLIC).to_bytes()
    told = nat.back(reply)
    assert [EthHeader.from_bytes(frame).dst for frame in told] == ["02:00:00:00:00:01", "02:00:00:00:00:03"]
    said = [ArpPacket.from_bytes(frame[14:]) for frame in told]
    assert [(s.sender_ip, s.sender_mac, s.target_ip) for s in said] == [
        (SERVER, nat.mac["sim:outside"], CLIENT), (SERVER, nat.mac["sim:outside"], OTHER),
    ]  # fmt: skip


def test_icmp_errors_find_the_one_that_they_are_about(nat):
    (out,) = nat.out(tcp(CLIENT, SERVER, 1000, 80))
    error = packet("10.0.0.50", PUBLIC, 1, IcmpHeader(3, 4, 1400).to_bytes(out[14:42]), eth=(nat.mac["sim:outside"], nat.own))
    (told,) = nat.back(error)
    ip = Ipv4Header.from_bytes(told[14:])
    IcmpHeader.from_bytes(told[34 : 14 + ip.total_len])
    assert (ip.src, ip.dst) == ("10.0.0.50", CLIENT)
    assert [".".join(map(str, told[at : at + 4])) for at in (54, 58)] == [CLIENT, SERVER]
    assert int.from_bytes(told[62:64], "big") == 1000
    assert nat.box.statistics()["errors"] == 1


def test_what_cannot_be_translated_is_dropped_and_counted(nat):
    ping = packet(CLIENT, SERVER, 1, IcmpHeader(8, 0, 1).to_bytes(b"data"))
    assert nat.out(ping, b"\0" * 13) == []
    assert nat.back(tcp(SERVER, CLIENT, 80, 1000)) == []            # nobody outside knows what is inside
    assert nat.box.statistics()["other"] == 3


def test_a_network_that_is_used_again_has_translators_as_new(nat):
    nat.out(tcp(CLIENT, SERVER, 1000, 80))
    assert nat.net.reset(1)
    assert nat.box.mappings() == {} and nat.box.statistics()["made"] == 0
    assert ends(nat.out(tcp(CLIENT, SERVER, 1000, 80))[0])[0] == (PUBLIC, 50000)


# --- Borders ---


def data(seq, payload, flags=ACK, sport=1000):
    return tcp(CLIENT, SERVER, sport, 80, flags, seq, payload)


def payloads(frames):
    found = []
    for frame in frames:
        ip = Ipv4Header.from_bytes(frame[14:])
        l4 = TcpHeader.from_bytes(frame[34 : 14 + ip.total_len], ip.src, ip.dst, True)
        found.append((l4.seq, frame[34 + l4.header_len : 14 + ip.total_len]))
    return found


def test_segments_are_cut():
    path = Path("resegment", split=10)
    assert payloads(path.out(data(1, b"0123456789abcdefghijABC"), data(24, b"D"), data(25, b"")))[:] == [
        (1, b"0123456789"), (11, b"abcdefghij"), (21, b"ABC"), (24, b"D"), (25, b""),
    ]  # fmt: skip
    assert path.box.statistics() == {"joined": 0, "cut": 1, "parts": 3, "passed": 2, "held": 0}


def test_segments_in_a_row_are_joined_up_to_the_most():
    path = Path("resegment", merge=10)
    frames = [data(1 + 4 * i, bytes([97 + i]) * 4) for i in range(5)]
    assert payloads(path.out(*frames)) == [(1, b"aaaabbbb"), (9, b"ccccdddd")]
    path.net.run()
    assert payloads(path.take("outside")) == [(17, b"eeee")]
    assert path.box.statistics()["joined"] == 2


def test_one_waits_for_the_next_so_long_and_no_longer():
    path = Path("resegment", merge=100, hold="5ms")
    assert path.out(data(1, b"one")) == []
    assert path.box.statistics()["held"] == 1
    path.net.run(4_999_999)
    assert path.take("outside") == []
    path.net.run(5_000_001)
    assert payloads(path.take("outside")) == [(1, b"one")]


@pytest.mark.parametrize("other", [data(4, b""), data(9, b"gap"), data(4, b"two", sport=9), data(4, b"", ACK | RST), data(4, b"x", SYN | ACK)])
def test_what_does_not_follow_lets_it_go_and_order_is_kept(other):
    path = Path("resegment", merge=100, hold="5ms")
    seen = path.out(data(1, b"one"), other)
    path.net.run()
    assert seen + path.take("outside") == [data(1, b"one"), other]


def test_borders_are_moved():
    path = Path("resegment", merge=1000, split=10)
    path.out(data(1, b"0123456"), data(8, b"789abcdef"), data(17, b"g", ACK | FIN | PSH))
    path.net.run()
    frames = path.take("outside")
    assert payloads(frames) == [(1, b"0123456789"), (11, b"abcdefg")]
    assert [frame[47] for frame in frames] == [ACK, ACK | FIN | PSH]


def test_directions_do_not_know_of_each_other():
    path = Path("resegment", merge=100, hold="5ms")
    path.inside.send(data(1, b"one"))
    path.outside.send(tcp(SERVER, CLIENT, 80, 1000, ACK, 5, b"two"))
    path.net.run()
    assert payloads(path.take("outside")) == [(1, b"one")]
    assert payloads(path.take("inside")) == [(5, b"two")]


def test_a_broken_segment_passes_as_it_is():
    path = Path("resegment", merge=100, split=10)
    broken = bytearray(data(1, b"0123456789abcdef"))
    broken[-1] ^= 1
    assert path.out(bytes(broken)) == [bytes(broken)]


def test_a_network_that_is_used_again_holds_nothing():
    path = Path("resegment", merge=100, hold="5ms")
    path.out(data(1, b"one"))
    assert path.net.reset(1)
    assert path.out(data(7, b"two")) == []
    path.net.run()
    assert payloads(path.take("outside")) == [(7, b"two")]


def test_what_a_middlebox_cannot_be():
    net = Network()
    for kind, options in (
        ("nat", {"address": "x"}), ("nat", {"address": PUBLIC, "ports": (5, 4)}), ("resegment", {"split": 7}), ("resegment", {"merge": 60001}),
        ("firewall", {}),
    ):  # fmt: skip
        with pytest.raises(ValueError):
            net.middlebox(f"{kind}{options}", kind, **options)
    box = net.middlebox("box", "resegment")
    ports = [net.port(f"p{i}") for i in range(3)]
    for port in ports[:2]:
        net.link(port, box)
    with pytest.raises(ValueError, match="two ends"):
        net.link(ports[2], "box")
    assert net.statistics()["middleboxes"]["box"]["passed"] == 0
