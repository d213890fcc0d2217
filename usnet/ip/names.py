"""Names of the internet layer's counters, in the order of `enum ip_drop` and `struct ip_counters` (ip/state.pxd)."""

DROPS = (
    "eth_short", "eth_not_ours", "eth_source", "eth_type", "vlan", "frame_too_long",
    "arp_bad", "arp_not_ours",
    "ip_short", "ip_version", "ip_ihl", "ip_length", "ip_checksum", "ip_option", "ip_source_route",
    "ip_source", "ip_not_ours",
    "ip_ttl", "ip_no_route", "ip_too_big", "ip_proto",
    "frag_bad", "frag_overlap", "frag_limit", "frag_timeout",
    "icmp_bad", "icmp_type", "icmp_rate",
    "udp_bad", "udp_checksum", "udp_no_port", "udp_queue_full",
    "neighbour_queue", "tx_ring_full", "no_way_back", "no_memory", "tx_no_memory",
)

COUNTERS = (
    "rx_packets", "rx_bytes", "in_no_ect_pkts", "in_ect1_pkts", "in_ect0_pkts", "in_ce_pkts", "tx_packets", "tx_bytes", "forwarded",
    "fragments_in", "fragments_used", "reassembled", "fragments_out", "looped",
    "arp_in", "arp_requests_out", "arp_replies_out", "arp_conflicts",
    "tcp_in", "icmp_in", "icmp_errors_in", "icmp_out", "udp_in", "udp_out",
)

NEIGHBOUR_STATES = {1: "incomplete", 2: "reachable", 3: "stale", 4: "failed"}
