"""netmap's numbers and layouts, against what its headers give on a 64-bit machine."""
import pytest

from usnet.backends.netmap.abi import CONSTANTS, layout

LAYOUTS = {
    "netmap_slot": (16, {"buf_idx": 0, "len": 4, "flags": 6, "ptr": 8}),
    "netmap_ring": (256, {"buf_ofs": 0, "num_slots": 8, "nr_buf_size": 12, "ringid": 16, "dir": 18, "head": 20, "cur": 24, "tail": 28,
                          "flags": 32, "ts": 40, "offset_mask": 56, "buf_align": 64, "sem": 128, "slot": 256}),
    "netmap_if": (56, {"ni_name": 0, "ni_version": 16, "ni_flags": 20, "ni_tx_rings": 24, "ni_rx_rings": 28, "ni_bufs_head": 32,
                       "ni_host_tx_rings": 36, "ni_host_rx_rings": 40, "ring_ofs": 56}),
    "nmreq_header": (88, {"nr_version": 0, "nr_reqtype": 2, "nr_reserved": 4, "nr_name": 8, "nr_options": 72, "nr_body": 80}),
    "nmreq_option": (24, {"nro_next": 0, "nro_reqtype": 8, "nro_status": 12, "nro_size": 16}),
    "nmreq_register": (56, {"nr_offset": 0, "nr_memsize": 8, "nr_tx_slots": 16, "nr_rx_slots": 20, "nr_tx_rings": 24, "nr_rx_rings": 26,
                            "nr_host_tx_rings": 28, "nr_host_rx_rings": 30, "nr_mem_id": 32, "nr_ringid": 34, "nr_mode": 36,
                            "nr_extra_bufs": 40, "nr_flags": 48}),
    "nmreq_port_info_get": (32, {"nr_memsize": 0, "nr_tx_slots": 8, "nr_rx_slots": 12, "nr_tx_rings": 16, "nr_rx_rings": 18,
                                 "nr_host_tx_rings": 20, "nr_host_rx_rings": 22, "nr_mem_id": 24}),
    "nmreq_vale_attach": (64, {"reg": 0, "port_index": 56}),
    "nmreq_vale_detach": (8, {"port_index": 0}),
    "nmreq_vale_list": (8, {"nr_bridge_idx": 0, "nr_port_idx": 4}),
    "nmreq_port_hdr": (8, {"nr_hdr_len": 0}),
    "nmreq_vale_newif": (16, {"nr_tx_slots": 0, "nr_rx_slots": 4, "nr_tx_rings": 8, "nr_rx_rings": 10, "nr_mem_id": 12}),
    "nmreq_vale_polling": (16, {"nr_mode": 0, "nr_first_cpu_id": 4, "nr_num_polling_cpus": 8}),
    "nmreq_pools_info": (64, {"nr_memsize": 0, "nr_mem_id": 8, "nr_if_pool_offset": 16, "nr_if_pool_objtotal": 24, "nr_if_pool_objsize": 28,
                              "nr_ring_pool_offset": 32, "nr_ring_pool_objtotal": 40, "nr_ring_pool_objsize": 44, "nr_buf_pool_offset": 48,
                              "nr_buf_pool_objtotal": 56, "nr_buf_pool_objsize": 60}),
    "nmreq_opt_offsets": (56, {"nro_opt": 0, "nro_max_offset": 24, "nro_initial_offset": 32, "nro_offset_bits": 40, "nro_tx_align": 44,
                               "nro_min_gap": 48}),
    "nmreq_legacy": (60, {"nr_name": 0, "nr_version": 16, "nr_offset": 20, "nr_memsize": 24, "nr_tx_slots": 28, "nr_rx_slots": 32,
                          "nr_tx_rings": 36, "nr_rx_rings": 38, "nr_ringid": 40, "nr_cmd": 42, "nr_arg1": 44, "nr_arg2": 46, "nr_arg3": 48,
                          "nr_flags": 52}),
}

NUMBERS = {
    "NETMAP_API": 14, "NETMAP_MAX_API": 15, "NETMAP_REQ_IFNAMSIZ": 64, "NETMAP_MAX_FRAGS": 64, "NIOCCTRL": 0xC0586997, "NIOCGINFO": 0xC03C6991,
    "NIOCREGIF": 0xC03C6992, "NIOCTXSYNC_LINUX": 0x6994, "NIOCRXSYNC_LINUX": 0x6995, "NIOCTXSYNC_FREEBSD": 0x20006994,
    "NIOCRXSYNC_FREEBSD": 0x20006995,
    "NETMAP_REQ_REGISTER": 1, "NETMAP_REQ_PORT_INFO_GET": 2, "NETMAP_REQ_VALE_ATTACH": 3, "NETMAP_REQ_VALE_DETACH": 4, "NETMAP_REQ_VALE_LIST": 5,
    "NETMAP_REQ_PORT_HDR_SET": 6, "NETMAP_REQ_PORT_HDR_GET": 7, "NETMAP_REQ_VALE_NEWIF": 8, "NETMAP_REQ_VALE_DELIF": 9,
    "NETMAP_REQ_VALE_POLLING_ENABLE": 10, "NETMAP_REQ_VALE_POLLING_DISABLE": 11, "NETMAP_REQ_POOLS_INFO_GET": 12,
    "NETMAP_REQ_SYNC_KLOOP_START": 13, "NETMAP_REQ_SYNC_KLOOP_STOP": 14, "NETMAP_REQ_CSB_ENABLE": 15,
    "NETMAP_REQ_OPT_EXTMEM": 1, "NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS": 2, "NETMAP_REQ_OPT_CSB": 3, "NETMAP_REQ_OPT_SYNC_KLOOP_MODE": 4,
    "NETMAP_REQ_OPT_OFFSETS": 5,
    "NR_REG_DEFAULT": 0, "NR_REG_ALL_NIC": 1, "NR_REG_SW": 2, "NR_REG_NIC_SW": 3, "NR_REG_ONE_NIC": 4, "NR_REG_PIPE_MASTER": 5,
    "NR_REG_PIPE_SLAVE": 6, "NR_REG_NULL": 7, "NR_REG_ONE_SW": 8,
    "NR_MONITOR_TX": 0x100, "NR_MONITOR_RX": 0x200, "NR_ZCOPY_MON": 0x400, "NR_EXCLUSIVE": 0x800, "NR_RX_RINGS_ONLY": 0x2000,
    "NR_TX_RINGS_ONLY": 0x4000, "NR_ACCEPT_VNET_HDR": 0x8000, "NR_DO_RX_POLL": 0x10000, "NR_NO_TX_POLL": 0x20000,
    "NS_BUF_CHANGED": 1, "NS_REPORT": 2, "NS_FORWARD": 4, "NS_NO_LEARN": 8, "NS_INDIRECT": 0x10, "NS_MOREFRAG": 0x20, "NS_TXMON": 0x40,
    "NS_PORT_SHIFT": 8, "NR_TIMESTAMP": 2, "NR_FORWARD": 4, "NI_PRIV_MEM": 1,
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_struct_lies_in_memory_as_netmap_lays_it_out(name):
    assert layout()[name] == LAYOUTS[name]


def test_no_struct_is_left_out():
    assert layout().keys() == LAYOUTS.keys()


def test_numbers_are_netmaps():
    assert {name: CONSTANTS[name] for name in NUMBERS} == NUMBERS
