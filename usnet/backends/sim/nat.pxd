"""A translator of addresses and ports (NAPT: RFC 3022, RFC 4787, RFC 5382): hosts inside are seen outside under one address, each of their flows under a port.

It is a bridge for everything but that: frames keep their hop counts, and outside there is one hardware address, its own, as inside there is none. It answers
ARP for its address, asks outside in the name of those who ask inside, and tells them the answer. What it cannot translate it drops, and counts.

A mapping stands for an inside address and port, whatever it talks to, and lets everybody outside answer (endpoint-independent, RFC 4787, REQ-1). It is made
by what goes out, kept by what goes out or comes in, and forgotten when neither has happened for a while, without a word to anybody.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from usnet.backends.sim.frames cimport frame
from usnet.backends.sim.link cimport link_dir
from usnet.backends.sim.middlebox cimport Middlebox

cdef enum:
    ASKERS = 16

cdef struct nat_mapping:        # of public port `first` + its place in the table
    uint32_t address            # inside
    uint16_t port
    uint8_t proto               # 0: not in use
    uint8_t mac[6]
    int64_t heard               # ns

cdef struct nat_asker:          # inside, of an outside address that ARP was asked for
    uint32_t target
    uint32_t address            # 0: not in use
    uint8_t mac[6]

cdef struct nat_counters:
    uint64_t out                # packets translated on their way out
    uint64_t back               # ... and in
    uint64_t errors             # ICMP errors translated, either way
    uint64_t made               # mappings
    uint64_t expired
    uint64_t unknown            # dropped: came in for a port without a mapping
    uint64_t not_syn            # dropped: TCP that went out without a mapping and opens no connection, where that matters
    uint64_t no_port            # dropped: all ports are in use
    uint64_t other              # dropped: nothing that can be translated

cdef struct nat_state:
    link_dir **out_links        # of its Middlebox
    uint32_t address            # its own, outside
    uint8_t mac[6]
    uint16_t first              # port
    uint32_t ports              # how many
    uint32_t next_              # where to look for one that is free: behind the one that was given last
    int64_t timeout             # ns
    bint loose                  # any TCP segment makes a mapping, not a SYN alone
    nat_mapping *table
    nat_asker askers[16]
    uint32_t next_asker
    nat_counters n

# frame_pass.
cdef bint nat_pass(void *ctx, uint32_t number, frame *f, int64_t now) noexcept nogil


cdef class Nat(Middlebox):
    cdef nat_state w
