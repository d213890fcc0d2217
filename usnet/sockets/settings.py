"""All settings of a stack and of its servers, with defaults, units and limits: the dataclass Settings, and the TOML
file that says the same.

    settings = usnet.Settings.load("usnet.toml")
    with usnet.Stack.from_settings(settings) as stack: ...

Times are int nanoseconds, or text with a unit ("200ms"); sizes are int bytes, or text ("64KiB"). What is wrong raises
SettingsError, which names the key. docs/settings.md lists them all.
"""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from usnet.sockets.setting_kinds import (
    SettingsError,
    Table,
    addresses,
    choice,
    controller,
    count,
    limits_of,
    neighbours,
    one_address,
    optional_text,
    routes,
    size,
    switch,
    table,
    text,
    time,
    toml_value,
)
from usnet.tcp.congestion.registry import number_of

LAYOUTS = ("aligned", "packed")
"""Orders of a SYN's options, by their numbers (LAYOUT_* of usnet.wire.tcp)."""
ERRORS = ("rfc", "linux", "freebsd")
"""Whose meanings ICMP errors have, by their numbers (ERRORS_* of usnet.tcp.icmp)."""
ECN = ("off", "ask", "accept", "accecn-ask", "accecn-ask-ecn", "accecn-accept")
"""What is agreed on about ECN, by its numbers (TCP_ECN_* of usnet.tcp.ecn; Linux's net.ipv4.tcp_ecn)."""
PROBING = ("off", "blackhole", "always")
"""When path MTUs are probed for, by its numbers (MTU_* of usnet.tcp.mtu; Linux's net.ipv4.tcp_mtu_probing)."""
COOKIES = ("off", "full", "always")
"""When SYN cookies are sent, by their numbers (COOKIE_* of usnet.tcp.cookies)."""
HYSTARTS = ("off", "cubic", "all")
"""Whose slow start is HyStart++, by their numbers (HYSTART_* of usnet.tcp.congestion.hystart)."""
VALIDATIONS = ("off", "restart", "linux", "pipeack")
"""What becomes of a congestion window that is not filled, by its numbers (VALIDATION_* of usnet.tcp.congestion.validation)."""
RECOVERIES = ("sack", "rack")
"""How losses are found where both ends agreed on SACK, by their numbers (RECOVERY_* of usnet.tcp.state)."""
UNITS = {"time": ["ns"], "size": ["bytes"]}
LEVELS = ("debug", "info", "warning", "error")
MOST_BUFFER = 1 << 30
DAY = 86_400 * 10**9
YEARS = 10**18  # ns, 31 of them


@dataclass(frozen=True)
class Interface(Table):
    """The port, and who the stack is on it."""

    backend: str = text("tap:usnet0", "the port: tap:NAME, netmap:PORT, pair:NAME")
    options: dict = table("settings of the backend's own (slots, buf_size, mtu ...), as usnet.open_port takes them")  # noqa: RUF009
    address: tuple = addresses("own addresses, each with its prefix: 10.9.0.2/24, or a list")
    peer_address: str | None = one_address("given to the kernel's end of a TAP device, with its prefix", prefix=True)
    gateway: str | None = one_address("where packets for other networks go")
    routes: tuple = routes('further routes, [["10.8.0.0/16", "10.9.0.7"], ...]; with "" as the second: on-link')
    vlan: int = count(0, 0, 4094, "identifier of the VLAN whose frames are taken and sent; 0: untagged")
    neighbours: dict = neighbours('neighbours that are never asked for: {"10.9.0.1" = "02:00:00:00:00:01"}')  # noqa: RUF009


@dataclass(frozen=True)
class Limits(Table):
    """How much there may be. Memory is used as it is needed; these are reserved as address space."""

    connections: int = count(65536, 1, 1 << 26, "TCP connections and listeners")
    chunks: int = count(65536, 1, 1 << 26, "pieces of 2,048 bytes for all queues together")
    sockets: int = count(65536, 1, 1 << 26, "descriptors")
    huge_pages: bool = switch(False, "huge pages are asked for: less time where there are many connections, more memory where there are few")
    touched: int = count(0, 0, 1 << 26, "connections whose memory is taken at the start, instead of page by page when they come")


@dataclass(frozen=True)
class Tcp(Table):
    """TCP (RFC 9293), as tcp_config in usnet/tcp/state.pxd."""

    sndbuf: int = size(1 << 20, 1, MOST_BUFFER, "send buffer of a connection (SO_SNDBUF)")
    rcvbuf: int = size(1 << 20, 1, MOST_BUFFER, "receive buffer of a connection (SO_RCVBUF)")
    max_backlog: int = count(4096, 1, 1 << 26, "connections that may wait for accept, whatever listen() asks for")
    max_syn_queue: int = count(1024, 1, 1 << 26, "half-open connections of a listener")
    uto: bool = switch(False, "user timeouts that programs ask for are told to peers, and those of peers taken (RFC 5482)")
    uto_least: int = time(100 * 10**9, 10**9, DAY, "a peer's user timeout is raised to this (L_LIMIT of RFC 5482)")
    uto_most: int = time(3600 * 10**9, 10**9, DAY, "... and lowered to this (U_LIMIT)")
    syncookies: str = choice("full", COOKIES, "a SYN cookie answers: nobody, whom a full SYN queue has no room for, or every SYN (RFC 4987)")
    syn_queue_backlog: bool = switch(False, "half-open connections of a listener: its backlog and one at most, as in Linux")
    abort_on_overflow: bool = switch(False, "a handshake that ends on a full queue for accept is reset; otherwise its last ACK is dropped")
    mss: int = count(0, 0, 65495, "bytes of payload of a segment at most; 0: from the MTU")
    syn_retries: int = count(7, 0, 255, "SYNs sent again; the last attempt ends after 183 s (RFC 9293, 3.8.3: at least 3 minutes)")
    syn_linear: int = count(0, 0, 255, "SYNs sent again before the wait for an answer doubles (tcp_syn_linear_timeouts)")
    syn_plain: int = count(0, 0, 255, "SYNs sent again before they leave out all options but MSS, as in FreeBSD; 0: never")
    synack_retries: int = count(5, 0, 255, "SYN-ACKs sent again")
    data_retries: int = count(15, 0, 255, "retransmissions that end a connection (R2 of RFC 9293, 3.8.3)")
    orphan_retries: int = count(7, 0, 255, "the same for a connection that its program has closed")
    timestamps: bool = switch(True, "timestamps are offered (RFC 7323)")
    window_scaling: bool = switch(True, "window scaling is offered (RFC 7323)")
    sack: bool = switch(True, "selective acknowledgements are offered (RFC 2018)")
    short_way: bool = switch(True, "expected segments take a short way; nothing but speed depends on it")
    option_layout: str = choice("aligned", LAYOUTS, "order of a SYN's options: Linux's (aligned) or FreeBSD's (packed)")
    window_scale: int = count(0, 0, 14, "least shift of the offered window: room for buffers that are made larger later")
    round_rcvbuf: bool = switch(False, "receive buffers are rounded up to full segments, as in FreeBSD")
    all_room: bool = switch(False, "windows say all the room there is, as in FreeBSD; otherwise their edge moves by segments (RFC 9293, 3.8.6.2.2)")
    ecn: str = choice("accept", ECN, "explicit congestion notification (RFC 3168): never, asked for, or agreed to when the peer asks; with accecn- "
                      "RFC 9768's before it, asked for, agreed to while RFC 3168's is asked for, or agreed to")
    ecn_retries: int = count(0, 0, 255, "SYNs sent again that still ask for ECN (RFC 3168, 6.1.1.1)")
    ecn_option: int = count(2, 0, 2, "AccECN options: 0 never sent, 1 behind changes and now and then, 2 whenever there is room")
    ecn_option_beacon: int = count(3, 0, 255, "AccECN options a round trip, where nothing changes")
    ecn_fallback: bool = switch(True, "AccECN: what the path does to ECN fields in a handshake counts")
    ecn_generalized: bool = switch(False, "AccECN: acknowledgements and what is sent again are ECT too, as in Linux, not new data alone")
    abe: bool = switch(False, "a mark lowers the congestion window less than a loss (RFC 8511)")
    mtu_probing: str = choice("off", PROBING, "path MTUs are looked for by probes (RFC 4821, 8899): never, behind timeouts in a row, or always")
    mtu_blackhole: int = count(3, 1, 255, "timeouts in a row that mean that the path swallows large segments")
    base_mss: int = count(1024, 64, 65495, "segments that are believed to get through when a search begins (tcp_base_mss)")
    mtu_floor: int = count(48, 48, 65495, "... whatever happens (tcp_mtu_probe_floor)")
    mtu_threshold: int = count(8, 1, 65535, "bytes between what gets through and what does not at which a search ends (tcp_probe_threshold)")
    mtu_raise: int = time(600 * 10**9, 10**9, DAY, "time after which larger ones are tried again (tcp_probe_interval)")
    metrics: bool = switch(False, "what connections learned of their path is remembered for those to come (tcp_no_metrics_save, turned round)")
    metrics_timeout: int = time(3600 * 10**9, 10**9, YEARS, "... and for how long it is believed")
    dsack: bool = switch(True, "what arrives twice is reported to the sender (RFC 2883)")
    delack_small: int = count(1, 1, 8, "weight of a small segment towards the next ACK; a full one's is 4, and 8 make it due")
    fin_again: bool = switch(False, "what acknowledges while our FIN is out carries it once more, as in FreeBSD")
    insecure_rst: bool = switch(False, "a RST anywhere in the window resets (RFC 793), not only at its beginning (RFC 5961)")
    insecure_syn: bool = switch(False, "a SYN in the window resets (RFC 793) instead of earning an ACK (RFC 5961)")
    challenge_interval: int = time(500 * 10**6, 0, 60 * 10**9, "time between ACKs in answer to empty segments outside the window (RFC 5961)")
    challenge_limit: int = count(0, 0, 10**6, "such ACKs a second by the stack as a whole, about; 0: any number")
    error_rules: str = choice("rfc", ERRORS, "which ICMP errors end an attempt to connect, and what errno they and resets give")
    icmp_ends: bool = switch(True, "ICMP errors may end an attempt to connect at all")
    mtu_patience: int = count(1, 0, 15, "timeouts that confirm a smaller path MTU where larger segments have arrived (RFC 5927, 7.2)")
    rfc1337: bool = switch(True, "a RST does not end TIME-WAIT")
    time_wait_reuse: bool = switch(False, "connect() may take the ends of a connection in TIME-WAIT with timestamps (RFC 6191)")
    max_orphans: int = count(65536, 0, 1 << 26, "closed connections that still send or wait; closing one more resets it")
    drop_synfin: int = count(1, 0, 2, "SYN with FIN is dropped: 0 never, 1 by listeners, 2 always")
    time_wait_quiet: bool = switch(False, "in TIME-WAIT only what has ACK is answered, as in FreeBSD")
    push_bursts: int = count(0, 0, 255, "least segments of a burst whose last one has PSH, as Linux's large frames do; 0: what ends the queue has it")
    quick_acks: int = count(0, 0, 63, "acknowledgements at the start of a connection that do not wait")
    adaptive_acks: bool = switch(False, "acknowledgements wait as Linux's do: as data comes, for answers, not at the start nor behind losses")
    minshall: bool = switch(False, "a small segment may follow full ones that are out, as in Linux (Minshall's variant of Nagle's algorithm)")
    bare_probes: bool = switch(False, "window probes are empty segments from before the window, as in Linux, and not the next byte")
    rst_timestamps: bool = switch(False, "a RST carries timestamps where they were agreed on (RFC 7323)")
    more_until_ack: bool = switch(False, "what MSG_MORE holds back leaves with the next acknowledgement, as in Linux")
    wide_growth: bool = switch(False, "in slow start the window grows while it is less than twice of what is out, as in Linux")
    rto_spread: bool = switch(False, "the retransmission timeout is Linux's: it exceeds any round trip by rto_min at least")
    charged_buffers: bool = switch(False, "buffers are counted as in Linux: SO_SNDBUF and SO_RCVBUF doubled, frames charged with their bookkeeping")
    sndbuf_most: int = size(16 << 20, 0, MOST_BUFFER, "what a send buffer grows to with cwnd, unless SO_SNDBUF was set; 0: it does not")
    rcvbuf_most: int = size(16 << 20, 0, MOST_BUFFER, "what a receive buffer grows to with the path, unless SO_RCVBUF was set; 0: it does not")
    notsent_lowat: int = size(0, 0, MOST_BUFFER, "bytes not sent from which a stream is not writable (TCP_NOTSENT_LOWAT); 0: no limit")
    lifetime_counters: bool = switch(True, "TCP_INFO counts over times of rest: 32 bytes of an idle connection that has carried data")
    slow_start_step: int = count(0, 0, 255, "segments that one ACK lets the window grow by in slow start (L of RFC 3465); 0: no limit")
    cwnd_validation: str = choice("restart", VALIDATIONS, "what becomes of a congestion window that is not filled: nothing; that of a start after an "
                                  "idle time (RFC 5681, 4.1); Linux's decay; RFC 7661")
    congestion: str = controller("cubic", "congestion controller of connections that do not ask for one (TCP_CONGESTION)")
    hystart: str = choice("cubic", HYSTARTS, "whose slow start ends when round trips grow (RFC 9406): nobody's, cubic's, or newreno's too")
    pacing: bool = switch(False, "what leaves is spread over time; otherwise where the controller (bbr) or SO_MAX_PACING_RATE asks for it")
    pacing_slow_start: int = count(200, 1, 65535, "pace while the window is less than half of ssthresh, percent of a window a round trip")
    pacing_avoidance: int = count(120, 1, 65535, "... and later")
    delivery_rate: bool = switch(False, "TCP_INFO has the delivery rate of every connection; otherwise of those whose controller asks for it")
    fixed_window: int = size(0, 0, MOST_BUFFER, "the window of the controller none; 0: as large as can be")
    recovery: str = choice("rack", RECOVERIES, "how losses are found with SACK: by its reports (RFC 6675), or by time, with probes (RFC 8985)")
    probes: bool = switch(True, "with rack: the end of a flight is probed for loss (RFC 8985, section 7)")
    frto: bool = switch(True, "with rack, or without SACK: a timeout is put on trial before all is sent again (RFC 5682)")
    undo: bool = switch(True, "with rack, or without SACK: what turns out to be no loss leaves the windows as they were (RFC 3708, RFC 4015)")
    moderation: bool = switch(True, "with rack: a recovery ends without a burst larger than that of a start")
    reordering: int = count(3, 1, 127, "duplicate acknowledgements, or segments reported, that mean a loss (DupThresh; tcp_reordering)")
    max_reordering: int = count(300, 1, 65535, "segments by which the path is believed to reorder at most (tcp_max_reordering)")
    rack_static_reo_wnd: bool = switch(False, "with rack: the reordering window does not grow with duplicates reported (tcp_recovery, 2)")
    rack_no_dupthresh: bool = switch(False, "with rack: it does not end when as many as `reordering` are reported (tcp_recovery, 4)")
    thin_linear_timeouts: bool = switch(False, "with fewer than four segments out the first six timeouts in a row do not back off, as in Linux")
    rto_initial: int = time(10**9, 1, YEARS, "retransmission timeout before the first measurement (RFC 6298)")
    rto_min: int = time(200 * 10**6, 0, YEARS, "shortest retransmission timeout, and by how much it exceeds a longer round trip at least")
    rto_max: int = time(60 * 10**9, 1, YEARS, "longest retransmission timeout")
    delack: int = time(40 * 10**6, 0, 500 * 10**6, "for how long an acknowledgement may wait")
    msl: int = time(30 * 10**9, 0, DAY, "maximum segment lifetime: TIME-WAIT lasts two")
    fin_wait_2: int = time(60 * 10**9, 0, DAY, "how long a closed connection waits for its peer's FIN")
    keepalive: bool = switch(False, "every connection is probed when idle, as if each had SO_KEEPALIVE")
    keep_idle: int = time(7200 * 10**9, 1, YEARS, "idle time before the first keepalive probe (TCP_KEEPIDLE)")
    keep_interval: int = time(75 * 10**9, 1, YEARS, "time between keepalive probes (TCP_KEEPINTVL)")
    keep_count: int = count(9, 1, 255, "unanswered probes that end a connection")
    fastopen: int = count(1, 0, 0x7FF, "Fast Open (RFC 7413), the sum of: 1 clients may, 2 listeners may, 4 clients without cookie, 512 listeners "
                          "without cookie, 1024 listeners that did not ask for it")
    fastopen_exp: bool = switch(False, "a server that gives no cookie is asked once by the experimental option, as in Linux")
    fastopen_queue: bool = switch(False, "what is written with a SYN without cookie is queued, as in FreeBSD; otherwise EINPROGRESS")
    fastopen_quiet: int = time(0, 0, DAY, "for how long a server that gave no cookie is not asked again")
    fastopen_blackhole: int = time(0, 0, DAY, "time without Fast Open when a path seems to swallow it, doubled each time; 0: it goes on")
    granularity: int = time(10**6, 0, 10**9, "granularity of the clock (G of RFC 6298)")
    working_set: int = count(1024, 0, 1 << 26, "connections with a whole TCB, before idle ones rest in 128 bytes; only memory depends on it")

    def check(self) -> None:
        if not self.rto_min <= self.rto_max:
            raise SettingsError("tcp.rto_min", "must not be longer than tcp.rto_max")
        if self.rto_initial > self.rto_max:
            raise SettingsError("tcp.rto_initial", "must not be longer than tcp.rto_max")
        if 0 < self.mss < 64:
            raise SettingsError("tcp.mss", "must be 0, or 64 bytes at least")


@dataclass(frozen=True)
class Ip(Table):
    """IP, ARP and ICMP, as ip_config in usnet/ip/state.pxd."""

    arp_timeout: int = time(60 * 10**9, 1, YEARS, "for how long a neighbour's answer is believed")
    arp_retry: int = time(10**9, 1, YEARS, "time between requests")
    arp_failed: int = time(3 * 10**9, 1, YEARS, "for how long a neighbour that did not answer is not asked again")
    reassembly_timeout: int = time(30 * 10**9, 1, YEARS, "how long fragments wait for the others")
    path_mtu_timeout: int = time(600 * 10**9, 1, YEARS, "for how long a smaller path MTU is believed (RFC 1191)")
    arp_tries: int = count(3, 1, 255, "requests before giving up")
    max_neighbours: int = count(1024, 1, 65536, "neighbours remembered")
    neighbour_bytes: int = size(512 << 10, 0, MOST_BUFFER, "packets that wait for neighbours, together")
    loopback_bytes: int = size(1 << 20, 0, MOST_BUFFER, "packets on their way from the stack to itself")
    reassembly_bytes: int = size(256 << 10, 0, MOST_BUFFER, "fragments held, together")
    icmp_rate: int = count(100, 0, 10**9, "ICMP errors a second")
    icmp_burst: int = count(20, 0, 10**6, "ICMP errors at once after a quiet time")
    ttl: int = count(64, 1, 255, "time to live of what is sent")
    forward: bool = switch(False, "packets for others are forwarded: a router")
    verify_checksums: bool = switch(True, "checksums of what arrives are verified")
    answer_echo: bool = switch(True, "pings are answered")


@dataclass(frozen=True)
class Driver(Table):
    """How the stack is driven."""

    burst: int = count(64, 1, 65536, "frames taken from one ring between two rounds of output")
    rounds: int = count(64, 1, 65536, "rounds of receive and send in one run; then the program gets its turn")
    tx_retry: int = time(100_000, 1, 10**9, "until a full transmit ring is looked at again")
    look_interval: int = time(50_000, 0, 10**9, "calls that would say EAGAIN look at the rings at most this often")
    poll_interval: int = time(10**6, 1, 10**9, "ports without a descriptor are looked at this often while waiting")


@dataclass(frozen=True)
class Control(Table):
    """The unix socket through which `usnet ss` and `usnet stat` ask a running stack."""

    enabled: bool = switch(True, "of servers: whether there is one")
    path: str | None = optional_text("where; by default in $XDG_RUNTIME_DIR/usnet, or /run/usnet")


@dataclass(frozen=True)
class Log(Table):
    """What a server writes down about itself and its connections."""

    file: str | None = optional_text("where it is appended; nothing is written without")
    level: str = choice("info", LEVELS, "the least of what is written: info tells of connections, debug of requests too")


@dataclass(frozen=True)
class Serve(Table):
    """The servers of `usnet serve`."""

    port: int = count(0, 0, 65535, "where it listens; 0: the service's own (echo 7, discard 9, http 8080)")
    root: str = text(".", "directory that http serves")
    pcap: str | None = optional_text("pcapng file of what crosses the device")
    faults: str = text("", "harm to frames of both directions: loss=0.02,reorder=0.01,delay=5ms")
    seed: int = count(1, 0, (1 << 64) - 1, "of the faults' chances")


SECTIONS: dict[str, type[Table]] = {
    "interface": Interface, "limits": Limits, "tcp": Tcp, "ip": Ip, "driver": Driver, "control": Control, "log": Log, "serve": Serve,
}

for _section in SECTIONS.values():
    _section.__doc__ = "\n".join([
        _section.__doc__ or "", "",
        *(f"    {f.name}: {f.metadata['doc']} ({', '.join([*UNITS.get(f.metadata['kind'], []), limits_of(f.metadata)])})".replace(" ()", "")
          for f in _section.fields()),
    ])


@dataclass(frozen=True)
class Settings:
    """Everything that can be set, in sections. Immutable; with_changes() makes another one.

    Settings.load(path) reads a TOML file, Settings.from_dict() what tomllib gives; to_toml() writes one.
    SettingsError (a ValueError) names the key that is wrong.
    """

    interface: Interface = field(default_factory=Interface)
    limits: Limits = field(default_factory=Limits)
    tcp: Tcp = field(default_factory=Tcp)
    ip: Ip = field(default_factory=Ip)
    driver: Driver = field(default_factory=Driver)
    control: Control = field(default_factory=Control)
    log: Log = field(default_factory=Log)
    serve: Serve = field(default_factory=Serve)
    hosts: dict[str, str | list[str]] = field(default_factory=dict)  # name: IPv4 address, or several

    def __post_init__(self) -> None:
        for name, section in SECTIONS.items():
            if not isinstance(getattr(self, name), section):
                raise SettingsError(name, f"must be a {section.__name__}")
        object.__setattr__(self, "hosts", check_hosts(self.hosts))

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Settings:
        """From nested dicts, as a TOML file has them."""
        known(data, [f.name for f in dataclasses.fields(cls)], "")
        sections: dict[str, Any] = {}
        for name, section in SECTIONS.items():
            values = data.get(name, {})
            if not isinstance(values, dict):
                raise SettingsError(name, f"must be a table, not {values!r}")
            known(values, [f.name for f in section.fields()], name + ".")
            sections[name] = section(**values)
        return cls(**sections, hosts=data.get("hosts", {}))

    @classmethod
    def load(cls, path: str | Path) -> Settings:
        """From a TOML file. SettingsError names the file, and the key or the line; OSError when it cannot be read."""
        try:
            data = tomllib.loads(Path(path).read_bytes().decode())
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError("", str(error), path) from None
        try:
            return cls.from_dict(data)
        except SettingsError as error:
            raise SettingsError(error.key, error.reason, path) from None

    def with_changes(self, changes: dict[str, Any]) -> Settings:
        """Another one, where {"tcp.rcvbuf": "64KiB"} differs."""
        data = self.to_dict()
        for key, value in changes.items():
            section, _, name = key.partition(".")
            known({section: 0}, list(data), "")
            if not name:
                raise SettingsError(key, "is a table: name one of its keys")
            data[section][name] = value
        return Settings.from_dict(data)

    def to_dict(self) -> dict[str, Any]:
        """Nested dicts of plain values: times in ns, sizes in bytes."""
        found = {name: {f.name: getattr(getattr(self, name), f.name) for f in section.fields()}
                 for name, section in SECTIONS.items()}
        return {**found, "hosts": dict(self.hosts)}

    def to_toml(self) -> str:
        """A TOML file that says all of it."""
        lines = []
        for name, section in SECTIONS.items():
            lines.append(f"[{name}]")
            for f in section.fields():
                value = getattr(getattr(self, name), f.name)
                lines.append(f"# {f.name} is not set" if value is None else f"{f.name} = {toml_value(value, f.metadata['kind'])}")
            lines.append("")
        lines += ["[hosts]", *(f"{toml_value(host, 'text')} = {toml_value(ip, 'text')}" for host, ip in self.hosts.items())]
        return "\n".join(lines) + "\n"

    def core(self) -> dict[str, int]:
        """What Stack.configure takes: settings of TCP, of IP and of the burst loop, by name."""
        driver = {name: getattr(self.driver, name) for name in ("burst", "rounds", "tx_retry")}
        values = {**dataclasses.asdict(self.tcp), **dataclasses.asdict(self.ip), **driver}
        values["congestion"] = number_of(values["congestion"])
        values["hystart"] = HYSTARTS.index(values["hystart"])
        values["cwnd_validation"] = VALIDATIONS.index(values["cwnd_validation"])
        values["recovery"] = RECOVERIES.index(values["recovery"])
        values["option_layout"] = LAYOUTS.index(values["option_layout"])
        values["error_rules"] = ERRORS.index(values["error_rules"])
        values["ecn"] = ECN.index(values["ecn"])
        values["mtu_probing"] = PROBING.index(values["mtu_probing"])
        values["syncookies"] = COOKIES.index(values["syncookies"])
        return {name: int(value) for name, value in values.items()}


def known(data: dict[str, Any], keys: list[str], where: str) -> None:
    for key in data:
        if key not in keys:
            nearest = difflib.get_close_matches(key, keys, 1, 0)[0]
            raise SettingsError(where + key, f"is no setting (the nearest is {where}{nearest})")


def check_hosts(hosts: Any) -> dict[str, str | list[str]]:
    if not isinstance(hosts, dict):
        raise SettingsError("hosts", f'must be a table of names and addresses, {{server = "10.9.0.2"}}, not {hosts!r}')
    found: dict[str, str | list[str]] = {}
    for name, value in hosts.items():
        several = [Table.check_address(f"hosts.{name}", one, prefix=False) for one in (value if isinstance(value, list) else [value])]
        found[str(name)] = several if isinstance(value, list) else several[0]
    return found
