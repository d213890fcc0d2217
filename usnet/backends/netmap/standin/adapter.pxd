"""The stand-in's own side of rings and ports: what the module keeps in kernel memory, beside what it shares.

Names follow the module's, so that its documentation explains them: a kring is the kernel's side of one ring; hwcur and hwtail are what the port
has done, rhead, rcur and rtail are copies of what the user said and was told at the last sync.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from usnet.backends.netmap.abi cimport netmap_if
from usnet.backends.netmap.standin.memory cimport region
from usnet.backends.ring cimport ring, slot

cdef enum:
    NR_TX = 0
    NR_RX = 1
    ADAPTER_MAX_RINGS = 256
    # adapter.kind
    KIND_NIC = 1                # rings with a wire behind them, and host rings
    KIND_VALE = 2
    KIND_PIPE = 3
    KIND_MONITOR = 4
    KIND_NULL = 5
    # adapter.flags
    NAF_ON = 0x01               # somebody has it in netmap mode
    NAF_HOST_RINGS = 0x02
    NAF_MEM_OWNER = 0x04        # its memory is its own, not a region that others share
    NAF_OFFSETS = 0x08
    NAF_MOREFRAG = 0x10         # frames may span slots
    NAF_ZOMBIE = 0x20           # the interface is gone
    NAF_BUSY = 0x40             # attached to a switch: cannot be registered
    # flags of a sync
    NAF_FORCE_READ = 1
    NAF_FORCE_RECLAIM = 2
    NAF_FORWARD_DOWN = 4        # all transmit rings of the NIC are bound: what the host sends may go on to them

cdef struct adapter
cdef struct kring
cdef struct opened
cdef struct queued

# 0, or anything else: the ring is not to be finalized. Called with indices that the prologue found good; works on [hwcur, rhead), moves hwcur
# and hwtail
ctypedef int (*kring_sync)(kring *k, int flags) noexcept nogil
# Somebody must look: frames came, or room. flags: NAF_FORCE_*, which wrappers pass on to the sync that they do
ctypedef int (*kring_notify)(kring *k, int flags) noexcept nogil

cdef struct queued:             # a frame that waits
    queued *next_
    uint32_t length
    uint8_t bytes_[1]

cdef struct frames:
    queued *first
    queued *last
    uint32_t n

cdef struct kring:
    ring *r                     # shared with the user; NULL while nobody has it registered
    uint32_t num_slots
    uint32_t hwcur              # next slot that the port will take (tx), or that the user will give back (rx)
    uint32_t hwtail             # where the user's part ends, as the port knows it
    uint32_t rhead
    uint32_t rcur
    uint32_t rtail
    uint32_t users              # descriptors bound to it
    uint32_t ring_id
    uint32_t hdr                # bytes of virtio-net header in front of each frame: 0, 10, 12
    int tx                      # NR_TX or NR_RX
    bint exclusive
    bint stopped                # syncs leave it out
    # the buffers in it are another ring's: never allocated or freed with it (a pipe's other end, host rings of who has none)
    bint fake
    bint need_ring              # exists though nobody is bound to it
    bint on                     # in netmap mode
    bint pending                # mode that it is about to enter: what reg() commits
    kring_notify notify         # the adapter's, unless somebody intercepts it
    kring_notify save_notify    # what a wrapper has replaced
    uint64_t offset_mask        # 0: no offsets
    uint64_t offset_max
    adapter *na
    kring_sync sync
    kring *pipe                 # the other end's ring
    uint32_t pipe_tail          # hwtail as the other end has set it
    kring **monitors            # copying monitors of this ring
    uint32_t n_monitors
    uint32_t mon_pos[2]         # a copying monitor's ring: its place in `monitors` of [NR_TX] and [NR_RX]
    kring_sync mon_sync         # what the first monitor has replaced; NULL: no monitor
    kring_notify mon_notify
    uint32_t mon_tail           # last slot that they have seen
    kring *zmon_next[2]         # list of zero-copy monitors
    kring *zmon_prev[2]
    void *ft                    # VALE, of a transmit ring: the batch that is being forwarded
    bint busy                   # a sync of it is under way
    uint64_t offset_gap         # room behind a frame's first byte that is its own
    uint64_t hwbuf_len          # bytes that a received frame's slot takes
    uint64_t buf_align
    bint forward                # host ring: frames went to the NIC's rings, which must be synced
    frames waiting              # host receive ring: what the host has sent; emulated: what has arrived

cdef struct opened:             # one descriptor: what the module keeps for it
    void *state                 # standin_state
    int fd
    bint used                   # the number is taken
    adapter *na                 # registered on it; NULL: not registered
    netmap_if *nifp
    uint32_t first[2]           # rings bound, [first, last) of each direction
    uint32_t last[2]
    uint32_t flags              # of the register request
    int sync_flags
    bint txpoll                 # a poll flushes transmit rings
    int watch_fd                # eventfd; -1: none
    int watch_events            # NM_POLL*; 0: not watched
    bint ringing                # the eventfd is readable
    opened *next_               # on the same adapter

cdef struct adapter:
    char name[64]
    int kind
    uint32_t flags
    uint32_t n[2]               # NIC rings of each direction
    uint32_t n_host[2]
    uint32_t slots[2]
    kring *krings[2]            # n + n_host of them, NIC's first
    region *mem
    uint32_t virt_hdr_len
    uint32_t rx_buf_max         # most bytes that the driver can take in one buffer: with the MTU, what buf_size must hold
    uint32_t mtu                # of an interface of the system; 0: it is none
    adapter *next_interface
    char if_name[16]            # of the interface: attached to a switch, the port itself is called "vale0:eth0"
    void *state                 # standin_state
    opened *fds                 # descriptors bound to its rings
    region *mem_prev            # its own region, while a request has given it another
    kring_sync sync[2]          # what its NIC rings and its host rings begin with
    kring_sync host_sync[2]
    int refs
    int active                  # descriptors registered on it
    void *own                   # the kind's own struct: nic, vale_port, pipe_end, monitor
    void *wrapper               # the wrapper that attaches it to a switch, while it does
    adapter *vp                 # what stands for it on a switch, and for its host rings; NULL: nothing
    adapter *host_vp
    adapter **pipes             # pipe ends that have it as their parent
    uint32_t n_pipes
    uint32_t max_pipes
    uint64_t monitor_id         # number of the next monitor of it
    # What the kind does
    int (*krings_create)(adapter *na) noexcept nogil        # allocates krings, sets sync functions: 0 or -errno
    void (*krings_delete)(adapter *na) noexcept nogil
    int (*reg)(adapter *na, bint on) noexcept nogil         # enters and leaves netmap mode
    void (*destroy)(adapter *na) noexcept nogil             # last reference gone
    # nobody is registered any more: its monitors end. NULL: it can have none
    void (*unwatch)(adapter *na) noexcept nogil
    int (*bufcfg)(kring *k, uint64_t target) noexcept nogil     # sets hwbuf_len and buf_align; NULL: all of target
    void (*send_up)(adapter *na, const uint8_t *p, uint32_t length) noexcept nogil      # to the host's own stack; only with NAF_HOST_RINGS
    kring_notify notify         # what its krings begin with

# A blank adapter with one reference: nothing in it is set but name, kind, notify and the functions of krings. NULL: no memory
cdef adapter *adapter_new(void *state, const char *name, int kind) noexcept nogil
cdef void adapter_get(adapter *na) noexcept nogil
cdef bint adapter_put(adapter *na) noexcept nogil           # the last one destroys: whether it did
# Rings that exist, and with them those that the table of offsets has room for (one host ring at least)
cdef uint32_t real_rings(const adapter *na, int t) noexcept nogil
cdef uint32_t all_rings(const adapter *na, int t) noexcept nogil
# What krings_create and krings_delete are unless set otherwise. 0 or -ENOMEM
cdef int krings_create(adapter *na) noexcept nogil
cdef void krings_delete(adapter *na) noexcept nogil
cdef void krings_commit(adapter *na, bint on) noexcept nogil            # `on` from `pending`, as a reg() does
# The shared rings that somebody needs and that are missing, with their buffers: 0 or -ENOMEM. What there is then goes with rings_delete
cdef int rings_create(adapter *na) noexcept nogil
cdef void rings_delete(adapter *na) noexcept nogil
cdef netmap_if *if_new(adapter *na, const uint32_t *first, const uint32_t *last) noexcept nogil     # NULL: no memory
cdef void if_delete(adapter *na, netmap_if *f) noexcept nogil           # with its extra buffers
# 0; 1: skip it; -EIO: skip it and say so. After 0 comes kring_leave
cdef int kring_enter(kring *k) noexcept nogil
cdef void kring_leave(kring *k) noexcept nogil
# What notify is unless set otherwise: rings the watched descriptors that are bound to the ring
cdef int kring_wake(kring *k, int flags) noexcept nogil
# Frames that wait in a kring
cdef int frames_put(frames *f, const uint8_t *p, uint32_t length) noexcept nogil      # 0 or -ENOMEM
cdef queued *frames_take(frames *f) noexcept nogil                        # whoever takes it frees it
cdef void frames_purge(frames *f) noexcept nogil

# The module's checks and their consequences, to the letter
# The user's head when indices are good, num_slots when they are not
cdef uint32_t txsync_prologue(kring *k) noexcept nogil
cdef uint32_t rxsync_prologue(kring *k) noexcept nogil
# Takes indices back that are not of this ring, and believes all others; zeroes bad buffer indices and lengths. 1 when it took indices back
cdef int ring_reinit(kring *k) noexcept nogil
# Publishes hwtail to the user
cdef void sync_finalize(kring *k) noexcept nogil
# Where slot's frame lies, in the region's buffer 0 for a bad index, and how many bytes there are from there on
cdef uint8_t *slot_buf(kring *k, const slot *s, uint64_t *room) noexcept nogil


cdef inline uint32_t k_next(const kring *k, uint32_t i) noexcept nogil:
    return 0 if i + 1 == k.num_slots else i + 1


cdef inline uint32_t k_prev(const kring *k, uint32_t i) noexcept nogil:
    return k.num_slots - 1 if i == 0 else i - 1


cdef inline uint64_t k_offset(const kring *k, const slot *s) noexcept nogil:
    """Of the frame in its buffer; more than was agreed on counts as the most that was."""
    return k.offset_max if (s.ptr & k.offset_mask) > k.offset_max else s.ptr & k.offset_mask


cdef inline void k_offset_set(const kring *k, slot *s, uint64_t offset) noexcept nogil:
    s.ptr = (s.ptr & ~k.offset_mask) | (offset & k.offset_mask)


cdef inline void take_interface_name(adapter *na) noexcept nogil:
    """Attaching has given an interface's own port the name "vale0:eth0"; whoever registers or asks gives it its interface's again."""
    if na.if_name[0]:
        memcpy(na.name, na.if_name, sizeof(na.if_name))
