"""Requests that are refused, and what is said; the NULL port; the legacy call."""
from tests.backends.netmap.world import IN, OUT, frame, scenario


@scenario()
def register_versions(w):
    for version in (0, 1, 11, 13, 14, 15, 16, 65535):
        port = w.open()
        port.control("REGISTER", "vale0:a", version=version, mode=1, tx_slots=4, rx_slots=4)
        port.control("PORT_INFO_GET", "vale0:a", version=version)
        port.close()
    port = w.open()
    port.control("REGISTER", "vale0:a", reserved=1, mode=1, tx_slots=4, rx_slots=4)
    port.control("REGISTER", "vale0:a", no_body=True)
    for unknown in ("REQUEST 0", "REQUEST 16", "REQUEST 99"):
        port.control(unknown, "vale0:a")
        port.control(unknown, "vale0:a", no_body=True)


@scenario()
def register_modes(w):
    for mode in range(11):
        for name in ("vale0:a", "p{1", "nosuch0"):
            port = w.open()
            port.register(name, mode=mode, tx_slots=4, rx_slots=4)
            port.close()


@scenario()
def register_flags(w):
    for bit in range(20):
        port = w.open()
        port.register("vale0:a", flags=1 << bit, tx_slots=4, rx_slots=4)
        port.close()
    for flags in (0x6000, 1 << 40, 2**64 - 1):
        port = w.open()
        port.register("vale0:a", flags=flags, tx_slots=4, rx_slots=4)
        port.close()


@scenario()
def register_twice(w):
    a = w.port("vale0:a", tx_slots=4, rx_slots=4)
    a.control("REGISTER", "vale0:a", mode=1)
    a.control("REGISTER", "vale0:b", mode=1)
    a.txsync()
    again = w.open()
    again.control("REGISTER", "nosuch0", mode=1)
    again.register("vale0:a")
    again.rxsync()


@scenario()
def register_names(w):
    for name in ("", "nosuch0", "n" * 15, "n" * 16, "n" * 63, "n" * 64, ":", "{", "}", "{1", "vale", "nosuch0{1", "nosuch0}1",
                 "netmap:vale0:a", "a/b", "1", "nosuch0^", "nosuch0*", "nosuch0-1"):
        port = w.open()
        if port.register(name, tx_slots=4, rx_slots=4) == 0:
            port.close()


@scenario()
def map_errors(w):
    port = w.open()
    port.map(4096)
    port.control("REGISTER", "vale0:a", mode=1, tx_slots=4, rx_slots=4)
    size = port.answer["nr_memsize"]
    for wrong in (size + 1, size + 4096, size * 2):
        port.map(wrong)
    port.map(size)
    port.txsync()


@scenario()
def options_that_are_refused(w):
    for options in ([{"nro_reqtype": 99, "nro_size": 0}], [{"nro_reqtype": 0}], [{"nro_reqtype": 5, "nro_size": 31}],
                    [{"nro_reqtype": 5, "nro_size": 0}],
                    [w.offsets(64), w.offsets(32)], [{"nro_reqtype": 99}, w.offsets(64)], [w.offsets(64), {"nro_reqtype": 99}],
                    [{"nro_reqtype": 2, "nro_size": 0}], [{"nro_reqtype": 4, "nro_size": 8}]):
        port = w.open()
        port.register("vale0:a", tx_slots=4, rx_slots=4, options=options)
        port.close()
    for request in ("PORT_INFO_GET", "VALE_LIST", "POOLS_INFO_GET", "PORT_HDR_GET", "VALE_NEWIF", "VALE_DELIF"):
        w.open().control(request, "vale0:a", options=[w.offsets(64)])


@scenario()
def extra_buffers(w):
    a = w.port("vale0:a", tx_slots=4, rx_slots=4, extra_bufs=5)
    first = a.extra
    a.txsync()
    w.journal.maps[0].set_extra(first[2:])          # two are the user's to lose
    a.txsync()
    a.close()
    a = w.port("vale0:a", tx_slots=4, rx_slots=4, extra_bufs=5)
    a.close()
    a = w.port("vale0:a", tx_slots=4, rx_slots=4, extra_bufs=0)
    b = w.port("vale0:a", extra_bufs=3)
    b.txsync()
    c = w.port("vale0:a", extra_bufs=2**31)
    w.open().control("POOLS_INFO_GET", mem_id=c.answer["nr_mem_id"])


@scenario()
def extra_buffers_come_back(w):
    keep = w.port("vale0:k", tx_slots=4, rx_slots=4, mem_id=1)
    for spoil in ([], [3, 4], "swap", [100000], [1], [0]):
        a = w.port("vale0:a", tx_slots=4, rx_slots=4, mem_id=1, extra_bufs=4)
        m = w.journal.maps[a.number]
        if spoil == "swap":
            mine = int(a.tx.slots[0]["buf_idx"])
            a.tx.slots[0]["buf_idx"] = a.extra[0]
            a.tx.slots[0]["flags"] = 1
            m.set_extra([*a.extra[1:], mine])
        elif spoil:
            m.set_extra(spoil)
        a.close()
    a = w.port("vale0:a", tx_slots=4, rx_slots=4, mem_id=1, extra_bufs=4)
    keep.txsync()


@scenario()
def memory_information(w):
    asks = w.open()
    for mem_id in (0, 1, 2, 99):
        asks.control("POOLS_INFO_GET", mem_id=mem_id)
    a = w.port("vale0:a", tx_slots=4, rx_slots=4)
    b = w.port("p{1", tx_slots=4, rx_slots=4)
    c = w.port("vale0:c", tx_slots=4, rx_slots=4, mem_id=1)
    for port in (a, b, c, asks):
        for mem_id in (0, 1, 2, 3, 99):
            port.control("POOLS_INFO_GET", mem_id=mem_id)
        port.control("POOLS_INFO_GET", "vale0:a")
    a.close()
    asks.control("POOLS_INFO_GET", mem_id=2)


@scenario(buf_num=32)
def few_buffers(w):
    """Ports in the common memory, until it is used up."""
    asks = w.open()
    open_ports = []
    for i in range(6):
        port = w.open()
        if port.register(f"vale0:p{i}", tx_slots=4, rx_slots=4, mem_id=1) == 0:
            open_ports.append(port)
    asks.control("POOLS_INFO_GET", mem_id=1)
    open_ports[1].close()
    port = w.open()
    port.register("vale0:again", tx_slots=4, rx_slots=4, mem_id=1, extra_bufs=8)
    w.open().register("vale0:none", tx_slots=64, rx_slots=64, mem_id=1)
    w.open().register("vale0:none", tx_slots=2, rx_slots=2, mem_id=1)


@scenario(ring_num=6)
def few_rings(w):
    for i in range(4):
        w.open().register(f"vale0:p{i}", tx_slots=4, rx_slots=4, mem_id=1)


@scenario(if_num=3)
def few_interfaces(w):
    for i in range(5):
        w.open().register(f"vale0:p{i}", tx_slots=4, rx_slots=4, mem_id=1)


@scenario(ring_size=1024)
def small_rings(w):
    for slots in (4, 48, 49, 64, 1024):
        port = w.open()
        port.register("vale0:p", tx_slots=slots, rx_slots=slots, mem_id=1)
        port.close()


@scenario(if_size=128)
def small_interfaces(w):
    for rings in (1, 2, 4, 8, 16):
        port = w.open()
        port.register("vale0:p", tx_slots=4, rx_slots=4, tx_rings=rings, rx_rings=rings, mem_id=1)
        port.close()


@scenario(buf_size=512)
def small_buffers(w):
    a, b = (w.port(f"vale0:{n}", tx_slots=4, rx_slots=4, mem_id=1) for n in "ab")
    a.send(frame(1, 512))
    b.receive()
    a.tx.slots[1]["len"] = 513
    a.tx.advance()
    a.txsync()
    c = w.port("vale0:c", tx_slots=8, rx_slots=8)
    c.send(frame(2, 1514, dst=b"\xff" * 6))
    b.receive()
    a.receive()


@scenario()
def null_port(w):
    port = w.open()
    port.register("any", mode=7)
    port.txsync()
    port.rxsync()
    port.poll(IN | OUT)
    port.close()
    port = w.open()
    port.register("rings", mode=7, tx_rings=1, rx_rings=1, tx_slots=8, rx_slots=8)
    if port.memory and "tx0" in w.journal.maps[port.number].rings:
        port.send(frame(1), frame(2))
        port.txsync()
        port.rxsync()
        port.poll(IN)
        port.poll(OUT)
    for fields in ({"extra_bufs": 4}, {"mem_id": 1, "extra_bufs": 2}, {"tx_slots": 4}, {"host_tx_rings": 1, "host_rx_rings": 1},
                   {"tx_rings": 2, "tx_slots": 4, "rx_slots": 4, "mem_id": 1}):
        port = w.open()
        port.register("n", mode=7, **fields)
    w.open().register("", mode=7)


@scenario()
def legacy_register(w):
    for fields in ({"name": "vale0:a", "tx_slots": 4, "rx_slots": 4, "flags": 1}, {"name": "vale0:a", "version": 11},
                   {"name": "vale0:a", "version": 13},
                   {"name": "vale0:a", "version": 15},
                   {"name": "vale0:b", "flags": 4, "tx_slots": 4, "rx_slots": 4, "tx_rings": 2, "rx_rings": 2, "ringid": 1},
                   {"name": "p", "flags": 5, "ringid": 1, "tx_slots": 4, "rx_slots": 4}, {"name": "p", "flags": 6, "ringid": 1},
                   {"name": "p{2", "flags": 1}, {"name": "nosuch0", "flags": 1}, {"name": "vale0:c", "flags": 0}, {"name": "vale0:d", "flags": 2},
                   {"name": "vale0:e", "flags": 1, "arg3": 4, "tx_slots": 4, "rx_slots": 4}, {"name": "vale0:f", "flags": 1, "arg2": 1},
                   {"name": "vale0:g", "flags": 1, "ringid": 0x1000}, {"name": "vale0:h", "flags": 1, "ringid": 0x2000}, {"name": "", "flags": 1},
                   {"name": "vale0:i", "flags": 9}, {"name": "vale0:j", "flags": 15}):
        port = w.open()
        if port.legacy(**fields) == 0:
            port.map()
            port.txsync()
            port.rxsync()


@scenario()
def legacy_commands(w):
    asks = w.open()
    asks.legacy("LEGACY_GINFO")
    asks.legacy("LEGACY_GINFO", version=11)
    a = w.port("vale0:a", tx_slots=4, rx_slots=4)
    asks.legacy("LEGACY_GINFO", name="vale0:a")
    asks.legacy("LEGACY_GINFO", name="nosuch0")
    a.legacy("LEGACY_GINFO")
    for cmd in range(1, 12):
        if cmd in (10, 11):
            continue
        for name in ("vale0:a", "v0", "nosuch0", ""):
            asks.legacy(name=name, cmd=cmd)
    asks.legacy(name="v0", cmd=7)


@scenario()
def unknown_calls(w):
    port = w.open()
    for number in (0x1234, 0x6990, 0xc0586996, 0xc1106996):
        port.recorder.call_ioctl(port.fd, number, bytearray(512))
    a = w.port("vale0:a", tx_slots=4, rx_slots=4)
    for number in (0x1234, 0x6990):
        a.recorder.call_ioctl(a.fd, number, bytearray(512))
