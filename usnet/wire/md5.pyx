"""MD5 (RFC 1321)."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

# RFC 1321, 3.4: the integer parts of 2^32 |sin(i + 1)|.
cdef uint32_t SINES[64]
SINES[:] = [
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
]
# By how much step i of round i // 16 turns.
cdef uint8_t TURNS[4][4]
TURNS[0][:] = [7, 12, 17, 22]
TURNS[1][:] = [5, 9, 14, 20]
TURNS[2][:] = [4, 11, 16, 23]
TURNS[3][:] = [6, 10, 15, 21]


cdef inline uint32_t word(const uint8_t *p) noexcept nogil:
    return p[0] | <uint32_t>p[1] << 8 | <uint32_t>p[2] << 16 | <uint32_t>p[3] << 24


cdef inline uint32_t mixed(int i, uint32_t b, uint32_t c, uint32_t d, uint32_t *which) noexcept nogil:
    """The function of step i's round, and which word of the block it takes."""
    if i < 16:
        which[0] = i
        return d ^ (b & (c ^ d))
    if i < 32:
        which[0] = 5 * i + 1 & 15
        return c ^ (d & (b ^ c))
    if i < 48:
        which[0] = 3 * i + 5 & 15
        return b ^ c ^ d
    which[0] = 7 * i & 15
    return c ^ (b | ~d)


cdef void take_block(md5_state *s, const uint8_t *p) noexcept nogil:
    cdef uint32_t x[16]
    cdef uint32_t a = s.h[0], b = s.h[1], c = s.h[2], d = s.h[3], f, which
    cdef int i
    for i in range(16):
        x[i] = word(p + 4 * i)
    for i in range(64):
        f = a + mixed(i, b, c, d, &which) + SINES[i]
        f += x[which]
        a = d
        d = c
        c = b
        b += f << TURNS[i >> 4][i & 3] | f >> (32 - TURNS[i >> 4][i & 3])
    s.h[0] += a
    s.h[1] += b
    s.h[2] += c
    s.h[3] += d


cdef void md5_begin(md5_state *s) noexcept nogil:
    s.n = 0
    s.h[0], s.h[1], s.h[2], s.h[3] = 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476


cdef void md5_add(md5_state *s, const uint8_t *p, uint64_t n) noexcept nogil:
    cdef uint32_t have = s.n & MD5_BLOCK - 1, part
    s.n += n
    if have:
        part = MD5_BLOCK - have if n >= MD5_BLOCK - have else <uint32_t>n
        memcpy(s.block + have, p, part)
        p += part
        n -= part
        if have + part < MD5_BLOCK:
            return
        take_block(s, s.block)
    while n >= MD5_BLOCK:
        take_block(s, p)
        p += MD5_BLOCK
        n -= MD5_BLOCK
    if n:
        memcpy(s.block, p, n)


cdef void md5_end(md5_state *s, uint8_t *out) noexcept nogil:
    cdef uint8_t tail[72]
    cdef uint64_t bits = s.n << 3
    cdef uint32_t fill = (55 - <uint32_t>(s.n & MD5_BLOCK - 1) & MD5_BLOCK - 1) + 1, i
    tail[0] = 0x80
    for i in range(1, fill):
        tail[i] = 0
    for i in range(8):
        tail[fill + i] = <uint8_t>(bits >> 8 * i)
    md5_add(s, tail, fill + 8)
    for i in range(MD5_BYTES):
        out[i] = <uint8_t>(s.h[i >> 2] >> 8 * (i & 3))


def md5(*parts):
    """The digest of these bytes, one behind the other."""
    cdef md5_state s
    cdef uint8_t out[16]
    cdef bytes b
    md5_begin(&s)
    for part in parts:
        b = bytes(part)
        md5_add(&s, b, len(b))
    md5_end(&s, out)
    return bytes(out[:16])
