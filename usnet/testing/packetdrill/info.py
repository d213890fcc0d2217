"""What code blocks see: TCP_INFO and the names that Linux and FreeBSD have for its values."""

import socket
import struct
from typing import Any

BYTES = "state ca_state retransmits probes backoff options wscale flags".split()
WORDS = (
    "rto ato snd_mss rcv_mss unacked sacked lost retrans fackets last_data_sent last_ack_sent last_data_recv last_ack_recv pmtu rcv_ssthresh rtt "
    "rttvar snd_ssthresh snd_cwnd advmss reordering rcv_rtt rcv_space total_retrans"
).split()
MORE = (
    "pacing_rate:Q max_pacing_rate:Q bytes_acked:Q bytes_received:Q segs_out:I segs_in:I notsent_bytes:I min_rtt:I data_segs_in:I data_segs_out:I "
    "delivery_rate:Q busy_time:Q rwnd_limited:Q sndbuf_limited:Q delivered:I delivered_ce:I bytes_sent:Q bytes_retrans:Q dsack_dups:I reord_seen:I "
    "rcv_ooopack:I snd_wnd:I rcv_wnd:I rehash:I total_rto:H total_rto_recoveries:H total_rto_time:I received_ce:I delivered_e1_bytes:I "
    "delivered_e0_bytes:I delivered_ce_bytes:I received_e1_bytes:I received_e0_bytes:I received_ce_bytes:I accecn_fail_mode:H accecn_opt_seen:H"
).split()
NAMES = [*BYTES, *WORDS, *(one[:-2] for one in MORE)]
LAYOUT = struct.Struct(f"={len(BYTES)}B{len(WORDS)}I{''.join(one[-1] for one in MORE)}")
STATES = "ESTABLISHED SYN_SENT SYN_RECV FIN_WAIT1 FIN_WAIT2 TIME_WAIT CLOSE CLOSE_WAIT LAST_ACK LISTEN CLOSING".split()
CONSTANTS = {
    **{f"TCP_{name}": number for number, name in enumerate(STATES, 1)},
    **{f"TCPI_{name}": number for number, name in enumerate(STATES, 1)},
    "TCPI_SYN_RECEIVED": 3, "TCPI_FIN_WAIT_1": 4, "TCPI_FIN_WAIT_2": 5, "TCPI_CLOSED": 7,
    "TCP_CA_Open": 0, "TCP_CA_Disorder": 1, "TCP_CA_CWR": 2, "TCP_CA_Recovery": 3, "TCP_CA_Loss": 4,
    "TCPI_OPT_TIMESTAMPS": 1, "TCPI_OPT_SACK": 2, "TCPI_OPT_WSCALE": 4, "TCPI_OPT_ECN": 8, "TCPI_OPT_ECN_SEEN": 16, "TCPI_OPT_SYN_DATA": 32,
}  # fmt: skip


def variables(sock: Any) -> dict[str, Any]:
    """The names of a code block for a socket; none of `tcpi_` without one."""
    return CONSTANTS | ({} if sock is None else {f"tcpi_{name}": value for name, value in tcp_info(sock).items()})


def tcp_info(sock: Any) -> dict[str, int]:
    """The fields of TCP_INFO by name, without the prefix."""
    packed = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, LAYOUT.size)
    fields = dict(zip(NAMES, LAYOUT.unpack(packed), strict=True))
    return fields | {"snd_wscale": fields["wscale"] & 15, "rcv_wscale": fields["wscale"] >> 4}
