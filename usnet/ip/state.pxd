"""Everything the internet layer remembers: interfaces, addresses, routes, neighbours, fragments, UDP endpoints.

One `ip_state` a stack. It reaches frames only through `port` structs (backends/ring) and learns the time from its
callers.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from usnet.backends.ring cimport port, ring
from usnet.memory.arena cimport arena
from usnet.memory.chunks cimport chain, chunk_pool
from usnet.memory.hash cimport hash_table
from usnet.memory.idset cimport idset
from usnet.memory.pieces cimport piece_pool
from usnet.memory.random cimport rng
from usnet.memory.wheel cimport wheel
from usnet.wire.addr cimport ip_addr

cdef enum:
    MAX_NETIFS = 8
    MAX_ADDRS = 32              # local addresses of a stack
    MAX_ROUTES = 64
    MAX_REASSEMBLIES = 64       # datagrams being put together; the oldest gives way
    NEIGHBOUR_QUEUE = 8         # packets that wait for one neighbour's address; the oldest gives way
    MAX_UNREACHABLE = 16        # packets given up lately of which their senders must still hear
    QUOTE_BYTES = 68            # of a packet that an error quotes: the longest IP header and 8 bytes
    MAX_PATHS = 64              # destinations whose path MTU is remembered
    LOOPBACK_PACKETS = 256      # that wait on their way from this stack to itself
    LOOPBACK_MTU = 1500         # bytes, towards 127.0.0.0/8
    NETIF_LOOPBACK = 255        # in place of an interface's number: the way from the stack to itself
    DEFAULT_TTL = 64
    EPHEMERAL_FIRST = 32768     # of the ports given to those who asked for none (Linux's range)
    EPHEMERAL_COUNT = 28232

# What a timer of the stack's wheel is for (wheel_node.kind). arg is the index in the owner's arena.
cdef enum timer_kind:
    TIMER_TCP = 1               # a connection (tcp/timeouts)
    TIMER_NEIGHBOUR = 2
    TIMER_REASSEMBLY = 3

# Readiness of an endpoint, with the numbers of Linux's epoll.
cdef enum readiness:
    READY_IN = 0x0001
    READY_PRI = 0x0002
    READY_OUT = 0x0004
    READY_ERR = 0x0008
    READY_HUP = 0x0010
    READY_RDHUP = 0x2000

# Why a frame or datagram was discarded: index of ip_state.drops, named in ip/names.py in the same order.
cdef enum ip_drop:
    DROP_ETH_SHORT              # no whole Ethernet header, a second tag, or 802.3
    DROP_ETH_NOT_OURS           # destination MAC is another's
    DROP_ETH_SOURCE             # source MAC is a group address
    DROP_ETH_TYPE               # neither IPv4 nor ARP
    DROP_VLAN                   # tag of a VLAN that the interface is not on
    DROP_FRAME_TOO_LONG         # longer than the interface's MTU allows
    DROP_ARP_BAD
    DROP_ARP_NOT_OURS
    DROP_IP_SHORT               # A1, A2: shorter than it says
    DROP_IP_VERSION
    DROP_IP_IHL
    DROP_IP_LENGTH
    DROP_IP_CHECKSUM
    DROP_IP_OPTION
    DROP_IP_SOURCE_ROUTE
    DROP_IP_SOURCE              # broadcast, multicast, unspecified, loopback, or our own address as source (LAND too)
    DROP_IP_NOT_OURS            # destination is not ours and forwarding is off
    DROP_IP_TTL
    DROP_IP_NO_ROUTE
    DROP_IP_TOO_BIG             # to be forwarded with DF over an MTU that it does not fit
    DROP_IP_PROTO               # no such protocol here
    DROP_FRAG_BAD               # beyond 65535, empty, not a multiple of 8, two ends
    DROP_FRAG_OVERLAP
    DROP_FRAG_LIMIT             # gave way to newer ones, over the byte limit, too many holes, or no memory
    DROP_FRAG_TIMEOUT
    DROP_ICMP_BAD
    DROP_ICMP_TYPE              # a type that is not acted upon
    DROP_ICMP_RATE              # not sent: rate limit
    DROP_UDP_BAD
    DROP_UDP_CHECKSUM
    DROP_UDP_NO_PORT
    DROP_UDP_QUEUE_FULL
    DROP_NEIGHBOUR_QUEUE        # waited for an address and gave way, or the address never came
    DROP_TX_RING_FULL           # an answer (ICMP, ARP, RST), or what had waited for a neighbour, found no transmit slot
    DROP_NO_WAY_BACK            # an answer had no route, or its neighbour does not answer
    DROP_NO_MEMORY              # a frame that came in: no chunk, no entry
    DROP_TX_NO_MEMORY           # something to be sent: no chunk or entry to wait in
    IP_DROPS

cdef struct netif:
    port *link                  # private to the process: the port below; NULL when the entry is free
    uint32_t mtu                # bytes of the largest IP packet, at most the port's
    uint16_t vlan               # identifier whose frames are ours and with which ours are tagged; VLAN_NONE: untagged
    uint8_t mac[6]
    uint32_t tx_pending         # frames put into transmit rings since the last tx_sync
    # 1: somebody was refused with EAGAIN and waits for room (arm the port for transmit); ip_flush clears it
    uint8_t tx_wanted
    uint8_t bufs                # set of its port's spare buffers in ip_state.pieces, or NO_SET

cdef struct local_addr:
    ip_addr addr
    int64_t defended_at         # ns: when an announcement last defended it (RFC 5227, section 2.4), or INT64_MIN
    uint8_t prefix              # of the network around it, in bits of the 16-byte address (96 + n for IPv4)
    uint8_t netif
    uint8_t used

cdef struct route:
    ip_addr net
    ip_addr gateway             # unspecified (all zero): on-link
    uint8_t prefix              # bits of 128; longest match wins, then the earliest added
    uint8_t netif
    uint8_t used

cdef enum neighbour_state:
    NEIGHBOUR_INCOMPLETE = 1    # asked, no answer yet: packets wait
    NEIGHBOUR_REACHABLE = 2     # valid until `expires`
    NEIGHBOUR_STALE = 3         # past it: used, and asked again by unicast at the next use
    NEIGHBOUR_FAILED = 4        # nobody answered: packets are refused with EHOSTUNREACH until `expires`

cdef struct neighbour:
    ip_addr addr
    int64_t expires             # ns
    uint8_t mac[6]
    uint8_t state
    uint8_t netif
    uint8_t tries               # requests sent without an answer
    uint8_t n_queued            # packets waiting
    uint8_t is_static           # 1: set by hand, never expires, is not evicted, and no ARP changes it
    uint32_t timer              # of the wheel while it is being asked for, or NONE
    # in the list of those with an address (REACHABLE, STALE) or without one, latest use first; NONE at an end
    uint32_t prev
    uint32_t next
    chain queue                 # packets from the IP header on, each behind its length (4 bytes of this machine)

cdef struct ip_config:
    int64_t arp_timeout         # ns a confirmed neighbour stays REACHABLE; default 60 s
    int64_t arp_retry           # ns between requests; default 1 s
    int64_t arp_failed          # ns for which a neighbour that did not answer is not asked again; default 3 s
    int64_t reassembly_timeout  # ns; default 30 s
    int64_t path_mtu_timeout    # ns for which a smaller path MTU is believed (RFC 1191, section 6.3); default 600 s
    uint32_t arp_tries          # requests before giving up; default 3
    uint32_t max_neighbours     # default 1024, at most 65536
    uint32_t neighbour_bytes    # waiting for neighbours, all together; default 512 KiB
    uint32_t loopback_bytes     # on their way from the stack to itself; default 1 MiB
    uint32_t reassembly_bytes   # held in all reassemblies, half of it by one source at most; default 256 KiB
    uint32_t icmp_rate          # ICMP errors a second, half of it to one destination at most; default 100
    uint32_t icmp_burst         # errors at once after a quiet time; default 20
    uint8_t ttl                 # of what is sent; default 64
    uint8_t forward             # 1: packets for others are forwarded (a router)
    uint8_t verify_checksums    # default 1
    uint8_t answer_echo         # default 1

cdef struct ip_counters:
    uint64_t rx_packets         # IP packets with a good header, from rings and loopback
    uint64_t rx_bytes
    uint64_t in_no_ect_pkts     # of rx_packets, by the ECN field (RFC 3168): Linux's InNoECTPkts, InECT1Pkts, InECT0Pkts, InCEPkts
    uint64_t in_ect1_pkts
    uint64_t in_ect0_pkts
    uint64_t in_ce_pkts
    uint64_t tx_packets
    uint64_t tx_bytes
    uint64_t forwarded
    uint64_t fragments_in       # that reached reassembly; each ends in fragments_used or in a DROP_FRAG_*
    uint64_t fragments_used     # that were part of a datagram that became whole
    uint64_t reassembled        # datagrams that became whole
    uint64_t fragments_out
    uint64_t looped             # packets from this stack to itself, on arrival
    uint64_t arp_in             # ARP messages acted upon
    uint64_t arp_requests_out
    uint64_t arp_replies_out
    uint64_t arp_conflicts      # another station claimed an address of ours (RFC 5227)
    uint64_t tcp_in             # segments handed up
    uint64_t icmp_in            # messages acted upon, errors too
    uint64_t icmp_errors_in     # unreachable and the like that named one of our conversations
    uint64_t icmp_out
    uint64_t udp_in
    uint64_t udp_out

# The front of a packet of ours (or one being forwarded) that was given up: its neighbour did not answer.
cdef struct quoted_packet:
    uint8_t l3[68]
    uint32_t n                  # bytes of it
    uint32_t netif

# The frame that is being taken in, if it lies whole in the slot of a receive ring whose buffers may be swapped: who wants to
# keep what is in it puts a spare into the slot (NS_BUF_CHANGED). `r` is NULL for all others.
cdef struct arriving:
    ring *r                     # private to the process
    uint32_t slot
    uint32_t bufs               # the port's set of spare buffers

# A path MTU learned from ICMP, for datagrams (a TCP connection keeps its own).
cdef struct path_entry:
    ip_addr dst                 # all zero: the entry is free
    int64_t expires             # ns
    uint32_t mtu                # bytes

# A host that frames went to (ip/known). Addresses as they lie on the wire.
cdef struct known_host:
    uint32_t ways               # ip_state.ways when it was true
    uint32_t addr
    uint32_t from_              # one of our addresses that they went from
    uint32_t best               # the one that a connection to it begins with (ip_source); 0: not asked for yet
    uint32_t mtu                # bytes of a packet (ip_mtu)
    uint32_t hop                # neighbour
    uint32_t netif

cdef struct ip_state:
    netif netifs[8]
    uint32_t n_netifs
    uint32_t n_offload          # of them over ports with PORT_VNET_HDR
    uint32_t n_addrs            # entries of addrs that may be in use: those behind are free
    uint32_t n_routes
    local_addr addrs[32]
    route routes[64]
    arena neighbours            # of neighbour
    hash_table neighbour_index  # by address
    uint32_t ways               # counts changes of what routes depend on: interfaces, addresses, routes, neighbours that go
    uint32_t neighbour_last     # the one used last, or NONE: most packets go where the one before went
    uint32_t lru_head[2]        # [0] neighbours without an address, [1] with one: the one used last ...
    uint32_t lru_tail[2]        # ... and the one unused longest, or NONE
    uint32_t lru_count[2]
    uint32_t neighbour_held     # bytes waiting in neighbours' queues
    arena reassemblies          # of ip/reassembly's struct
    uint32_t reassembly_held    # bytes, in whole chunks
    uint64_t reassembly_order   # counts reassemblies begun
    uint8_t *datagram           # 64 KiB: a reassembled or looped-back datagram, valid until the next ip_input; private
    uint8_t *build              # 64 KiB: where an answer or a datagram beyond one MTU is put together; private
    chain loopback              # packets to ourselves, as in neighbour.queue
    uint32_t n_loopback
    quoted_packet unreachable[16]
    uint32_t n_unreachable
    path_entry paths[64]        # [hash of the destination]
    known_host known[256]       # [hash of the address]
    arena udp                   # of udp_pcb
    hash_table udp_ports        # endpoints by local port
    uint32_t udp_blocked        # endpoints that wait for transmit room
    uint32_t udp_binds          # how many were bound so far
    chunk_pool *chunks          # the stack's
    wheel *timers               # the stack's
    idset *notify               # the stack's: owners (sockets) of endpoints that have news
    rng *random                 # the stack's
    # SipHash: identification (RFC 6864, RFC 7739), tables, choice among endpoints that share a port
    uint64_t hash_key[2]
    # counters of the identification field, one for each class of (source, destination, protocol)
    uint16_t ident[64]
    # ns: when the next ICMP error was due if they left at icmp_rate; a burst may run ahead of it
    int64_t icmp_next
    int64_t icmp_next_to[64]    # the same [hash of the destination], at half that rate
    piece_pool *pieces          # the stack's; NULL: nobody keeps buffers
    arriving now_in
    ip_config config
    ip_counters counters
    uint64_t drops[64]          # [ip_drop]

# What ip_input found in a frame.
cdef enum packet_kind:
    PACKET_NONE = 0             # consumed or dropped (and counted)
    PACKET_TCP = 1              # l4 is a TCP segment for one of our addresses
    PACKET_ICMP_ERROR = 2       # an error about a TCP segment that we sent: see quoted_*

cdef struct packet:
    ip_addr src
    ip_addr dst
    const uint8_t *l4           # valid until the next ip_input, or until the frame's slot is given back
    uint32_t l4_len
    uint32_t netif
    uint8_t tos
    uint8_t ttl
    uint8_t csum_ok             # the port verified the L4 checksum already
    uint16_t gso_size           # payload bytes of each TCP segment that the frame carries; 0: it carries one
    # PACKET_ICMP_ERROR: the segment that it quotes was ours, src -> dst above
    uint8_t icmp_type
    uint8_t icmp_code
    uint32_t icmp_rest          # next-hop MTU
    uint16_t quoted_src_port
    uint16_t quoted_dst_port
    uint32_t quoted_seq

# A place in a frame that spans transmit slots.
cdef struct link_cursor:
    uint32_t slot
    uint32_t byte               # of its buffer, from where the frame begins there

# A frame being built in place. Filled by ip_tx_open; at most one is open at a time, and one that is never closed
# costs nothing.
cdef struct tx_frame:
    uint8_t *l4                 # write the L4 header and payload here
    uint32_t room               # bytes at l4: as asked for
    uint32_t netif
    uint32_t ring_slot          # transmit slot, or NONE when it is built in `scratch` for the neighbour's queue
    uint32_t neighbour          # next hop's entry, or NONE (broadcast)
    uint8_t *l2                 # start of the frame
    ip_addr src
    ip_addr dst
    uint8_t proto
    uint8_t tos                 # 0; may be changed before ip_tx_close (ECN, DSCP)
    uint8_t ttl                 # the default; may be changed before ip_tx_close
    # the port completes L4 checksums: csum_partial (wire/gso) may stand in the field, csum_offset says where
    uint8_t offload
    uint16_t csum_offset        # bytes from l4 to the checksum field; 0: the checksum is complete
    # Of a frame of several segments (ip_tx_open_large), which spans slots: `l4` has room for headers alone
    uint16_t gso_size           # payload bytes a segment; 0: an ordinary frame
    uint8_t cwr                 # it has CWR, which the first of them keeps
    uint16_t l4_header          # bytes of the TCP header
    link_cursor at              # where the next byte of payload goes
    uint8_t scratch[2048]


cdef inline void ip_count_ecn(ip_state *ip, uint8_t tos) noexcept nogil:
    (&ip.counters.in_no_ect_pkts)[tos & 3] += 1


cdef inline void ip_changed(ip_state *ip) noexcept nogil:
    """Something that routes depend on is another now: ways that were remembered are looked for again."""
    ip.ways += 1
    if ip.ways == 0:                # never: it means "none remembered"
        ip.ways = 1


cdef inline uint32_t port_tag(uint16_t number) noexcept nogil:
    """Tag of a local port in a hash table: an odd multiplier sends the 65536 ports to 65536 tags, spread over it."""
    return number * <uint32_t>0x9e3779b1
