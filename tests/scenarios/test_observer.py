"""Each rule of the passive observer is broken by frames made by hand, and found; orderly talk breaks none."""

from types import MappingProxyType, SimpleNamespace

import pytest

from usnet.lab.observe import RULES, Observer
from usnet.wire.mirror import EthHeader, Ipv4Header, TcpHeader
from usnet.wire.observe import ACK, FIN, PSH, RST, SYN

MS = 1_000_000
CLIENT, SERVER = "10.0.0.1", "10.0.0.2"
DATA = bytes(range(256)) * 16
MSS = 1448
ECE, CWR = 0x40, 0x80
ECT, CE = 2, 3


class Wire:
    """A link between client and server whose frames are made by hand. Numbers count from each SYN; times are ms."""

    ISN = MappingProxyType({"client": 0xFFFFFC00, "server": 1000})

    def __init__(self):
        ports = SimpleNamespace(name="client"), SimpleNamespace(name="server")
        hosts = {
            "client": SimpleNamespace(ports=[ports[0]], addresses=[CLIENT + "/24"]),
            "server": SimpleNamespace(ports=[ports[1]], addresses=[SERVER + "/24"]),
        }
        self.link = SimpleNamespace(number=0, a=ports[0], b=ports[1])
        self.observer = Observer(SimpleNamespace(hosts=hosts))
        self.t = 0

    def frame(self, src, seq, flags, ack=0, payload=b"", window=1000, timestamps=(1, 1), tos=0, **options):
        mine, its = self.ISN[src], self.ISN["server" if src == "client" else "client"]
        addresses = (CLIENT, SERVER) if src == "client" else (SERVER, CLIENT)
        ports = (4000, 80) if src == "client" else (80, 4000)
        if "sack" in options:
            options["sack"] = tuple(((its + a) & 0xFFFFFFFF, (its + b) & 0xFFFFFFFF) for a, b in options["sack"])
        numbers = {"seq": (mine + seq) & 0xFFFFFFFF, "ack": (its + ack) & 0xFFFFFFFF if flags & ACK else 0}
        tcp = TcpHeader(*ports, flags=flags, window=window, timestamps=timestamps, **numbers, **options).to_bytes(payload, *addresses)
        ip = Ipv4Header(*addresses, proto=6, total_len=20 + len(tcp), tos=tos).to_bytes()
        return EthHeader("02:00:00:00:00:02", "02:00:00:00:00:01", 0x0800).to_bytes() + ip + tcp

    def happens(self, what, src, frame, ms=None):
        self.t = self.t if ms is None else ms * MS
        direction = 0 if src == "client" else 1
        self.observer(SimpleNamespace(what=what, link=self.link, direction=direction, time=self.t, frame=frame, altered=False, index=0))

    def sent(self, src, *args, ms=None, **kwargs):
        """Leaves, and is lost."""
        self.happens("sent", src, self.frame(src, *args, **kwargs), ms)

    def passes(self, src, *args, ms=None, **kwargs):
        """Leaves, and arrives at once."""
        frame = self.frame(src, *args, **kwargs)
        self.happens("sent", src, frame, ms)
        self.happens("delivered", src, frame)

    def open(self, wscale=4, window=1000, sack=False, ecn=False):
        """The handshake; both ends offer 16,000 bytes (a SYN's window is not scaled). What follows counts from 1."""
        asked, answered = (ECE | CWR, ECE) if ecn else (0, 0)
        self.passes("client", 0, SYN | asked, window=window << wscale, mss=1460, wscale=wscale, timestamps=(1, 0), sack_ok=sack)
        self.passes("server", 0, SYN | ACK | answered, 1, window=window << wscale, mss=1460, wscale=wscale, sack_ok=sack)
        self.passes("client", 1, ACK, 1, window=window)

    def broken(self):
        self.observer.finish(self.t + 1000 * MS)
        return sorted(self.observer.violations)


@pytest.fixture
def wire():
    return Wire()


def test_an_orderly_conversation_breaks_no_rule(wire):
    wire.open()
    wire.passes("client", 1, ACK, 1, DATA[:MSS], ms=1)
    wire.passes("client", 1 + MSS, ACK | PSH, 1, DATA[MSS : 2 * MSS], ms=2)
    wire.passes("server", 1, ACK, 1 + 2 * MSS, ms=2)
    wire.passes("client", 1 + 2 * MSS, ACK | FIN | PSH, 1, b"the end", ms=3)
    wire.passes("server", 1, ACK | FIN, 9 + 2 * MSS, ms=3)
    wire.passes("client", 9 + 2 * MSS, ACK, 2, ms=3)
    assert wire.broken() == []


def test_a_retransmission_and_a_gap_break_no_rule(wire):
    wire.open()
    wire.sent("client", 1, ACK, 1, DATA[:MSS], ms=1)
    wire.passes("client", 1 + MSS, ACK, 1, DATA[MSS : 2 * MSS], ms=2)
    wire.passes("server", 1, ACK, 1, ms=2)
    wire.passes("client", 1, ACK, 1, DATA[:MSS], ms=300)
    wire.passes("server", 1, ACK, 1 + 2 * MSS, ms=300)
    assert wire.broken() == []


def test_a_mark_that_is_echoed_until_cwr_breaks_no_rule(wire):
    marked(wire)
    wire.passes("server", 1, ACK | ECE, 1 + MSS, ms=2)
    wire.passes("client", 1 + MSS, ACK | CWR, 1, DATA[MSS : 2 * MSS], tos=ECT, ms=3)
    wire.passes("server", 1, ACK, 1 + 2 * MSS, ms=4)
    assert wire.broken() == []


def checksums(wire):
    frame = bytearray(wire.frame("client", 0, SYN))
    frame[-1] ^= 1
    wire.happens("sent", "client", bytes(frame))


def sequence(wire):
    wire.open()
    wire.sent("client", 1 + MSS, ACK, 1, DATA[:MSS])


def sequence_behind_fin(wire):
    wire.open()
    wire.sent("client", 1, ACK | FIN, 1)
    wire.sent("client", 2, ACK, 1, DATA[:MSS])


def sequence_of_syn(wire):
    wire.open()
    wire.sent("client", 500, SYN, mss=1460, wscale=4)


def same_bytes(wire):
    wire.open()
    wire.sent("client", 1, ACK, 1, DATA[:MSS])
    wire.sent("client", 1, ACK, 1, DATA[1 : MSS + 1])


def ack_of_what_did_not_arrive(wire):
    wire.open()
    wire.sent("client", 1, ACK, 1, DATA[:MSS])
    wire.sent("server", 1, ACK, 1 + MSS)


def ack_goes_back(wire):
    wire.open()
    wire.passes("client", 1, ACK, 1, DATA[:MSS])
    wire.passes("client", 1 + MSS, ACK, 1, DATA[MSS : 2 * MSS])
    wire.sent("server", 1, ACK, 1 + 2 * MSS)
    wire.sent("server", 1, ACK, 2 * MSS, window=1001)


def right_edge(wire):
    wire.open()
    wire.passes("client", 1, ACK, 1, DATA[:MSS])
    wire.passes("server", 1, ACK, 1 + MSS, window=900)


def window(wire):
    wire.open(wscale=0, window=2 * MSS - 1)
    for start in (0, MSS):
        wire.sent("client", 1 + start, ACK, 1, DATA[start : start + MSS], window=2 * MSS - 1)


def mss(wire):
    wire.open()
    wire.sent("client", 1, ACK, 1, DATA[: MSS + 1])


def options_not_agreed_on(wire):
    wire.passes("client", 0, SYN, mss=1460, timestamps=None)
    wire.sent("server", 0, SYN | ACK, 1, mss=1460, wscale=4)


def options_missing(wire):
    wire.open()
    wire.sent("client", 1, ACK, 1, DATA[:MSS], timestamps=None)


def options_sack(wire):
    wire.open()
    wire.passes("client", 1, ACK, 1, DATA[:MSS])
    wire.sent("server", 1, ACK, 1 + MSS, sack=((5000, 6000),))


def gap(wire, *numbers):
    """Agreed on SACK; the client's segments of these numbers arrive, those between are lost."""
    wire.open(sack=True)
    for i in range(max(numbers) + 1):
        (wire.passes if i in numbers else wire.sent)("client", at(i), ACK, 1, DATA[:MSS], ms=i + 1)
        if i in numbers and i < max(numbers):
            wire.passes("server", 1, ACK, 1, sack=((at(i), at(i + 1)),))


def burst(wire, *numbers):
    """Agreed on SACK; the client's segments of these numbers arrive at one instant, in this order."""
    wire.open(sack=True)
    for i in range(max(numbers) + 1):
        wire.sent("client", at(i), ACK, 1, DATA[:MSS], ms=1)
    for i in numbers:
        wire.happens("delivered", "client", wire.frame("client", at(i), ACK, 1, DATA[:MSS]))


def at(i):
    return 1 + i * MSS


def sack_of_what_did_not_arrive(wire):
    gap(wire, 1)
    wire.passes("server", 1, ACK, 1, sack=((at(1), at(2) + 1),))


def sack_of_what_is_acknowledged(wire):
    gap(wire, 1, 3)
    wire.passes("server", 1, ACK, 1, sack=((at(3), at(4)), (at(1), at(2))))
    wire.passes("client", 1, ACK, 1, DATA[:MSS], ms=5)
    wire.passes("server", 1, ACK, at(2), sack=((at(3), at(4)), (at(1), at(2))))     # the first alone may tell of a duplicate


def sack_with_an_old_block_first(wire):
    gap(wire, 1, 3)
    wire.passes("server", 1, ACK, 1, sack=((at(1), at(2)), (at(3), at(4))))


def sack_left_out(wire):
    gap(wire, 1)
    wire.passes("server", 1, ACK, 1)


def sack_left_out_of_a_burst(wire):
    """Two segments arrive at once behind a gap, and the ACKs tell of the first only."""
    burst(wire, 1, 3)
    for _ in range(2):
        wire.passes("server", 1, ACK, 1, sack=((at(1), at(2)),))


def sack_resend(wire):
    gap(wire, 1)
    wire.passes("server", 1, ACK, 1, sack=((at(1), at(2)),))
    wire.sent("client", at(1), ACK, 1, DATA[:MSS], ms=10)


def timestamps_go_back(wire):
    wire.open()
    wire.sent("client", 1, ACK, 1, DATA[:MSS], timestamps=(0, 1))


def timestamps_invented(wire):
    wire.open()
    wire.sent("client", 1, ACK, 1, DATA[:MSS], timestamps=(1, 77))


def nagle(wire):
    wire.open()
    wire.sent("client", 1, ACK | PSH, 1, b"small")
    wire.sent("client", 6, ACK | PSH, 1, b"again")


def delayed_ack_of_second_segment(wire):
    wire.open()
    wire.passes("client", 1, ACK, 1, DATA[:MSS], ms=1)
    wire.passes("client", 1 + MSS, ACK, 1, DATA[MSS : 2 * MSS], ms=2)
    wire.passes("server", 1, ACK, 1 + 2 * MSS, ms=3)


def delayed_ack_too_late(wire):
    wire.open()
    wire.passes("client", 1, ACK | PSH, 1, b"small", ms=1)
    wire.passes("server", 1, ACK, 6, ms=502)


def delayed_ack_of_gap(wire):
    wire.open()
    wire.sent("client", 1, ACK, 1, DATA[:MSS], ms=1)
    wire.passes("client", 1 + MSS, ACK, 1, DATA[MSS : 2 * MSS], ms=2)
    wire.passes("server", 1, ACK, 1, ms=3)


def delayed_ack_of_fin(wire):
    wire.open()
    wire.passes("client", 1, ACK | FIN, 1, ms=1)
    wire.passes("server", 1, ACK, 2, ms=2)


def ack_volume(wire):
    wire.open()
    for _ in range(4):
        wire.sent("server", 1, ACK, 1)


def rst_answers_rst(wire):
    wire.open()
    wire.passes("client", 1, RST, ms=1)
    wire.sent("server", 1, RST, ms=1)


def rst_with_any_number(wire):
    wire.open()
    wire.sent("client", 50_000, RST)


def ecn_that_was_not_agreed_on(wire):
    wire.open()
    wire.sent("client", 1, ACK, 1, DATA[:MSS], tos=ECT)


def ecn_on_a_syn(wire):
    wire.sent("client", 0, SYN | ECE | CWR, tos=ECT, mss=1460, wscale=4, timestamps=(1, 0))


def ecn_on_an_ack(wire):
    wire.open(ecn=True)
    wire.passes("client", 1, ACK, 1, DATA[:MSS], tos=ECT, ms=1)
    wire.passes("server", 1, ACK, 1 + MSS, tos=ECT, ms=1)


def ecn_on_what_is_sent_again(wire):
    wire.open(ecn=True)
    wire.sent("client", 1, ACK, 1, DATA[:MSS], tos=ECT, ms=1)
    wire.sent("client", 1, ACK, 1, DATA[:MSS], tos=ECT, ms=300)


def marked(wire):
    """A mark arrives."""
    wire.open(ecn=True)
    wire.happens("sent", "client", wire.frame("client", 1, ACK, 1, DATA[:MSS], tos=ECT), 1)
    wire.happens("delivered", "client", wire.frame("client", 1, ACK, 1, DATA[:MSS], tos=CE))


def ecn_mark_not_echoed(wire):
    marked(wire)
    wire.passes("server", 1, ACK, 1 + MSS, ms=2)


def ecn_echo_of_nothing(wire):
    wire.open(ecn=True)
    wire.passes("client", 1, ACK, 1, DATA[:MSS], tos=ECT, ms=1)
    wire.passes("server", 1, ACK | ECE, 1 + MSS, ms=1)


def ecn_cwr_for_nothing(wire):
    wire.open(ecn=True)
    wire.sent("client", 1, ACK | CWR, 1, DATA[:MSS], tos=ECT, ms=1)


def resurrection(wire):
    wire.open()
    wire.sent("client", 1, RST)
    wire.sent("client", 1, ACK, 1, ms=1)


def burst_around_an_old_segment(wire):
    """At one instant: a segment ahead (answered at once), an old one with a new timestamp, and the one that was missing with an older timestamp."""
    wire.open(sack=True)
    wire.passes("client", at(0), ACK, 1, DATA[:MSS], ms=1, timestamps=(1, 1))
    wire.passes("server", 1, ACK, at(1), ms=2)
    wire.passes("client", at(1), ACK, 1, DATA[:MSS], ms=3, timestamps=(1, 1))
    for i, tsval in ((2, 2), (3, 5), (0, 5)):
        wire.happens("sent", "client", wire.frame("client", at(i), ACK, 1, DATA[:MSS], timestamps=(tsval, 1)))
    for i, tsval in ((3, 5), (0, 5), (2, 2)):
        wire.happens("delivered", "client", wire.frame("client", at(i), ACK, 1, DATA[:MSS], timestamps=(tsval, 1)), ms=4)
    wire.sent("server", 1, ACK, at(2), sack=((at(3), at(4)),))
    wire.sent("server", 1, ACK, at(2), sack=((at(3), at(4)),))


def test_an_old_segment_behind_an_acknowledgement_of_the_same_instant_brings_no_timestamp(wire):
    burst_around_an_old_segment(wire)
    wire.sent("server", 1, ACK, at(4))
    assert wire.broken() == [], wire.observer.violations


def test_an_acknowledgement_that_covers_all_but_the_newest_is_not_late(wire):
    """Each leaves with its timer, at the instant of the next arrival."""
    wire.open()
    for i in range(20):
        wire.passes("client", at(i), ACK | PSH, 1, DATA[:MSS], ms=40 * i)
        if i:
            wire.passes("server", 1, ACK, at(i))
    wire.passes("server", 1, ACK, at(20), ms=800)
    assert wire.broken() == [], wire.observer.violations


def test_what_a_crashed_host_owes_is_forgotten_and_all_but_rst_is_told(wire):
    wire.open()
    wire.passes("client", at(0), ACK, 1, DATA[:MSS], ms=1)
    wire.passes("client", at(1), ACK, 1, DATA[:MSS], ms=2)
    wire.observer.crashed("server", 3 * MS)
    wire.passes("server", 1, RST, ms=4)
    wire.sent("server", 1, ACK, at(2), ms=5)
    assert wire.broken() == ["resurrection"], wire.observer.violations


def test_a_rst_of_an_end_in_syn_sent_is_an_answer_and_no_end(wire):
    """RFC 9293, 3.5.1: half a connection is met by a SYN."""
    wire.sent("client", 0, SYN, mss=1460, wscale=4, timestamps=(1, 0))
    wire.happens("delivered", "server", wire.frame("server", 500, ACK, 77))
    wire.sent("client", 77, RST)
    wire.passes("client", 0, SYN, mss=1460, wscale=4, timestamps=(1, 0), ms=1000)
    wire.passes("server", 0, SYN | ACK, 1, mss=1460, wscale=4, ms=1000)
    wire.passes("client", 1, ACK, 1, ms=1000)
    assert wire.broken() == [], wire.observer.violations


def test_what_reaches_a_stalled_host_is_owed_an_answer_from_its_end(wire):
    wire.open()
    wire.observer.stalled("server")
    for i in range(4):
        wire.passes("client", at(i), ACK, 1, DATA[:MSS], ms=1 + i)
    wire.observer.resumed("server", 900 * MS)
    wire.passes("server", 1, ACK, at(4), ms=900)
    assert wire.broken() == [], wire.observer.violations


def test_a_segment_that_arrives_a_second_time_is_counted(wire):
    wire.open()
    wire.passes("client", at(0), ACK, 1, DATA[:MSS])
    wire.passes("client", at(2), ACK, 1, DATA[:MSS])
    wire.passes("client", at(0), ACK, 1, DATA[:MSS])
    wire.passes("client", at(2), ACK, 1, DATA[:MSS])
    wire.passes("client", at(1), ACK, 1, DATA[:MSS])
    assert sum(side.doubled for side in wire.observer.all_sides()) == 2


def test_a_right_edge_that_goes_back_by_rounding_is_counted(wire):
    wire.open(wscale=4, window=1000)
    wire.passes("client", 1, ACK | PSH, 1, DATA[:100], ms=1)
    wire.passes("server", 1, ACK, 101, window=993, ms=1)
    assert wire.broken() == [] and sum(side.shrunk for side in wire.observer.all_sides()) == 1


BREAKS = {
    checksums: "checksums",
    sequence: "sequence",
    sequence_behind_fin: "sequence",
    sequence_of_syn: "sequence",
    same_bytes: "same_bytes",
    ack_of_what_did_not_arrive: "ack",
    ack_goes_back: "ack",
    right_edge: "right_edge",
    window: "window",
    mss: "mss",
    options_not_agreed_on: "options",
    options_missing: "options",
    options_sack: "options",
    sack_of_what_did_not_arrive: "sack",
    sack_of_what_is_acknowledged: "sack",
    sack_with_an_old_block_first: "sack",
    sack_left_out: "sack",
    sack_left_out_of_a_burst: "sack",
    sack_resend: "sack_resend",
    timestamps_go_back: "timestamps",
    timestamps_invented: "timestamps",
    nagle: "nagle",
    delayed_ack_of_second_segment: "delayed_ack",
    delayed_ack_too_late: "delayed_ack",
    delayed_ack_of_gap: "delayed_ack",
    delayed_ack_of_fin: "delayed_ack",
    ack_volume: "ack_volume",
    rst_answers_rst: "rst",
    rst_with_any_number: "rst",
    **dict.fromkeys(
        (ecn_that_was_not_agreed_on, ecn_on_a_syn, ecn_on_an_ack, ecn_on_what_is_sent_again, ecn_mark_not_echoed, ecn_echo_of_nothing,
         ecn_cwr_for_nothing),
        "ecn",
    ),
    resurrection: "resurrection",
}


def test_orderly_reports_and_repairs_break_no_rule(wire):
    gap(wire, 1, 3)
    wire.passes("server", 1, ACK, 1, sack=((at(3), at(4)), (at(1), at(2))))
    wire.passes("client", 1, ACK, 1, DATA[:MSS], ms=10)
    wire.passes("server", 1, ACK, at(2), sack=((at(3), at(4)),))
    wire.passes("client", at(2), ACK, 1, DATA[:MSS], ms=11)
    wire.passes("server", 1, ACK, at(4))
    assert wire.broken() == [], wire.observer.violations


def test_acks_may_leave_in_the_middle_of_a_burst(wire):
    """All of it has arrived when the first ACK is seen, which answers only what came before."""
    burst(wire, 0, 1, 3, 5, 2)
    wire.passes("server", 1, ACK, at(2), ms=1)
    wire.passes("server", 1, ACK, at(2), sack=((at(3), at(4)),))
    wire.passes("server", 1, ACK, at(2), sack=((at(5), at(6)), (at(3), at(4))))
    wire.passes("server", 1, ACK, at(4), sack=((at(5), at(6)),))
    assert wire.broken() == []


def test_a_peer_that_took_back_what_it_reported_may_be_sent_it_again(wire):
    gap(wire, 1)
    wire.passes("server", 1, ACK, 1, sack=((at(1), at(2)),))
    wire.passes("client", 1, ACK, 1, DATA[:MSS], ms=10)
    wire.happens("delivered", "server", wire.frame("server", 1, ACK, at(1)))
    wire.sent("client", at(1), ACK, 1, DATA[:MSS], ms=20)
    assert "sack_resend" not in wire.broken()


@pytest.mark.parametrize("broken", BREAKS, ids=lambda broken: broken.__name__)
def test_a_broken_rule_is_found(wire, broken):
    broken(wire)
    assert wire.broken() == [BREAKS[broken]], wire.observer.violations


def test_every_rule_is_broken_here():
    assert sorted(set(BREAKS.values())) == sorted(RULES)


def test_what_is_told_names_host_and_time(wire):
    nagle(wire)
    (text,) = wire.observer.violations["nagle"]
    assert text == f"at 0.000000000 s client ({CLIENT}:4000 to {SERVER}:80): 5 bytes leave at offset 6 while 5 are unacknowledged"
