"""The digest of a run; digest.pxd says how it works."""
from libc.string cimport memset

cdef extern from "lanes.h" nogil:
    ctypedef void (*usnet_lanes_fn)(const uint8_t *p, size_t n, uint64_t *out) noexcept
    struct usnet_lanes:
        const char *name
        usnet_lanes_fn run
    int usnet_lanes_widths(usnet_lanes *out)
    enum:
        STRIPE "USNET_STRIPE"

cdef usnet_lanes ways[4]
cdef int n_ways = usnet_lanes_widths(ways)
cdef usnet_lanes chosen = ways[n_ways - 1]


cdef void digest_start(digest128 *d, uint64_t seed) noexcept nogil:
    d.a = <uint64_t>0x243f6a8885a308d3
    d.b = <uint64_t>0x13198a2e03707344
    d.feeds = 0
    digest_block(&d.a, &d.b, seed, seed >> 32)


cdef inline void digest_piece(uint64_t *a, uint64_t *b, const uint8_t *p) noexcept nogil:
    cdef uint64_t words[2]
    memcpy(words, p, 16)
    digest_block(a, b, le64toh(words[0]), le64toh(words[1]))


cdef void digest_long(uint64_t *a, uint64_t *b, const uint8_t *p, uint32_t n) noexcept nogil:
    cdef uint64_t lanes[8]
    cdef int i
    chosen.run(p, n, lanes)
    for i in range(0, 8, 2):
        digest_block(a, b, lanes[i], lanes[i + 1])


cdef void digest_short(uint64_t *a, uint64_t *b, const uint8_t *p, uint32_t n) noexcept nogil:
    cdef uint8_t padded[16]
    while n >= 16:
        digest_piece(a, b, p)
        p += 16
        n -= 16
    if n:
        memset(padded, 0, 16)
        memcpy(padded, p, n)
        digest_piece(a, b, padded)


cdef void digest_feed(digest128 *d, uint64_t word0, uint64_t word1, const uint8_t *p, uint32_t n) noexcept nogil:
    cdef uint64_t a = d.a
    cdef uint64_t b = d.b
    d.feeds += 1
    digest_block(&a, &b, word0, word1)
    if n >= STRIPE:
        digest_long(&a, &b, p, n)
    else:
        digest_short(&a, &b, p, n)
    d.a = a
    d.b = b


cdef void digest_result(const digest128 *d, uint64_t *a, uint64_t *b) noexcept nogil:
    cdef int i
    a[0] = d.a
    b[0] = d.b
    for i in range(5):
        digest_block(a, b, d.feeds, i)


cdef class Digest:
    """The same hash by itself: Digest(seed=0).update(data).hexdigest()."""
    cdef digest128 d

    def __init__(self, seed=0):
        digest_start(&self.d, seed)

    def update(self, data):
        """Feeds bytes, framed by their length. Returns self."""
        cdef const uint8_t[::1] view = data
        if view.shape[0] >= 1 << 32:
            raise ValueError("at most 4 GiB at once")
        digest_feed(&self.d, 0, view.shape[0], &view[0] if view.shape[0] else NULL, <uint32_t>view.shape[0])
        return self

    def hexdigest(self):
        """32 hexadecimal digits."""
        cdef uint64_t a
        cdef uint64_t b
        digest_result(&self.d, &a, &b)
        return f"{a:016x}{b:016x}"


def widths():
    """The names of the ways to mix that this processor has; the last one is used unless choose() says otherwise."""
    return [ways[i].name.decode() for i in range(n_ways)]


def choose(name=None):
    """For tests and measurements: every digest of this process is made in that way from now on; None: in the best one. All give the
    same. ValueError for one that this processor has not."""
    global chosen
    chosen = ways[widths().index(name) if name is not None else n_ways - 1]
