"""What differs between the systems that scripts were written for, as data: settings of the stack, constants, names of sysctls.

A sysctl leads to settings of usnet (`Sysctl.settings`), or is without meaning here, and says so by being in `ignored`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from usnet.testing.packetdrill.opening import freebsd_client, freebsd_key, freebsd_server, linux_bits, linux_keys

MS = 1_000_000
SECOND = 1_000_000_000
KIB = 1024


@dataclass(frozen=True)
class Profile:
    """config: settings of the stack at the start. defined: names for `#ifdef`. names: constants that have other values there. sysctls: name ->
    function from its value to settings; actions: name -> what it does with a stack and the value. ignored: names, or beginnings of names, that change
    nothing here. scripts: what those do that corpora bring along, sysctls and their values. defines: what the corpus's own runner defines.
    implied_connect: sendto() with an address connects a stream that asked for Fast Open."""

    name: str
    config: dict[str, Any] = field(default_factory=dict)
    defined: frozenset[str] = frozenset()
    names: dict[str, int] = field(default_factory=dict)
    sysctls: dict[str, Callable[[str], dict[str, Any]]] = field(default_factory=dict)
    actions: dict[str, Callable[[Any, str], None]] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    scripts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    defines: dict[str, str] = field(default_factory=dict)
    implied_connect: bool = False


def number(name: str, unit: int = 1) -> Callable[[str], dict[str, Any]]:
    return lambda text: {name: int(text, 0) * unit}


def switch(name: str) -> Callable[[str], dict[str, Any]]:
    return lambda text: {name: int(text, 0) != 0}


def third(name: str) -> Callable[[str], dict[str, Any]]:
    """The largest of "least default most": what a buffer may grow to is what it has here."""
    return lambda text: {name: int(text.split()[2])}


def default_of(name: str) -> Callable[[str], dict[str, Any]]:
    return lambda text: {name: int(text.split()[1])}


def rack(text: str) -> dict[str, Any]:
    """The bits of tcp_recovery: RACK at all, with a static reordering window, without DupThresh."""
    bits = int(text, 0)
    return {"recovery": bits & 1, "rack_static_reo_wnd": bits & 2 != 0, "rack_no_dupthresh": bits & 4 != 0}


RFC = Profile("rfc", config={"congestion": "newreno", "recovery": 0, "dsack": 0, "slow_start_step": 2}, defined=frozenset({"STANDARD"}))

LINUX = Profile(
    "linux",
    config={
        "rcvbuf": 15 * KIB * KIB, "sndbuf": 256 * KIB, "syn_retries": 5, "synack_retries": 5, "rto_initial": SECOND, "rto_min": 200 * MS,
        "push_bursts": 2, "adaptive_acks": 1, "minshall": 1, "bare_probes": 1, "rst_timestamps": 1, "more_until_ack": 1, "wide_growth": 1,
        "rto_spread": 1, "charged_buffers": 1, "sndbuf_most": 4 * KIB * KIB, "cwnd_validation": 0, "congestion": "cubic",
        "recovery": 1, "moderation": 0, "dsack": 1, "syn_queue_backlog": 1, "fastopen_exp": 1, "mtu_patience": 0, "rfc1337": 0, "error_rules": 1,
        "ecn_generalized": 1,
    },
    defined=frozenset({"Linux"}),
    sysctls={
        "net.ipv4.tcp_timestamps": switch("timestamps"),
        "net.ipv4.tcp_sack": switch("sack"),
        "net.ipv4.tcp_window_scaling": switch("window_scaling"),
        "net.ipv4.tcp_syn_retries": number("syn_retries"),
        "net.ipv4.tcp_synack_retries": number("synack_retries"),
        "net.ipv4.tcp_syn_linear_timeouts": number("syn_linear"),
        "net.ipv4.tcp_syncookies": number("syncookies"),
        "net.ipv4.tcp_rfc1337": number("rfc1337"),
        "net.ipv4.tcp_tw_reuse": lambda text: {"time_wait_reuse": int(text) == 1},
        "net.ipv4.tcp_max_orphans": number("max_orphans"),
        "net.ipv4.tcp_orphan_retries": lambda text: {"orphan_retries": int(text) or 8},
        "net.ipv4.tcp_challenge_ack_limit": number("challenge_limit"),
        "net.ipv4.tcp_invalid_ratelimit": number("challenge_interval", MS),
        "net.ipv4.tcp_abort_on_overflow": number("abort_on_overflow"),
        "net.ipv4.tcp_max_syn_backlog": number("max_syn_queue"),
        "net.ipv4.tcp_rto_min_us": number("rto_min", 1000),
        "net.ipv4.tcp_rto_max_ms": number("rto_max", MS),
        "net.ipv4.tcp_retries2": number("data_retries"),
        "net.ipv4.tcp_fin_timeout": number("fin_wait_2", SECOND),
        "net.ipv4.tcp_keepalive_time": number("keep_idle", SECOND),
        "net.ipv4.tcp_keepalive_intvl": number("keep_interval", SECOND),
        "net.ipv4.tcp_keepalive_probes": number("keep_count"),
        "net.ipv4.tcp_rmem": third("rcvbuf"),
        "net.ipv4.tcp_wmem": lambda text: {"sndbuf": int(text.split()[1]), "sndbuf_most": int(text.split()[2])},
        "net.ipv4.tcp_notsent_lowat": number("notsent_lowat"),
        "net.ipv4.tcp_fastopen_blackhole_timeout_sec": number("fastopen_blackhole", SECOND),
        "net.ipv4.tcp_min_tso_segs": number("push_bursts"),
        "net.ipv4.tcp_recovery": rack,
        "net.ipv4.tcp_early_retrans": lambda text: {"probes": int(text) in (3, 4)},
        "net.ipv4.tcp_frto": switch("frto"),
        "net.ipv4.tcp_dsack": switch("dsack"),
        "net.ipv4.tcp_reordering": number("reordering"),
        "net.ipv4.tcp_max_reordering": number("max_reordering"),
        "net.ipv4.tcp_thin_linear_timeouts": switch("thin_linear_timeouts"),
        "net.ipv4.tcp_pacing_ss_ratio": number("pacing_slow_start"),
        "net.ipv4.tcp_pacing_ca_ratio": number("pacing_avoidance"),
        "net.ipv4.tcp_congestion_control": lambda text: {"congestion": text.strip()},
        "net.ipv4.tcp_slow_start_after_idle": lambda text: {"cwnd_validation": 2 if int(text, 0) else 0},
        "net.ipv4.tcp_ecn": number("ecn"),
        "net.ipv4.tcp_ecn_option": number("ecn_option"),
        "net.ipv4.tcp_ecn_option_beacon": number("ecn_option_beacon"),
        "net.ipv4.tcp_ecn_fallback": lambda text: {"ecn_fallback": int(text), "ecn_retries": 0 if int(text) else 255},
        "net.ipv4.tcp_mtu_probing": number("mtu_probing"),
        "net.ipv4.tcp_base_mss": number("base_mss"),
        "net.ipv4.tcp_mtu_probe_floor": number("mtu_floor"),
        "net.ipv4.tcp_probe_threshold": number("mtu_threshold"),
        "net.ipv4.tcp_probe_interval": number("mtu_raise", SECOND),
        "net.ipv4.tcp_no_metrics_save": lambda text: {"metrics": int(text) == 0},
    },
    ignored=(
        "net.ipv4.tcp_fack", "net.ipv4.tcp_tso_win_divisor", "net.ipv4.tcp_moderate_rcvbuf", "net.ipv4.tcp_autocorking",
        "net.ipv4.tcp_limit_output_bytes", "net.ipv4.tcp_min_snd_mss", "net.core.",
    ),
    actions={"net.ipv4.tcp_fastopen": linux_bits, "net.ipv4.tcp_fastopen_key": linux_keys},
    scripts={"defaults.sh": ("net.ipv4.tcp_fastopen=0x70403", "net.ipv4.tcp_fastopen_key=a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4")},
    defines={"TFO_COOKIE": "3021b9d889017eeb", "CODE": "host_unreachable"},
)  # fmt: skip

FREEBSD = Profile(
    "freebsd",
    config={
        "rcvbuf": 64 * KIB, "sndbuf": 32 * KIB, "rto_initial": SECOND, "rto_min": 230 * MS, "delack": 40 * MS, "syn_retries": 12,
        "synack_retries": 3, "congestion": "newreno", "recovery": 0, "option_layout": 1, "window_scale": 6, "round_rcvbuf": 1, "all_room": 1,
        "dsack": 1, "delack_small": 4, "fin_again": 1, "time_wait_quiet": 1, "drop_synfin": 0, "challenge_interval": 0,
        "fastopen": 0, "fastopen_queue": 1, "fastopen_quiet": 900 * SECOND,
        "error_rules": 2, "mtu_patience": 0, "ecn_retries": 1, "frto": 0, "undo": 0, "slow_start_step": 2,
    },
    defined=frozenset({"FreeBSD"}),
    names={"O_NONBLOCK": 4, "TCP_NODELAY": 1},
    sysctls={
        "net.inet.tcp.rfc1323": lambda text: {"timestamps": text != "0", "window_scaling": text != "0"},
        "net.inet.tcp.sack.enable": switch("sack"),
        "net.inet.tcp.recvspace": number("rcvbuf"),
        "net.inet.tcp.sendspace": number("sndbuf"),
        "net.inet.tcp.rexmit_initial": number("rto_initial", MS),
        "net.inet.tcp.rexmit_slop": number("rto_min", MS),
        "net.inet.tcp.delacktime": number("delack", MS),
        "net.inet.tcp.keepidle": number("keep_idle", MS),
        "net.inet.tcp.keepintvl": number("keep_interval", MS),
        "net.inet.tcp.keepcnt": number("keep_count"),
        "net.inet.tcp.msl": number("msl", MS),
        "net.inet.tcp.fastopen.path_disable_time": number("fastopen_quiet", SECOND),
        "net.inet.tcp.drop_synfin": lambda text: {"drop_synfin": 2 * (int(text) != 0)},
        "net.inet.tcp.syncookies": number("syncookies"),
        "net.inet.tcp.syncookies_only": lambda text: {"syncookies": 2} if text != "0" else {},
        "net.inet.tcp.rexmit_drop_options": lambda text: {"syn_plain": 3 * (text != "0")},
        "net.inet.tcp.icmp_may_rst": switch("icmp_ends"),
        "net.inet.tcp.finwait2_timeout": number("fin_wait_2", MS),
        "net.inet.tcp.insecure_rst": switch("insecure_rst"),
        "net.inet.tcp.insecure_syn": switch("insecure_syn"),
        "net.inet.tcp.ecn.enable": lambda text: {"ecn": {0: 0, 1: 1, 2: 2, 3: 3, 4: 5}[int(text)]},
        "net.inet.tcp.ecn.maxretries": number("ecn_retries"),
        "kern.ipc.maxsockbuf": lambda text: {"window_scale": next(s for s in range(15) if s == 14 or 65535 << s >= int(text))},
    },
    ignored=(
        "net.inet.tcp.hostcache", "net.inet.tcp.blackhole", "net.inet.tcp.fastopen.acceptany", "net.inet.tcp.fastopen.autokey",
        "net.inet.tcp.keepinit", "net.inet.tcp.pmtud", "net.inet.tcp.path_mtu",
        "net.inet.tcp.mssdflt", "net.inet.tcp.tolerate_missing_ts", "net.inet.tcp.v6",
    ),
    actions={
        "net.inet.tcp.fastopen.client_enable": freebsd_client, "net.inet.tcp.fastopen.server_enable": freebsd_server,
        "net.inet.tcp.fastopen.setkey": freebsd_key,
    },
    implied_connect=True,
)  # fmt: skip

PROFILES = {profile.name: profile for profile in (RFC, LINUX, FREEBSD)}
