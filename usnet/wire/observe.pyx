"""Reading frames for an observer; observe.pxd says what there is."""
from typing import NamedTuple

from libc.string cimport memset

from usnet.wire.bytes cimport load16, load32
from usnet.wire.checksum cimport csum_add, csum_fold

KINDS = ("tcp", "arp", "icmp", "other")
LAYERS = (None, "IPv4", "ICMP", "TCP", "UDP")


class Options(NamedTuple):
    """The options of a segment; None for those that it has not."""

    mss: int | None = None
    wscale: int | None = None
    sack_ok: bool = False
    timestamps: tuple[int, int] | None = None
    sack: tuple[tuple[int, int], ...] = ()


cdef class Segment:
    @property
    def src(self):
        return int(self.source).to_bytes(4, "big")

    @property
    def dst(self):
        return int(self.destination).to_bytes(4, "big")

    @property
    def options(self):
        """As bytes."""
        return self.raw_options[:self.n_options]

    @property
    def payload(self):
        """As bytes."""
        return self.data[:self.n]

    def __repr__(self):
        return f"<Segment {self.sport} to {self.dport}, flags {self.flags:#x}, seq {self.seq}, ack {self.ack}, {self.n} bytes>"


cdef Segment segment_at(const uint8_t *frame, uint32_t length):
    cdef Segment s
    cdef uint32_t at, end, data
    if length < 54 or frame[12] != 8 or frame[13] != 0 or frame[23] != 6 or frame[20] & 0x3f or frame[21]:
        return None
    at = 14 + (frame[14] & 15) * 4
    if at + 20 > length:
        return None
    end = min(14 + <uint32_t>load16(frame + 16), length)
    data = min(at + (frame[at + 12] >> 4) * 4, length)
    s = Segment.__new__(Segment)
    s.frame, s.length = frame, length
    s.source, s.destination = load32(frame + 26), load32(frame + 30)
    s.sport, s.dport = load16(frame + at), load16(frame + at + 2)
    s.seq, s.ack = load32(frame + at + 4), load32(frame + at + 8)
    s.flags, s.window = frame[at + 13], load16(frame + at + 14)
    s.tos, s.ecn = frame[15], (<int>frame[at + 12] & 1) << 8 | frame[at + 13] & 0xc0
    s.raw_options = frame + at + 20
    s.n_options = data - at - 20 if data > at + 20 else 0
    s.data = frame + data
    s.n = end - data if end > data else 0
    return s


cdef Segment segment_keep(Segment s):
    cdef bytes kept = s.frame[:s.length]
    s = segment_at(kept, <uint32_t>len(kept))
    s.kept = kept
    return s


def parse_tcp(bytes frame not None):
    """The TCP segment of an Ethernet frame with a whole IPv4 packet; None for everything else."""
    cdef Segment s = segment_at(frame, <uint32_t>len(frame))
    if s is not None:
        s.kept = frame
    return s


cdef void options_read(const uint8_t *p, uint32_t n, seen_options *o) noexcept nogil:
    cdef uint32_t i = 0, k
    memset(o, 0, sizeof(seen_options))
    o.mss = o.wscale = NOT_OFFERED
    while i < n and p[i]:
        if p[i] == 1:
            i += 1
            continue
        if i + 2 > n or p[i + 1] < 2 or i + p[i + 1] > n:
            break
        if p[i] == 2 and p[i + 1] >= 4:
            o.mss = load16(p + i + 2)
        elif p[i] == 3 and p[i + 1] >= 3:
            o.wscale = p[i + 2] if p[i + 2] < 14 else 14
        elif p[i] == 4:
            o.sack_ok = True
        elif p[i] == 5:
            o.n_sack = (p[i + 1] - 2) // 8
            if o.n_sack > 5:
                o.n_sack = 5
            for k in range(o.n_sack):
                o.sack[k][0] = load32(p + i + 2 + 8 * k)
                o.sack[k][1] = load32(p + i + 6 + 8 * k)
        elif p[i] == 8 and p[i + 1] >= 10:
            o.timestamps = True
            o.tsval, o.tsecr = load32(p + i + 2), load32(p + i + 6)
        i += p[i + 1]


cdef int kind_of(const uint8_t *frame, uint32_t length) noexcept nogil:
    if length >= 14 and frame[12] == 8 and frame[13] == 6:
        return KIND_ARP
    return KIND_ICMP if length >= 24 and frame[12] == 8 and frame[13] == 0 and frame[23] == 1 else KIND_OTHER


def frame_kind(bytes frame not None):
    """"arp", "icmp" or "other", of an Ethernet frame that holds no TCP segment."""
    return KINDS[kind_of(frame, <uint32_t>len(frame))]


cdef int sum_wrong(const uint8_t *frame, uint32_t length) noexcept nogil:
    cdef uint32_t ihl, end, n
    cdef uint8_t pseudo[12]
    cdef uint32_t i
    if length < 34 or frame[12] != 8 or frame[13] != 0:
        return SUM_RIGHT
    ihl = (frame[14] & 15) * 4
    if ihl < 20 or 14 + ihl > length or csum_fold(csum_add(0, frame + 14, ihl)):
        return SUM_IPV4
    if frame[20] & 0x3f or frame[21]:
        return SUM_RIGHT
    end = 14 + load16(frame + 16)
    if end > length:
        end = length
    n = end - 14 - ihl if end > 14 + ihl else 0
    if frame[23] == 1:
        return SUM_ICMP if csum_fold(csum_add(0, frame + 14 + ihl, n)) else SUM_RIGHT
    if frame[23] == 17 and n >= 8 and frame[14 + ihl + 6] == 0 and frame[14 + ihl + 7] == 0:
        return SUM_RIGHT
    if frame[23] != 6 and frame[23] != 17:
        return SUM_RIGHT
    for i in range(8):
        pseudo[i] = frame[26 + i]
    pseudo[8], pseudo[9], pseudo[10], pseudo[11] = 0, frame[23], <uint8_t>(n >> 8), <uint8_t>n
    if csum_fold(csum_add(csum_add(0, pseudo, 12), frame + 14 + ihl, n)):
        return SUM_TCP if frame[23] == 6 else SUM_UDP
    return SUM_RIGHT


def bad_checksum(bytes frame not None):
    """The layer whose checksum is wrong in an Ethernet frame; None when all are right."""
    return LAYERS[sum_wrong(frame, <uint32_t>len(frame))]
