"""VALE: how frames go through a switch. Who is on it, and how ports come and go, stands in bridge.pxd."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from usnet.backends.netmap.standin.adapter cimport adapter, kring

cdef enum:
    BDG_MAX_PORTS = 254
    BDG_BROADCAST = 254
    BDG_NO_PORT = 255
    BDG_MAX_RINGS = 16
    BDG_BATCH = 1024            # most that the parameter bridge_batch may be
    BDG_HASH = 1024
    BDG_NAME_SIZE = 16
    MFS_DEFAULT = 1514
    WORST_GSO_HEADER = 14 + 40 + 60     # Ethernet, IPv6, TCP with options
    # Queues of a batch: one for each ring of each port, one for broadcasts. A wrapped NIC may have more rings than the
    # switch counts with: those of the last port run on behind
    FWD_QUEUES = 254 * 16 + 256

cdef enum:
    FWD_NULL = 0xffffffff       # ends a queue; above all places in a batch

cdef struct bridge
cdef struct vale_port

cdef struct hash_entry:
    uint64_t mac                # the 48 bits as a little-endian number
    uint64_t port

cdef struct switches:           # all of a stand-in
    bridge *bridges
    uint32_t n
    uint32_t *batch             # parameter bridge_batch
    int retries                 # parameter txsync_retry
    uint32_t cpus               # of the machine, for polling

cdef struct bridge:
    char name[16]               # "valeX"
    uint32_t name_len
    uint32_t active             # ports attached: the first so many of `index`
    uint32_t index[254]         # attached ports, then free ones
    vale_port *ports[254]
    hash_entry table[1024]
    switches *all_              # with the parameters of the module

cdef struct vale_port:
    adapter *na
    bridge *sw                  # NULL: not attached
    uint32_t port
    int retry                   # a wrapper of a NIC: try again when its ring is full
    bint interface              # persistent: an interface of the system's
    bint autodelete             # which goes with its last user
    uint32_t mfs                # longest frame, for cutting
    uint64_t last_smac          # source learnt last: not looked at again until another one sends

cdef struct fwd_slot:
    const uint8_t *buf
    uint32_t frags              # slots of the frame; in its first
    uint32_t follow             # next frame for the same queue
    uint16_t offset             # of the Ethernet header
    uint16_t flags
    uint16_t len

cdef struct fwd_queue:
    uint32_t head
    uint32_t tail
    uint32_t slots

cdef struct fwd:                # of one transmit ring
    fwd_slot *slots
    fwd_queue queues[254 * 16 + 256]
    uint32_t targets[254 * 16 + 256]

cdef int vale_krings_create(adapter *na) noexcept nogil     # of a port, with what its transmit rings forward with
cdef void vale_krings_delete(adapter *na) noexcept nogil
cdef int vale_txsync(kring *k, int flags) noexcept nogil
cdef int vale_rxsync(kring *k, int flags) noexcept nogil
