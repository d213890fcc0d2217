"""netmap's numbers and layouts as Python sees them. The declarations, and what each means, are in abi.pxd."""
from usnet.backends.ring cimport NS_BUF_CHANGED, NS_MOREFRAG, NS_REPORT, ring, slot

CONSTANTS = {
    "NETMAP_API": NETMAP_API, "NETMAP_MAX_API": NETMAP_MAX_API, "NETMAP_API_NIOCCTRL": NETMAP_API_NIOCCTRL,
    "NETMAP_API_OLDEST": NETMAP_API_OLDEST, "NETMAP_REQ_IFNAMSIZ": NETMAP_REQ_IFNAMSIZ, "NETMAP_MAX_FRAGS": NETMAP_MAX_FRAGS,
    "NETMAP_REQ_REGISTER": NETMAP_REQ_REGISTER, "NETMAP_REQ_PORT_INFO_GET": NETMAP_REQ_PORT_INFO_GET,
    "NETMAP_REQ_VALE_ATTACH": NETMAP_REQ_VALE_ATTACH, "NETMAP_REQ_VALE_DETACH": NETMAP_REQ_VALE_DETACH,
    "NETMAP_REQ_VALE_LIST": NETMAP_REQ_VALE_LIST, "NETMAP_REQ_PORT_HDR_SET": NETMAP_REQ_PORT_HDR_SET,
    "NETMAP_REQ_PORT_HDR_GET": NETMAP_REQ_PORT_HDR_GET, "NETMAP_REQ_VALE_NEWIF": NETMAP_REQ_VALE_NEWIF,
    "NETMAP_REQ_VALE_DELIF": NETMAP_REQ_VALE_DELIF, "NETMAP_REQ_VALE_POLLING_ENABLE": NETMAP_REQ_VALE_POLLING_ENABLE,
    "NETMAP_REQ_VALE_POLLING_DISABLE": NETMAP_REQ_VALE_POLLING_DISABLE, "NETMAP_REQ_POOLS_INFO_GET": NETMAP_REQ_POOLS_INFO_GET,
    "NETMAP_REQ_SYNC_KLOOP_START": NETMAP_REQ_SYNC_KLOOP_START, "NETMAP_REQ_SYNC_KLOOP_STOP": NETMAP_REQ_SYNC_KLOOP_STOP,
    "NETMAP_REQ_CSB_ENABLE": NETMAP_REQ_CSB_ENABLE, "NETMAP_REQ_OPT_EXTMEM": NETMAP_REQ_OPT_EXTMEM,
    "NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS": NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS, "NETMAP_REQ_OPT_CSB": NETMAP_REQ_OPT_CSB,
    "NETMAP_REQ_OPT_SYNC_KLOOP_MODE": NETMAP_REQ_OPT_SYNC_KLOOP_MODE, "NETMAP_REQ_OPT_OFFSETS": NETMAP_REQ_OPT_OFFSETS,
    "NR_REG_DEFAULT": NR_REG_DEFAULT, "NR_REG_ALL_NIC": NR_REG_ALL_NIC, "NR_REG_SW": NR_REG_SW, "NR_REG_NIC_SW": NR_REG_NIC_SW,
    "NR_REG_ONE_NIC": NR_REG_ONE_NIC, "NR_REG_PIPE_MASTER": NR_REG_PIPE_MASTER, "NR_REG_PIPE_SLAVE": NR_REG_PIPE_SLAVE,
    "NR_REG_NULL": NR_REG_NULL, "NR_REG_ONE_SW": NR_REG_ONE_SW, "NR_MONITOR_TX": NR_MONITOR_TX, "NR_MONITOR_RX": NR_MONITOR_RX,
    "NR_ZCOPY_MON": NR_ZCOPY_MON, "NR_EXCLUSIVE": NR_EXCLUSIVE, "NR_RX_RINGS_ONLY": NR_RX_RINGS_ONLY, "NR_TX_RINGS_ONLY": NR_TX_RINGS_ONLY,
    "NR_ACCEPT_VNET_HDR": NR_ACCEPT_VNET_HDR, "NR_DO_RX_POLL": NR_DO_RX_POLL, "NR_NO_TX_POLL": NR_NO_TX_POLL, "NS_FORWARD": NS_FORWARD,
    "NS_NO_LEARN": NS_NO_LEARN, "NS_INDIRECT": NS_INDIRECT, "NS_TXMON": NS_TXMON, "NS_PORT_SHIFT": NS_PORT_SHIFT,
    "NR_TIMESTAMP": NR_TIMESTAMP, "NR_FORWARD": NR_FORWARD, "NI_PRIV_MEM": NI_PRIV_MEM, "NS_BUF_CHANGED": NS_BUF_CHANGED,
    "NS_REPORT": NS_REPORT, "NS_MOREFRAG": NS_MOREFRAG, "NIOCCTRL": <long long>NIOCCTRL, "NIOCGINFO": <long long>NIOCGINFO,
    "NIOCREGIF": <long long>NIOCREGIF, "NIOCTXSYNC_LINUX": <long long>NIOCTXSYNC_LINUX, "NIOCRXSYNC_LINUX": <long long>NIOCRXSYNC_LINUX,
    "NIOCTXSYNC_FREEBSD": <long long>NIOCTXSYNC_FREEBSD, "NIOCRXSYNC_FREEBSD": <long long>NIOCRXSYNC_FREEBSD,
}
globals().update(CONSTANTS)


cdef tuple netmap_slot_layout():
    cdef slot s
    cdef char *at = <char *>&s
    return sizeof(slot), {
        "buf_idx": <char *>&s.buf_idx - at, "len": <char *>&s.len - at, "flags": <char *>&s.flags - at, "ptr": <char *>&s.ptr - at,
    }


cdef tuple netmap_ring_layout():
    cdef ring s
    cdef char *at = <char *>&s
    return sizeof(ring), {
        "buf_ofs": <char *>&s.buf_ofs - at, "num_slots": <char *>&s.num_slots - at, "nr_buf_size": <char *>&s.nr_buf_size - at,
        "ringid": <char *>&s.ringid - at, "dir": <char *>&s.dir - at, "head": <char *>&s.head - at, "cur": <char *>&s.cur - at,
        "tail": <char *>&s.tail - at, "flags": <char *>&s.flags - at, "ts": <char *>s.ts - at,
        "offset_mask": <char *>&s.offset_mask - at, "buf_align": <char *>&s.buf_align - at, "sem": <char *>s.sem - at,
        "slot": <char *>s.slots - at,
    }


cdef tuple netmap_if_layout():
    cdef netmap_if s
    cdef char *at = <char *>&s
    return sizeof(netmap_if), {
        "ni_name": <char *>s.ni_name - at, "ni_version": <char *>&s.ni_version - at, "ni_flags": <char *>&s.ni_flags - at,
        "ni_tx_rings": <char *>&s.ni_tx_rings - at, "ni_rx_rings": <char *>&s.ni_rx_rings - at,
        "ni_bufs_head": <char *>&s.ni_bufs_head - at, "ni_host_tx_rings": <char *>&s.ni_host_tx_rings - at,
        "ni_host_rx_rings": <char *>&s.ni_host_rx_rings - at, "ring_ofs": <char *>s.ring_ofs - at,
    }


cdef tuple nmreq_header_layout():
    cdef nmreq_header s
    cdef char *at = <char *>&s
    return sizeof(nmreq_header), {
        "nr_version": <char *>&s.nr_version - at, "nr_reqtype": <char *>&s.nr_reqtype - at, "nr_reserved": <char *>&s.nr_reserved - at,
        "nr_name": <char *>s.nr_name - at, "nr_options": <char *>&s.nr_options - at, "nr_body": <char *>&s.nr_body - at,
    }


cdef tuple nmreq_option_layout():
    cdef nmreq_option s
    cdef char *at = <char *>&s
    return sizeof(nmreq_option), {
        "nro_next": <char *>&s.nro_next - at, "nro_reqtype": <char *>&s.nro_reqtype - at, "nro_status": <char *>&s.nro_status - at,
        "nro_size": <char *>&s.nro_size - at,
    }


cdef tuple nmreq_register_layout():
    cdef nmreq_register s
    cdef char *at = <char *>&s
    return sizeof(nmreq_register), {
        "nr_offset": <char *>&s.nr_offset - at, "nr_memsize": <char *>&s.nr_memsize - at, "nr_tx_slots": <char *>&s.nr_tx_slots - at,
        "nr_rx_slots": <char *>&s.nr_rx_slots - at, "nr_tx_rings": <char *>&s.nr_tx_rings - at,
        "nr_rx_rings": <char *>&s.nr_rx_rings - at, "nr_host_tx_rings": <char *>&s.nr_host_tx_rings - at,
        "nr_host_rx_rings": <char *>&s.nr_host_rx_rings - at, "nr_mem_id": <char *>&s.nr_mem_id - at,
        "nr_ringid": <char *>&s.nr_ringid - at, "nr_mode": <char *>&s.nr_mode - at, "nr_extra_bufs": <char *>&s.nr_extra_bufs - at,
        "nr_flags": <char *>&s.nr_flags - at,
    }


cdef tuple nmreq_port_info_get_layout():
    cdef nmreq_port_info_get s
    cdef char *at = <char *>&s
    return sizeof(nmreq_port_info_get), {
        "nr_memsize": <char *>&s.nr_memsize - at, "nr_tx_slots": <char *>&s.nr_tx_slots - at,
        "nr_rx_slots": <char *>&s.nr_rx_slots - at, "nr_tx_rings": <char *>&s.nr_tx_rings - at,
        "nr_rx_rings": <char *>&s.nr_rx_rings - at, "nr_host_tx_rings": <char *>&s.nr_host_tx_rings - at,
        "nr_host_rx_rings": <char *>&s.nr_host_rx_rings - at, "nr_mem_id": <char *>&s.nr_mem_id - at,
    }


cdef tuple nmreq_vale_attach_layout():
    cdef nmreq_vale_attach s
    cdef char *at = <char *>&s
    return sizeof(nmreq_vale_attach), {
        "reg": <char *>&s.reg - at, "port_index": <char *>&s.port_index - at,
    }


cdef tuple nmreq_vale_detach_layout():
    cdef nmreq_vale_detach s
    cdef char *at = <char *>&s
    return sizeof(nmreq_vale_detach), {
        "port_index": <char *>&s.port_index - at,
    }


cdef tuple nmreq_vale_list_layout():
    cdef nmreq_vale_list s
    cdef char *at = <char *>&s
    return sizeof(nmreq_vale_list), {
        "nr_bridge_idx": <char *>&s.nr_bridge_idx - at, "nr_port_idx": <char *>&s.nr_port_idx - at,
    }


cdef tuple nmreq_port_hdr_layout():
    cdef nmreq_port_hdr s
    cdef char *at = <char *>&s
    return sizeof(nmreq_port_hdr), {
        "nr_hdr_len": <char *>&s.nr_hdr_len - at,
    }


cdef tuple nmreq_vale_newif_layout():
    cdef nmreq_vale_newif s
    cdef char *at = <char *>&s
    return sizeof(nmreq_vale_newif), {
        "nr_tx_slots": <char *>&s.nr_tx_slots - at, "nr_rx_slots": <char *>&s.nr_rx_slots - at,
        "nr_tx_rings": <char *>&s.nr_tx_rings - at, "nr_rx_rings": <char *>&s.nr_rx_rings - at, "nr_mem_id": <char *>&s.nr_mem_id - at,
    }


cdef tuple nmreq_vale_polling_layout():
    cdef nmreq_vale_polling s
    cdef char *at = <char *>&s
    return sizeof(nmreq_vale_polling), {
        "nr_mode": <char *>&s.nr_mode - at, "nr_first_cpu_id": <char *>&s.nr_first_cpu_id - at,
        "nr_num_polling_cpus": <char *>&s.nr_num_polling_cpus - at,
    }


cdef tuple nmreq_pools_info_layout():
    cdef nmreq_pools_info s
    cdef char *at = <char *>&s
    return sizeof(nmreq_pools_info), {
        "nr_memsize": <char *>&s.nr_memsize - at, "nr_mem_id": <char *>&s.nr_mem_id - at,
        "nr_if_pool_offset": <char *>&s.nr_if_pool_offset - at, "nr_if_pool_objtotal": <char *>&s.nr_if_pool_objtotal - at,
        "nr_if_pool_objsize": <char *>&s.nr_if_pool_objsize - at, "nr_ring_pool_offset": <char *>&s.nr_ring_pool_offset - at,
        "nr_ring_pool_objtotal": <char *>&s.nr_ring_pool_objtotal - at, "nr_ring_pool_objsize": <char *>&s.nr_ring_pool_objsize - at,
        "nr_buf_pool_offset": <char *>&s.nr_buf_pool_offset - at, "nr_buf_pool_objtotal": <char *>&s.nr_buf_pool_objtotal - at,
        "nr_buf_pool_objsize": <char *>&s.nr_buf_pool_objsize - at,
    }


cdef tuple nmreq_opt_offsets_layout():
    cdef nmreq_opt_offsets s
    cdef char *at = <char *>&s
    return sizeof(nmreq_opt_offsets), {
        "nro_opt": <char *>&s.nro_opt - at, "nro_max_offset": <char *>&s.nro_max_offset - at,
        "nro_initial_offset": <char *>&s.nro_initial_offset - at, "nro_offset_bits": <char *>&s.nro_offset_bits - at,
        "nro_tx_align": <char *>&s.nro_tx_align - at, "nro_min_gap": <char *>&s.nro_min_gap - at,
    }


cdef tuple nmreq_legacy_layout():
    cdef nmreq_legacy s
    cdef char *at = <char *>&s
    return sizeof(nmreq_legacy), {
        "nr_name": <char *>s.nr_name - at, "nr_version": <char *>&s.nr_version - at, "nr_offset": <char *>&s.nr_offset - at,
        "nr_memsize": <char *>&s.nr_memsize - at, "nr_tx_slots": <char *>&s.nr_tx_slots - at,
        "nr_rx_slots": <char *>&s.nr_rx_slots - at, "nr_tx_rings": <char *>&s.nr_tx_rings - at,
        "nr_rx_rings": <char *>&s.nr_rx_rings - at, "nr_ringid": <char *>&s.nr_ringid - at, "nr_cmd": <char *>&s.nr_cmd - at,
        "nr_arg1": <char *>&s.nr_arg1 - at, "nr_arg2": <char *>&s.nr_arg2 - at, "nr_arg3": <char *>&s.nr_arg3 - at,
        "nr_flags": <char *>&s.nr_flags - at,
    }


def layout():
    """{struct: (bytes, {field: offset in bytes})} of what is shared with the module. Of those that end in an array without bounds (netmap_ring,
    netmap_if), the size is that of the header."""
    cdef dict all_of_them = {
        "netmap_slot": netmap_slot_layout(),
        "netmap_ring": netmap_ring_layout(),
        "netmap_if": netmap_if_layout(),
        "nmreq_header": nmreq_header_layout(),
        "nmreq_option": nmreq_option_layout(),
        "nmreq_register": nmreq_register_layout(),
        "nmreq_port_info_get": nmreq_port_info_get_layout(),
        "nmreq_vale_attach": nmreq_vale_attach_layout(),
        "nmreq_vale_detach": nmreq_vale_detach_layout(),
        "nmreq_vale_list": nmreq_vale_list_layout(),
        "nmreq_port_hdr": nmreq_port_hdr_layout(),
        "nmreq_vale_newif": nmreq_vale_newif_layout(),
        "nmreq_vale_polling": nmreq_vale_polling_layout(),
        "nmreq_pools_info": nmreq_pools_info_layout(),
        "nmreq_opt_offsets": nmreq_opt_offsets_layout(),
        "nmreq_legacy": nmreq_legacy_layout(),
    }
    for name, array in (("netmap_ring", "slot"), ("netmap_if", "ring_ofs")):
        all_of_them[name] = (all_of_them[name][1][array], all_of_them[name][1])
    return all_of_them
