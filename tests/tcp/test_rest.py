"""Connections at rest: a record says all that decides anything, whoever rests wakes as he was, and nothing else can be seen of it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import usnet
from usnet.backends.clock import ManualClock
from usnet.backends.pair import make_pair
from usnet.tcp.state import rested

U8, U16, U32 = (st.integers(0, (1 << bits) - 1) for bits in (8, 16, 32))
SEQ = st.sampled_from([0, 1, 1000, 0x7FFFFFFF, 0xFFFFFFFF]) | U32
NS = st.sampled_from([0, 1, 10**9, (1 << 32) - 1, 1 << 32]) | st.integers(0, 10**15)
ADDRESS = st.fixed_dictionaries({"hi": st.integers(0, (1 << 64) - 1), "lo": st.integers(0, (1 << 64) - 1)})
NONE = 0xFFFFFFFF
RTT_TIMED, FIN_RECEIVED, FIN_HELD = 0x800, 0x40, 0x2000000
NUMBERS = ("rcv_nxt", "last_ack_sent", "snd_una", "snd_nxt", "snd_max", "recover", "snd_wl1", "snd_wl2", "irs", "iss", "rcv_adv")
HYSTART = ("last_min", "this_min", "baseline", "end", "began", "samples", "rounds", "left")
CONTROLLED = {"acked": U32, "prior_cwnd": U32, "prior_ssthresh": U32, "pacing_rate": NS, "epoch": NS, "limited_since": NS}
FIELDS = {
    **dict.fromkeys(NUMBERS, SEQ),
    **dict.fromkeys(("snd_wnd", "ts_recent", "flags", "owner", "ts_offset", "sndbuf", "rcvbuf", "max_window", "way", "hop"), U32),
    **dict.fromkeys(("lport", "rport", "mss", "peer_mss", "rcv_mss", "user_mss", "ato", "last_seg"), U16),
    **dict.fromkeys(("snd_wscale", "rcv_wscale", "dupacks", "backoff", "delack_segs", "cc_ops", "netif", "syn_retries", "keep_probes"), U8),
    **dict.fromkeys(("unanswered", "keep_count", "ttl", "tos", "fastopen", "locked", "acks"), U8),
    **dict.fromkeys(("ts_recent_at", "srtt", "rttvar", "min_rtt", "rto", "last_recv", "stalled_since", "last_send", "rexmt_at"), NS),
    **dict.fromkeys(("last_oow_ack", "keep_idle", "keep_interval", "user_timeout", "rcv_pos", "retransmits", "timer_at", "fin_pos"), NS),
    **dict.fromkeys(("tune_at", "tune_since", "rto_var", "mdev_max"), st.just(0) | NS),
    "rtt_round": st.just(0) | U32,
    **dict.fromkeys(("laddr", "raddr"), ADDRESS),
    "cc": st.fixed_dictionaries({
        **dict.fromkeys(("cwnd", "mss"), U32), "ssthresh": st.just(1 << 30) | U32,
        **dict.fromkeys(("step", "hystart", "wants", "number"), st.just(0)),
        **{name: st.just(0) | drawn for name, drawn in CONTROLLED.items()},
        "hs": st.just(dict.fromkeys(HYSTART, 0)) | st.fixed_dictionaries({name: st.integers(0, 255) for name in HYSTART} | {"began": st.just(1)}),
        "priv": st.just([0] * 12) | st.lists(NS, min_size=12, max_size=12),
    }),
    "quick": st.integers(0, 63),
    **dict.fromkeys(("segs_in", "segs_out", "data_segs_in", "data_segs_out", "dsacks", "ooo_segs", "total_rto"), st.integers(0, 3) | U32),
    **dict.fromkeys(("snd_pos", "bytes_retrans", "busy", "rwnd_limited", "sndbuf_limited", "last_data"), NS),
    "chrono": st.integers(0, 3),
    "state": st.sampled_from([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
    "error": st.integers(0, 120),
    "rcv_ready": st.integers(0, 2),
    "deadline": st.tuples(*[st.sampled_from([0, 0, 0, 0, 10**6, 10**9])] * 4).map(list),
    "timer": st.sampled_from([0, NONE]),
    **dict.fromkeys(("ooo", "board", "parent", "next", "prev", "listener", "fast"), st.sampled_from([NONE, NONE, NONE, 3])),
}
# What links those that are awake; what means nothing without TF_RTT_TIMED, with which nobody rests, or with nothing out; the form, made anew.
MEANINGLESS = {"id", "older", "newer", "mark", "terms", "rtt_seq", "rtt_start", "form", "most_out", "usage_seq", "chrono_since", "burst_at",
               "last_seq", "ack_rtt", "cwr_high", "snd_sml"}
IDLE = {"snd_una": 7, "snd_nxt": 7, "snd_max": 7, "snd_wl2": 7, "recover": 7, "rcv_nxt": 9, "last_ack_sent": 9, "snd_wl1": 9, "irs": 8}


def known(fields):
    """What decides anything. Without a timer its time means nothing, and without TF_FIN_HELD the FIN's position."""
    idle = MEANINGLESS | ({"timer_at"} if fields["timer"] == NONE else set()) | (set() if fields["flags"] & FIN_HELD else {"fin_pos"})
    return {name: value for name, value in fields.items() if name not in idle}


@st.composite
def connections(draw):
    """Mostly idle, with a few fields that are anything; numbers agree as they do in what is idle, unless drawn."""
    fields = dict(IDLE)
    names = draw(st.lists(st.sampled_from(sorted(FIELDS)), max_size=12, unique=True))
    fields.update({name: draw(FIELDS[name]) for name in names})
    if draw(st.booleans()):
        fields["snd_nxt"] = fields["snd_max"] = fields["snd_una"]
        fields["last_ack_sent"] = fields["rcv_nxt"]
    if any(fields.get("deadline", [0])) or fields.get("timer", NONE) != NONE:
        fields["timer"], fields["timer_at"] = 0, min([at for at in fields.get("deadline", [0]) if at], default=0) or fields.get("timer_at", 0)
    return fields


@settings(max_examples=1500)
@given(connections())
def test_who_rests_is_told_of_and_wakes_as_he_was(fields):
    there = rested(fields)
    if there is not None:
        before, told, woken = there
        assert known(told) == known(before)
        assert known(woken) == known(before)


def test_most_idle_connections_rest():
    assert rested(IDLE)
    assert rested({**IDLE, "retransmits": 3, "rexmt_at": 5, "recover": 99, "rcv_pos": 1 << 40, "last_send": 1 << 50})
    for state in (4, 6, 7, 10):
        assert rested({**IDLE, "state": state})
    assert rested({**IDLE, "state": 10, "flags": FIN_HELD | FIN_RECEIVED, "rcv_pos": 6, "fin_pos": 5})[2]["fin_pos"] == 5


@pytest.mark.parametrize(
    "busy",
    [{"snd_max": 8}, {"snd_una": 6}, {"last_ack_sent": 8}, {"rcv_ready": 1}, {"ooo": 1}, {"board": 1}, {"parent": 1}, {"next": 1}, {"error": 104},
     {"state": 2}, {"state": 5}, {"flags": 0x8}, {"flags": RTT_TIMED}, {"flags": FIN_HELD}, {"dupacks": 1}, {"backoff": 1}, {"delack_segs": 1},
     {"unanswered": 1}, {"keep_probes": 1}, {"deadline": [5, 0, 0, 0], "timer": 0, "timer_at": 5},
     {"deadline": [0, 5, 0, 0], "timer": 0, "timer_at": 5}, {"srtt": 1 << 32}, {"rto": 1 << 33}],
    ids=str,
)
def test_who_has_something_to_do_does_not_rest(busy):
    assert rested({**IDLE, **busy}) is None


# --- In a stack -------------------------------------------------------------------------------------------------------------

class Two:
    """Two stacks joined by a pair of ports, driven by hand."""

    def __init__(self, connections, **config):
        self.clock = ManualClock()
        ports = make_pair(clock=self.clock)
        self.near = usnet.Stack(ports[0], "10.0.0.1/24", seed=1, config=config)
        self.far = usnet.Stack(ports[1], "10.0.0.2/24", seed=2, config=config)
        self.listener = listener = self.far.socket()
        listener.bind(("10.0.0.2", 80))
        listener.listen(connections)
        listener.setblocking(False)
        self.clients = [self.near.socket() for _ in range(connections)]
        for client in self.clients:
            client.setblocking(False)
            client.connect_ex(("10.0.0.2", 80))
            self.turn()
        self.servers = []
        for _ in range(connections):
            self.servers.append(listener.accept()[0])
            self.servers[-1].setblocking(False)

    def close(self):
        for one in [*self.clients, *self.servers, self.listener]:
            one.close()
        self.near.close(linger=0)
        self.far.close(linger=0)

    def turn(self, ns=0):
        self.clock.advance(ns)
        for _ in range(8):
            self.near.core.run(self.clock.now())
            self.far.core.run(self.clock.now())

    def memory(self):
        return self.far.core.statistics()["memory"]


@pytest.fixture
def two():
    """Makes a Two: two(connections, **config)."""
    made = []

    def make(connections, **config):
        made.append(Two(connections, **config))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_no_more_than_the_working_set_is_awake(two):
    two = two(40, working_set=8)
    for _ in range(40):
        two.turn(10**6)
    assert two.memory()["connections"] == 41
    assert two.memory()["awake"] == 8
    assert two.memory()["terms"] == 1


def test_with_no_working_set_all_rest_but_listeners(two):
    two = two(10, working_set=0)
    two.turn(10**6)
    assert two.memory()["awake"] == 1
    two.clients[3].send(b"hello")
    two.turn(10**6)
    assert two.memory()["awake"] == 2
    assert two.servers[3].recv(100) == b"hello"
    two.turn(10**9)
    two.turn(10**9)
    assert two.memory()["awake"] == 1


def test_looking_wakes_nobody(two):
    two = two(10, working_set=0)
    two.turn(10**6)
    conns = two.far.core.connections()
    assert len(conns) == 11
    assert sorted({two.far.core.snapshot(c)["state"] for c in conns}) == ["ESTABLISHED", "LISTEN"]
    assert {two.far.core.snapshot(c)["laddr"] for c in conns if two.far.core.snapshot(c)["state"] == "ESTABLISHED"} == {"10.0.0.2"}
    assert two.servers[0].getpeername() == ("10.0.0.1", two.clients[0].getsockname()[1])
    assert two.servers[0].getsockopt(usnet.SOL_SOCKET, usnet.SO_RCVBUF)
    assert two.servers[0].getsockopt(usnet.IPPROTO_TCP, usnet.TCP_INFO, 200)
    assert two.memory()["awake"] <= 2  # the addresses of one were asked for


def test_time_wait_rests_and_ends(two):
    two = two(10, working_set=0, msl=10**9)
    for side in (two.clients, two.servers):
        for one in side:
            one.close()
        two.turn(10**6)
    memory = two.near.core.statistics()["memory"]
    assert (memory["connections"], memory["awake"]) == (10, 0)
    two.turn(10**9)
    assert two.near.core.statistics()["memory"]["connections"] == 10
    two.turn(10**9)
    memory = two.near.core.statistics()["memory"]
    assert (memory["connections"], memory["awake"], memory["terms"], memory["histories"], memory["timers"]) == (0, 0, 0, 0, 0)


def test_keepalive_asks_connections_at_rest(two):
    two = two(3, working_set=0, keepalive=1, keep_idle=5 * 10**9)
    two.turn(2 * 10**9)
    before = two.far.core.statistics()["tcp"]["keep_probes"]
    two.turn(10**9)
    assert two.memory()["awake"] == 1
    for _ in range(4):
        two.turn(10**9)
    assert two.far.core.statistics()["tcp"]["keep_probes"] >= before + 3 or two.near.core.statistics()["tcp"]["keep_probes"] >= 3


def test_settings_of_a_connection_survive(two):
    two = two(2, working_set=0)
    one = two.servers[0]
    one.setsockopt(usnet.SOL_SOCKET, usnet.SO_SNDBUF, 50_000)
    one.setsockopt(usnet.IPPROTO_TCP, usnet.TCP_NODELAY, 1)
    one.setsockopt(usnet.IPPROTO_IP, usnet.IP_TTL, 9)
    two.turn(10**6)
    assert two.memory()["awake"] == 1
    assert two.memory()["terms"] == 2
    two.turn(10**6)
    assert one.getsockopt(usnet.SOL_SOCKET, usnet.SO_SNDBUF) == 50_000
    assert one.getsockopt(usnet.IPPROTO_TCP, usnet.TCP_NODELAY) == 1
    assert one.getsockopt(usnet.IPPROTO_IP, usnet.IP_TTL) == 9
    two.clients[0].close()
    two.turn(10**6)
    one.close()
    two.turn(10**6)
    assert two.memory()["terms"] == 1


def test_nothing_is_left_however_many_come_and_go(two):
    """The long form: ten million connections, `both.open_and_close` of benchmarks/drivers."""
    two = two(4, working_set=2, msl=10**6)
    left = []
    for _ in range(60):
        clients = [two.near.socket() for _ in range(4)]
        for client in clients:
            client.setblocking(False)
            client.connect_ex(("10.0.0.2", 80))
            two.turn(10**6)
        two.turn(2 * 10**9)  # a neighbour's answer may have become too old
        servers = [two.listener.accept()[0] for _ in range(4)]
        two.turn(10**6)
        for one in [*clients, *servers]:
            one.close()
        two.turn(10**6)
        two.turn(3 * 10**9)
        left.append([stack.core.statistics()["memory"] for stack in (two.near, two.far)])
    assert left[0] == left[-1]
    assert [memory["connections"] for memory in left[-1]] == [4, 5]
