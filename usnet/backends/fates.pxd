"""What befalls frames on their way: rules that match frames and drop, duplicate, delay, corrupt or reorder them.

Shared by the simulator's links and by FaultPort. A rule set decides about each frame natively; every decision is a
function of the seed, the rule and the frame's place, and each rule looks at all frames, whatever other rules do to
them: so a rule may be taken away or changed and all others decide as before.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    FATE_DROP = 1
    FATE_DUP = 2
    FATE_DELAY = 3
    FATE_CORRUPT = 4
    FATE_REORDER = 5
    FATE_STRIP = 6
    FATE_REWRITE = 7
    FATE_CLAMP = 8
    # fate_rule.kind: what the frame must be, beside the masks of TCP flags
    KIND_ANY = 0
    KIND_DATA = 1               # TCP with payload
    KIND_PURE_ACK = 2           # TCP with ACK, without payload, SYN, FIN, RST
    KIND_ARP = 3
    KIND_ICMP = 4               # ICMP or ICMPv6
    # fate_rule.dirs
    DIR_AB = 1                  # frames of direction 0
    DIR_BA = 2                  # frames of direction 1
    FATE_MAX_NTH = 8
    FATE_MAX_BITS = 4
    FATE_MAX_EDITS = 4
    FATE_FLOWS = 64
    ANY_PROTOCOL = -1

cdef struct fate_rule:
    # Which frames. All conditions must hold; those that are "any" hold always
    uint8_t dirs                # DIR_* ored
    uint8_t ip_version          # 4, 6, or 0: any frame
    int32_t protocol            # IP protocol or ANY_PROTOCOL
    uint8_t kind                # KIND_*
    uint8_t flags_set           # TCP flags (TH_*) that must be set
    uint8_t flags_clear         # ... that must not be
    uint32_t size_min           # bytes of the whole frame
    uint32_t size_max
    uint16_t src_port[2]        # first and last; 0 to 65535: any
    uint16_t dst_port[2]
    bint has_bytes
    # [first, end) of the flow's payload bytes in this direction, 0 being the one behind SYN; the segment must hold one
    # of them
    uint64_t bytes[2]
    int64_t time[2]             # [from, until) in ns
    # Of the frames that match, which: by number, 1 being the first; then by chance
    uint32_t n_nth              # 0: all
    uint64_t nth[8][2]          # first and last, both included
    uint64_t every              # each so many-th; 1: all
    uint64_t chance             # of 2^64; used when not `always`
    bint always
    uint64_t key                # purpose of its draws
    # What happens
    uint8_t action              # FATE_*
    uint32_t copies             # FATE_DUP: additional ones
    int64_t ns                  # FATE_DUP: between copies; FATE_DELAY: added; FATE_REORDER: held at most so long
    # FATE_CORRUPT: from the network header on, bit 0 being the highest of its first byte; -1: a random one
    int32_t bit
    uint32_t later              # FATE_REORDER: frames of the same direction that pass first
    uint8_t what                # FATE_STRIP, FATE_REWRITE, FATE_CLAMP: MANGLE_* of usnet.wire.mangle
    uint32_t value              # FATE_REWRITE, FATE_CLAMP
    # What has happened
    uint64_t matched            # frames that met the conditions before nth and chance
    uint64_t fired

cdef struct fate_edit:
    uint8_t action              # FATE_STRIP, FATE_REWRITE, FATE_CLAMP
    uint8_t what                # MANGLE_*
    uint32_t value

cdef struct fate:
    # What befalls one frame. Times are added by the link to its own
    bint drop                   # nothing else applies
    uint32_t copies             # additional copies, each `gap` behind the one before
    int64_t gap
    int64_t delay               # ns
    uint32_t hold               # it is to pass after so many later frames of its direction; 0: not held
    int64_t hold_ns             # but is held no longer than this
    uint32_t n_bits
    # bits to flip, counted from the start of the frame, 0 being the highest of byte 0: see fate_flip
    uint32_t bits[4]
    # what a middlebox does to the TCP header: see fate_mangle
    uint32_t n_edits
    fate_edit edits[4]
    uint16_t transport          # where that header is, and where the packet ends
    uint32_t end
    int32_t by                  # number of the rule that dropped it; -1

cdef struct fate_flow:
    uint8_t addr[2][16]         # source, destination of the direction that isn belongs to
    uint16_t port[2]
    uint8_t version             # 0: unused
    uint32_t isn

cdef struct fate_set:
    fate_rule *rules
    uint32_t n_rules
    bint needs_flows            # a rule counts stream bytes
    uint64_t seed
    uint64_t stream             # which link; the direction is mixed in
    uint64_t frames[2]          # seen so far, of each direction: the index of the next one
    fate_flow flows[64]         # directions of TCP flows whose SYN was seen; the oldest makes room
    uint32_t next_flow

# The fate of the next frame of a direction (0: a->b, 1: b->a). `now`: ns, in the clock that the rules' times go by.
cdef void fates_decide(fate_set *s, const uint8_t *frame, uint32_t length, int64_t now, int direction,
                       fate *out) noexcept nogil
# Has the middleboxes of a fate at a frame that may be written, whose checksum is complete: whether they changed anything. Before fate_flip.
cdef bint fate_mangle(const fate *f, uint8_t *frame, uint32_t length) noexcept nogil
# Flips the bits of a fate in a frame that may be written.
cdef void fate_flip(const fate *f, uint8_t *frame, uint32_t length) noexcept nogil


cdef class Fates:
    """Owner of a rule set: `Fates(rules, seed=0, stream=0)`, rules being `Fate` objects or dicts. Cython users reach
    `s`."""
    cdef fate_set s
    cdef readonly tuple rules           # of Fate
