"""TCP's MD5 signature option (RFC 2385): keys in a table of their own, what is signed and what is believed.

A connection or listener with keys has a list of them (tcb.signer); one whose peer has a key signs all that it sends (tcb.signs) and takes nothing that is not
signed. Such a connection offers no timestamps, as Linux's, which leaves room for SACK; it takes no short way and does not rest.
"""
from libc.stdint cimport uint8_t, uint32_t

from usnet.ip.state cimport packet
from usnet.tcp.state cimport tcp_state
from usnet.tcp.tcb cimport tcb
from usnet.wire.addr cimport ip_addr
from usnet.wire.tcp cimport tcp_repr

cdef enum:
    SIGNATURE_KEY = 80          # bytes of a key at most, as in Linux
    MAX_SIGNERS = 65536

cdef struct signer:
    uint32_t next               # of the same connection: 1 + its number; 0
    ip_addr net                 # peers that it is for: those whose first `prefix` bits are its own
    uint8_t prefix              # 0 to 128
    uint8_t n                   # bytes of the key
    uint8_t key[80]

# Sets, changes, or with n = 0 takes away the key for those peers: 0, -EINVAL (too long), -ENOENT (there was none), -ENOBUFS.
cdef int signature_set(tcp_state *t, uint32_t c, const ip_addr *net, uint8_t prefix, const uint8_t *key, uint32_t n) noexcept nogil
# The key of k for that peer, of several that with the longest prefix; NULL.
cdef const signer *signature_find(tcp_state *t, const tcb *k, const ip_addr *peer) noexcept nogil
# k has the key of `parent` for its peer: in common, for a TCB that does not last, or as its own. False: no room.
cdef void signature_borrow(tcp_state *t, tcb *k, const tcb *parent) noexcept nogil
cdef bint signature_inherit(tcp_state *t, tcb *k) noexcept nogil
cdef void signature_free(tcp_state *t, tcb *k) noexcept nogil
# Whether a segment for c, a listener or a connection, may be looked at: signed as it must be, or unsigned as it must be. Counts the drop.
cdef bint signature_holds(tcp_state *t, uint32_t c, const packet *p, const tcp_repr *r) noexcept nogil
# Signs a segment of header_len + n bytes that is complete but for its checksum; r.options had TCPO_MD5 when it was built.
cdef void signature_put(const signer *s, uint8_t *l4, uint32_t header_len, uint32_t n, const ip_addr *src, const ip_addr *dst) noexcept nogil
