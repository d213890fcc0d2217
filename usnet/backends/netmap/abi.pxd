"""netmap's user ABI, API versions 11 to 15: numbers and layouts, so that nothing of netmap is needed to build.

All integers are in the machine's own order; layouts are those of a 64-bit system. `struct netmap_ring` and `struct netmap_slot` stand in
usnet/backends/ring.pxd: they are the contract of every backend.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    NETMAP_API = 14                 # what requests are made with; the module takes 14 and 15
    NETMAP_MAX_API = 15
    NETMAP_API_NIOCCTRL = 14        # first with NIOCCTRL; older kernels know NIOCREGIF alone
    NETMAP_API_OLDEST = 11          # first with today's rings
    NETMAP_REQ_IFNAMSIZ = 64
    NETMAP_MAX_FRAGS = 64           # slots of one frame
    # nmreq_header.nr_reqtype
    NETMAP_REQ_REGISTER = 1
    NETMAP_REQ_PORT_INFO_GET = 2
    NETMAP_REQ_VALE_ATTACH = 3
    NETMAP_REQ_VALE_DETACH = 4
    NETMAP_REQ_VALE_LIST = 5
    NETMAP_REQ_PORT_HDR_SET = 6
    NETMAP_REQ_PORT_HDR_GET = 7
    NETMAP_REQ_VALE_NEWIF = 8
    NETMAP_REQ_VALE_DELIF = 9
    NETMAP_REQ_VALE_POLLING_ENABLE = 10
    NETMAP_REQ_VALE_POLLING_DISABLE = 11
    NETMAP_REQ_POOLS_INFO_GET = 12
    NETMAP_REQ_SYNC_KLOOP_START = 13
    NETMAP_REQ_SYNC_KLOOP_STOP = 14
    NETMAP_REQ_CSB_ENABLE = 15
    # nmreq_option.nro_reqtype
    NETMAP_REQ_OPT_EXTMEM = 1
    NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS = 2
    NETMAP_REQ_OPT_CSB = 3
    NETMAP_REQ_OPT_SYNC_KLOOP_MODE = 4
    NETMAP_REQ_OPT_OFFSETS = 5
    # nmreq_register.nr_mode
    NR_REG_DEFAULT = 0
    NR_REG_ALL_NIC = 1
    NR_REG_SW = 2
    NR_REG_NIC_SW = 3
    NR_REG_ONE_NIC = 4
    NR_REG_PIPE_MASTER = 5          # legacy call only: NIOCCTRL goes by the name's suffix
    NR_REG_PIPE_SLAVE = 6
    NR_REG_NULL = 7
    NR_REG_ONE_SW = 8
    # nmreq_register.nr_flags
    NR_MONITOR_TX = 0x100
    NR_MONITOR_RX = 0x200
    NR_ZCOPY_MON = 0x400
    NR_EXCLUSIVE = 0x800
    NR_RX_RINGS_ONLY = 0x2000
    NR_TX_RINGS_ONLY = 0x4000
    NR_ACCEPT_VNET_HDR = 0x8000
    NR_DO_RX_POLL = 0x10000
    NR_NO_TX_POLL = 0x20000
    # netmap_slot.flags beside those of ring.pxd
    NS_FORWARD = 0x0004
    NS_NO_LEARN = 0x0008
    NS_INDIRECT = 0x0010
    NS_TXMON = 0x0040
    NS_PORT_SHIFT = 8               # VALE: port of origin in the upper byte
    # netmap_ring.flags
    NR_TIMESTAMP = 0x0002
    NR_FORWARD = 0x0004
    # netmap_if.ni_flags
    NI_PRIV_MEM = 0x1

# ioctl numbers, the same on Linux and FreeBSD: _IOWR('i', n, struct) and _IO('i', n). FreeBSD's _IO sets a bit of its own
cdef enum: NIOCCTRL = 0xc0586997
cdef enum: NIOCGINFO = 0xc03c6991
cdef enum: NIOCREGIF = 0xc03c6992
cdef enum: NIOCTXSYNC_LINUX = 0x6994
cdef enum: NIOCRXSYNC_LINUX = 0x6995
cdef enum: NIOCTXSYNC_FREEBSD = 0x20006994
cdef enum: NIOCRXSYNC_FREEBSD = 0x20006995

cdef struct netmap_if:              # 56 bytes, then the offsets of the rings
    char ni_name[16]
    uint32_t ni_version
    uint32_t ni_flags               # NI_PRIV_MEM
    uint32_t ni_tx_rings            # of the NIC
    uint32_t ni_rx_rings
    uint32_t ni_bufs_head           # first extra buffer: each one's first uint32_t names the next, 0 ends the list
    uint32_t ni_host_tx_rings       # API 14; before, there is one of each and this reads 0
    uint32_t ni_host_rx_rings
    uint32_t ni_spare1[3]
    int64_t ring_ofs[1]             # from this struct: NIC tx, host tx, NIC rx, host rx

cdef struct nmreq_header:           # 88
    uint16_t nr_version
    uint16_t nr_reqtype
    uint32_t nr_reserved            # 0
    char nr_name[64]
    uint64_t nr_options             # address of the first nmreq_option, or 0
    uint64_t nr_body

cdef struct nmreq_option:           # 24
    uint64_t nro_next
    uint32_t nro_reqtype
    uint32_t nro_status             # answer: 0 or errno
    uint64_t nro_size

cdef struct nmreq_register:         # 56
    uint64_t nr_offset              # answer: of the netmap_if in the mapped memory
    uint64_t nr_memsize             # answer: bytes to map
    uint32_t nr_tx_slots            # wish and answer; 0: the port's own
    uint32_t nr_rx_slots
    uint16_t nr_tx_rings
    uint16_t nr_rx_rings
    uint16_t nr_host_tx_rings
    uint16_t nr_host_rx_rings
    uint16_t nr_mem_id              # wish (0: any) and answer
    uint16_t nr_ringid
    uint32_t nr_mode                # NR_REG_*
    uint32_t nr_extra_bufs          # wish and answer, which may be less
    uint32_t nr_pad1
    uint64_t nr_flags

cdef struct nmreq_port_info_get:    # 32
    uint64_t nr_memsize
    uint32_t nr_tx_slots
    uint32_t nr_rx_slots
    uint16_t nr_tx_rings
    uint16_t nr_rx_rings
    uint16_t nr_host_tx_rings
    uint16_t nr_host_rx_rings
    uint16_t nr_mem_id
    uint16_t pad1[3]

cdef struct nmreq_vale_attach:      # 64
    nmreq_register reg
    uint32_t port_index             # answer
    uint32_t pad1

cdef struct nmreq_vale_detach:      # 8
    uint32_t port_index
    uint32_t pad1

cdef struct nmreq_vale_list:        # 8
    uint16_t nr_bridge_idx
    uint16_t pad1
    uint32_t nr_port_idx

cdef struct nmreq_port_hdr:         # 8
    uint32_t nr_hdr_len             # 0, 10 or 12
    uint32_t pad1

cdef struct nmreq_vale_newif:       # 16
    uint32_t nr_tx_slots
    uint32_t nr_rx_slots
    uint16_t nr_tx_rings
    uint16_t nr_rx_rings
    uint16_t nr_mem_id
    uint16_t pad1

cdef struct nmreq_vale_polling:     # 16
    uint32_t nr_mode
    uint32_t nr_first_cpu_id
    uint32_t nr_num_polling_cpus
    uint32_t pad1

cdef struct nmreq_pools_info:       # 64
    uint64_t nr_memsize
    uint16_t nr_mem_id              # wish and answer
    uint16_t pad1[3]
    uint64_t nr_if_pool_offset
    uint32_t nr_if_pool_objtotal
    uint32_t nr_if_pool_objsize
    uint64_t nr_ring_pool_offset
    uint32_t nr_ring_pool_objtotal
    uint32_t nr_ring_pool_objsize
    uint64_t nr_buf_pool_offset
    uint32_t nr_buf_pool_objtotal
    uint32_t nr_buf_pool_objsize

cdef struct nmreq_opt_offsets:      # 56
    nmreq_option nro_opt
    uint64_t nro_max_offset         # wish and answer: largest offset that will be used
    uint64_t nro_initial_offset     # every slot's at the start
    uint32_t nro_offset_bits        # wish: bits of slot.ptr that hold the offset, 0: all; answer
    uint32_t nro_tx_align           # wish: alignment of a transmitted frame's first byte
    uint64_t nro_min_gap            # reserved: 0

cdef struct nmreq_legacy:           # 60: struct nmreq of the API before 14
    char nr_name[16]
    uint32_t nr_version
    uint32_t nr_offset
    uint32_t nr_memsize
    uint32_t nr_tx_slots
    uint32_t nr_rx_slots
    uint16_t nr_tx_rings
    uint16_t nr_rx_rings
    uint16_t nr_ringid
    uint16_t nr_cmd                 # 0: register
    uint16_t nr_arg1
    uint16_t nr_arg2                # memory region
    uint32_t nr_arg3                # extra buffers
    uint32_t nr_flags               # NR_REG_* in the lowest 4 bits, register flags above
    uint32_t spare2[1]
