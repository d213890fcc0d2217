"""The table of differences from the kernel's sockets that are kept: {case: reason}. The reasons stand in docs/sockets.md too."""

CONNECT_TO_PORT_0 = "connecting to port 0 is EINVAL: no packet bears that port; Linux asks the peer and is refused"
BIND_IN_TIME_WAIT = "a socket in TIME-WAIT keeps its name: bind is EINVAL; Linux lets it be bound anew"
BUFFER_SIZES = "SO_SNDBUF and SO_RCVBUF are bytes of payload as asked for, from 2,048 to 1 GiB; Linux doubles them, between other limits"
TIMES = "SO_RCVTIMEO and SO_SNDTIMEO keep the microseconds that were set; Linux rounds them up to ticks of its clock"
QUICKACK = "TCP_QUICKACK reads 0 at first: every second segment is acknowledged from the start; Linux begins with sixteen ACKs at once"

SYNCNT = "TCP_SYNCNT reads 7 at first: a SYN is sent again for more than three minutes, as RFC 9293 wants; Linux begins with 6"

DATAGRAM_STATES = (
    "fresh", "bound", "connected", "with_datagrams", "to_a_closed_port", "unconnected_to_a_closed_port", "refused_and_told",
    "shut_for_reading", "shut_for_writing", "shut_for_both", "shut_with_datagrams",
)  # fmt: skip

KEPT = {
    ("stream", "fresh", "connect to port 0"): CONNECT_TO_PORT_0,
    ("stream", "bound", "connect to port 0"): CONNECT_TO_PORT_0,
    ("stream", "shut_by_both_first", "bind"): BIND_IN_TIME_WAIT,
    **{("datagram", state, "connect to port 0"): CONNECT_TO_PORT_0 for state in DATAGRAM_STATES},
    **{("option", kind, "SO_SNDBUF", what): BUFFER_SIZES for kind in ("stream", "datagram") for what in ("default", "set", "raw")},
    **{("option", "stream", "SO_RCVBUF", what): BUFFER_SIZES for what in ("default", "set", "raw")},
    **{("option", "datagram", "SO_RCVBUF", what): BUFFER_SIZES for what in ("set", "raw")},
    **{("option", "stream", name, "odd"): TIMES for name in ("SO_RCVTIMEO", "SO_SNDTIMEO")},
    ("stream option", "TCP_SYNCNT"): SYNCNT,
    **{("option", "stream", "TCP_QUICKACK", what): QUICKACK for what in ("default", "raw")},
}
REASONS = sorted(set(KEPT.values()))
