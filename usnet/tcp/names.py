"""Names of counters and drop reasons, in the order of the structs and enums of tcp/state.pxd."""

DROPS = (
    "short", "offset", "checksum", "port_zero", "no_connection", "listen_flags", "syn_queue_full", "accept_queue_full", "no_memory",
    "bad_ack", "old_ack", "window", "paws", "rst_seq", "syn_in_window", "no_ack", "duplicate", "past_window", "ooo_limit", "after_fin",
    "time_wait", "md5_not_found", "md5_unexpected", "md5_failure", "icmp",
)
COUNTERS = (
    "segments_in", "segments_out", "bytes_in", "bytes_out", "retransmits", "fast_retransmits", "rto_count", "probes", "dupacks_in",
    "ooo_in", "sacks_in", "sacks_out", "sacks_bad", "sacks_full", "sacks_reneged", "dsacks_in", "dsacks_out", "rescues", "acks_out", "rsts_out",
    "rsts_in", "active_opens", "passive_opens", "attempt_fails", "resets", "accepted", "challenge_acks", "keep_probes", "cookies_sent",
    "cookies_received", "cookies_failed", "challenges_skipped", "icmp_hard", "icmp_soft", "mtu_doubted", "orphan_aborts",
    "time_wait_reuses", "queue_aborts", "orphans", "established",
)
