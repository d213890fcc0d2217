"""Numbers that remember what a SYN said."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from usnet.memory.hash cimport siphash
from usnet.tcp.tcb cimport tcb
from usnet.wire.addr cimport addr_from_v4

cdef enum:
    ENDS = 36                   # bytes of laddr, raddr, lport, rport as they lie in a tcb
    SIZES = 8                   # 1 << INDEX_BITS
    TEXT_BITS = 24              # of the number, below the count
    INDEX_BITS = 3
    AGES = 2                    # periods that a cookie is good for: this one and the last
    STAMP_BITS = 6
    STAMP_SCALE = 0x0f
    STAMP_SACK = 0x10
    STAMP_ECN = 0x20

COOKIE_PERIOD = 64 * <int64_t>1000000000
COOKIE_LIFE = AGES * COOKIE_PERIOD

# Ascending; what lies between two becomes the smaller: the least that anybody is sent (tcp/handshake), RFC 9293's default, IPv6's least MTU, tunnels,
# PPPoE, Ethernet, jumbo frames.
cdef uint32_t COOKIE_MSS[8]
COOKIE_MSS[:] = [48, 536, 1220, 1360, 1440, 1452, 1460, 8960]


cdef uint32_t keyed(const uint64_t key[2], const tcb *k, uint32_t seq, uint32_t label) noexcept nogil:
    cdef uint8_t text[44]
    memcpy(text, &k.laddr, ENDS)
    memcpy(text + ENDS, &seq, 4)
    memcpy(text + ENDS + 4, &label, 4)
    return <uint32_t>siphash(key, text, sizeof(text))


cdef uint32_t text_of(const uint64_t key[2], const tcb *k, uint32_t seq, uint32_t count, uint32_t i) noexcept nogil:
    """What is below the count: the index, and a hash of all."""
    return (keyed(key, k, seq, (count & 0xff) + 1 << INDEX_BITS | i) << INDEX_BITS | i) & (1 << TEXT_BITS) - 1


cdef uint32_t cookie_make(const uint64_t key[2], const tcb *k, uint32_t seq, uint32_t mss, int64_t now) noexcept nogil:
    cdef uint32_t count = <uint32_t>(now // COOKIE_PERIOD), i = SIZES - 1
    while i and COOKIE_MSS[i] > mss:
        i -= 1
    return keyed(key, k, seq, 0) + (count << TEXT_BITS | text_of(key, k, seq, count, i))


cdef uint32_t cookie_check(const uint64_t key[2], const tcb *k, uint32_t seq, uint32_t cookie, int64_t now) noexcept nogil:
    cdef uint32_t count = <uint32_t>(now // COOKIE_PERIOD), i, made
    cookie -= keyed(key, k, seq, 0)
    made = cookie >> TEXT_BITS
    i = cookie & SIZES - 1
    if (count - made & 0xff) >= AGES or cookie & (1 << TEXT_BITS) - 1 != text_of(key, k, seq, made, i):
        return 0
    return COOKIE_MSS[i]


cdef uint32_t cookie_stamp(uint32_t now_ms, const cookie_terms *m) noexcept nogil:
    cdef uint32_t low = m.wscale & STAMP_SCALE | (STAMP_SACK if m.sack else 0) | (STAMP_ECN if m.ecn else 0)
    cdef uint32_t stamp = now_ms >> STAMP_BITS << STAMP_BITS | low
    return stamp if stamp <= now_ms else stamp - (1 << STAMP_BITS)


cdef void cookie_unstamp(uint32_t stamp, cookie_terms *out) noexcept nogil:
    out.wscale = stamp & STAMP_SCALE
    out.sack = stamp & STAMP_SACK != 0
    out.ecn = stamp & STAMP_ECN != 0


# --- For tests and the REPL -------------------------------------------------------------------------------------------------

cdef class Cookies:
    """Cookies under a key of 16 bytes. `ends`: (our address, peer's address, our port, peer's port), IPv4 addresses as numbers."""
    cdef uint64_t key[2]

    def __init__(self, bytes key not None):
        if len(key) != 16:
            raise ValueError("the key has 16 bytes")
        memcpy(self.key, <const uint8_t *>key, 16)

    cdef object ends(self, tcb *k, ends):
        memset(k, 0, sizeof(tcb))
        addr_from_v4(&k.laddr, ends[0])
        addr_from_v4(&k.raddr, ends[1])
        k.lport, k.rport = ends[2], ends[3]

    def make(self, ends, uint32_t seq, uint32_t mss, int64_t now):
        """The number that answers a SYN of number `seq` at `now` (ns)."""
        cdef tcb k
        self.ends(&k, ends)
        return cookie_make(self.key, &k, seq, mss, now)

    def check(self, ends, uint32_t seq, uint32_t cookie, int64_t now):
        """The MSS that it stands for, or None."""
        cdef tcb k
        self.ends(&k, ends)
        return cookie_check(self.key, &k, seq, cookie, now) or None


def stamp(uint32_t now_ms, wscale, sack, ecn):
    """A time in ms whose low bits say that; wscale None: not offered."""
    cdef cookie_terms m
    m.wscale, m.sack, m.ecn = COOKIE_NO_SCALE if wscale is None else wscale, sack, ecn
    return cookie_stamp(now_ms, &m)


def unstamp(uint32_t stamp):
    """(wscale, sack, ecn) of such a time."""
    cdef cookie_terms m
    cookie_unstamp(stamp, &m)
    return None if m.wscale == COOKIE_NO_SCALE else m.wscale, bool(m.sack), bool(m.ecn)
