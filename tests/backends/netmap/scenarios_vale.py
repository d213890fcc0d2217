"""VALE switches: forwarding, learning, drops, private memory, persistent ports, and the switch's own calls."""
from tests.backends.netmap.world import IN, MOREFRAG, NO_LEARN, OUT, frame, scenario

A, B, C = (bytes([2, 0, 0, 0, 0, n]) for n in (10, 11, 12))
ALL = b"\xff" * 6
GROUP = b"\x01\0\x5e\0\0\x01"


def ports(w, *names, slots=8, **fields):
    return [w.port(name, tx_slots=slots, rx_slots=slots, **fields) for name in names]


def all_receive(*ports):
    return [port.receive() for port in ports]


@scenario()
def vale_unknown_known_and_broadcast(w):
    a, b, c = ports(w, "vale0:a", "vale0:b", "vale0:c")
    a.send(frame(1, dst=B, src=A))              # nobody is known: to all
    all_receive(a, b, c)
    b.send(frame(2, dst=A, src=B))
    all_receive(a, b, c)
    a.send(frame(3, dst=B, src=A))              # known
    all_receive(a, b, c)
    a.send(frame(4, dst=ALL, src=A), frame(5, dst=GROUP, src=A))
    all_receive(a, b, c)
    c.send(frame(6, dst=C, src=C))              # to itself
    all_receive(a, b, c)
    c.send(frame(7, dst=A, src=B))              # B moves to c
    a.send(frame(8, dst=B, src=A))
    all_receive(a, b, c)


@scenario()
def vale_no_learning(w):
    a, b, c = ports(w, "vale0:a", "vale0:b", "vale0:c")
    b.send(frame(1, dst=ALL, src=B), flags=NO_LEARN)
    a.send(frame(2, dst=B, src=A))
    all_receive(a, b, c)
    b.send(frame(3, dst=ALL, src=GROUP))        # a group address is no source
    a.send(frame(4, dst=GROUP, src=A))
    all_receive(a, b, c)


@scenario()
def vale_learns_again_when_a_port_leaves(w):
    a, b, c = ports(w, "vale0:a", "vale0:b", "vale0:c")
    b.send(frame(1, dst=ALL, src=B))
    all_receive(a, c)
    a.send(frame(2, dst=B, src=A))
    b.close()
    a.send(frame(3, dst=B, src=A))
    all_receive(a, c)
    b = w.port("vale0:b", tx_slots=8, rx_slots=8)
    a.send(frame(4, dst=B, src=A))
    all_receive(a, b, c)


@scenario()
def vale_short_and_long_frames(w):
    a, b = ports(w, "vale0:a", "vale0:b")
    for size in (0, 1, 12, 13, 14, 15, 59, 60, 64, 65, 1514, 1518, 2047, 2048):
        a.tx.write(a.tx.head, frame(1, 2048)[:size])
        a.tx.advance()
        a.txsync()
        b.receive()
        b.rxsync()


@scenario()
def vale_full_receiver_drops(w):
    a, b = ports(w, "vale0:a", "vale0:b", slots=4)
    for i in range(3):
        a.send(frame(3 * i), frame(3 * i + 1), frame(3 * i + 2))
    b.rxsync()
    b.rx.advance(1)
    b.rxsync()
    a.send(frame(20), frame(21))
    b.receive()
    b.rxsync()
    a.send(frame(22))
    b.receive()


@scenario()
def vale_uneven_receivers(w):
    a = w.port("vale0:a", tx_slots=16, rx_slots=4)
    b = w.port("vale0:b", tx_slots=3, rx_slots=3)
    c = w.port("vale0:c", tx_slots=5, rx_slots=16)
    for burst in range(4):
        a.send(*(frame(burst * 10 + i, dst=ALL, src=A) for i in range(9)))
        b.receive()
        if burst % 2:
            c.receive()
    b.send(frame(90, dst=ALL, src=B), frame(91, dst=A, src=B))
    all_receive(a, b, c)


@scenario()
def vale_nobody_else(w):
    a, = ports(w, "vale0:a")
    a.send(frame(1), frame(2))
    a.txsync()
    a.receive()
    a.poll()


@scenario()
def vale_two_switches(w):
    a, b, c = ports(w, "vale0:a", "vale1:a", "vale0:b")
    a.send(frame(1))
    b.send(frame(2))
    all_receive(a, b, c)


@scenario()
def vale_frames_in_several_slots(w):
    a, b, c = ports(w, "vale0:a", "vale0:b", "vale0:c", slots=16)
    a.tx.put(frame(1, 300), frame(2, 200), flags=MOREFRAG)
    a.tx.put(frame(3, 100))
    a.tx.put(frame(4))
    a.txsync()
    all_receive(b, c)
    a.tx.put(frame(5, 100), frame(6, 100), flags=MOREFRAG)
    a.txsync()                                  # cut short by head
    all_receive(b, c)
    a.tx.put(frame(7, 100))
    a.txsync()
    all_receive(b, c)


@scenario()
def vale_several_slots_and_little_room(w):
    a = w.port("vale0:a", tx_slots=32, rx_slots=8)
    b = w.port("vale0:b", tx_slots=8, rx_slots=5)
    for count in (2, 3, 2, 5, 3):
        for i in range(count):
            a.tx.put(frame(count * 16 + i, 80), flags=MOREFRAG if i < count - 1 else 0)
    a.txsync()
    b.receive()
    b.rxsync()
    for i in range(6):
        a.tx.put(frame(i, 80), flags=MOREFRAG if i < 5 else 0)
    a.tx.put(frame(99))
    a.txsync()
    b.receive()


@scenario()
def vale_too_many_slots(w):
    a, b = ports(w, "vale0:a", "vale0:b", slots=256)
    for count in (63, 64, 65, 70):
        for i in range(count):
            a.tx.put(frame(i, 30), flags=MOREFRAG if i < count - 1 else 0)
        a.tx.put(frame(200 - count))
        a.txsync()
        b.receive()


@scenario(bridge_batch=4)
def vale_small_batch(w):
    a, b = ports(w, "vale0:a", "vale0:b", slots=32)
    a.send(*(frame(i) for i in range(11)))
    b.receive()
    for i in range(7):
        a.tx.put(frame(i, 30), flags=MOREFRAG if i < 6 else 0)
    a.txsync()
    b.receive()


@scenario()
def vale_several_rings(w):
    a = w.port("vale0:a", tx_slots=4, rx_slots=4, tx_rings=2, rx_rings=3)
    b = w.port("vale0:b", tx_slots=8, rx_slots=8, tx_rings=2, rx_rings=2)
    a.ring("tx1").put(frame(1))
    a.tx.put(frame(2))
    a.txsync()
    b.rxsync()
    for i in range(2):
        b.ring(f"tx{i}").put(frame(10 + i, dst=A, src=B), frame(20 + i, dst=A, src=B))
    b.txsync()
    a.rxsync()
    for i in range(3):
        a.ring(f"rx{i}").get()
    a.rxsync()
    a.poll()


@scenario()
def vale_one_ring_each(w):
    whole = w.port("vale0:a", tx_slots=4, rx_slots=4, tx_rings=2, rx_rings=2)
    one = w.open()
    one.register("vale0:a", mode=4, ringid=1)
    for ringid in (2, 9, 65535):
        w.open().register("vale0:a", mode=4, ringid=ringid)
    b = w.port("vale0:b", tx_slots=4, rx_slots=4)
    one.ring("tx1").put(frame(1))
    one.txsync()
    b.receive()
    whole.txsync()
    whole.close()
    b.send(frame(2))
    one.rxsync()
    one.poll()


@scenario()
def vale_exclusive(w):
    a = w.port("vale0:a", tx_slots=4, rx_slots=4, flags=0x800)
    w.open().register("vale0:a")
    a.close()
    w.port("vale0:a", tx_slots=4, rx_slots=4)
    w.open().register("vale0:a", flags=0x800)
    both = w.open()
    both.register("vale0:a")
    both.rxsync()


@scenario()
def vale_two_descriptors_one_port(w):
    a, again = w.port("vale0:a", tx_slots=4, rx_slots=4), w.port("vale0:a")
    b = w.port("vale0:b", tx_slots=4, rx_slots=4)
    b.send(frame(1))
    again.rxsync()
    a.receive()
    again.close()
    b.send(frame(2))
    a.receive()


@scenario()
def vale_swap_within_a_port(w):
    """Private memory: the port's own rings share it, so that a bridge port may echo by swap."""
    a, b = ports(w, "vale0:a", "vale0:b", slots=4)
    for i in range(5):
        a.send(frame(i, 70, dst=B, src=A))
        b.rxsync()
        rx, tx = b.rx, b.tx
        r, t = rx.slots[rx.head], tx.slots[tx.head]
        r["buf_idx"], t["buf_idx"] = int(t["buf_idx"]), int(r["buf_idx"])
        t["len"], t["flags"], r["flags"] = r["len"], 1, 1
        tx.write(tx.head, frame(i, 70, dst=A, src=B), 1)
        rx.advance()
        tx.advance()
        b.txsync()
        b.rxsync()
        a.receive()


@scenario()
def vale_indices_of_another_port(w):
    """Memory is private: an index that is good elsewhere is bad here."""
    a = w.port("vale0:a", tx_slots=4, rx_slots=4)
    b = w.port("vale0:b", tx_slots=64, rx_slots=64)
    a.tx.slots[0]["buf_idx"] = int(b.tx.slots[60]["buf_idx"])
    a.tx.slots[0]["len"] = 60
    a.tx.advance()
    a.txsync()
    b.receive()


@scenario()
def vale_poll(w):
    a, b = ports(w, "vale0:a", "vale0:b", slots=4)
    for port in (a, b):
        for events in (0, IN, OUT, IN | OUT):
            port.poll(events)
    a.tx.put(frame(1), frame(2), frame(3))
    a.poll(IN)
    a.poll(OUT)
    b.poll(IN)
    b.poll(IN)
    b.rx.get()
    b.poll(OUT)
    b.poll(IN)


@scenario()
def vale_names(w):
    for name in ("vale0:", "vale:a", "vale0", "vale0:a:b", "vale9:a", "valeX:a", "vale_long_switch:p", "vale0:a_name_of_fifteen",
                 "vale0:" + "n" * 40, "vale0:" + "n" * 60, "vale0:a b", "Vale0:a", "vale-1:a", "vale0:a/x", "vale0:a@1"):
        port = w.open()
        if port.register(name, tx_slots=4, rx_slots=4) == 0:
            port.close()


@scenario(max_bridges=2)
def vale_too_many_switches(w):
    for i in range(4):
        w.open().register(f"vale{i}:a", tx_slots=4, rx_slots=4)


@scenario()
def vale_list_and_info(w):
    asks = w.open()
    asks.control("VALE_LIST")
    a, b, c = ports(w, "vale0:a", "vale1:b", "vale0:c", slots=4)
    for name in ("vale0:a", "vale0:c", "vale1:b", "vale0:x", "vale7:a", "vale0:", ""):
        asks.control("VALE_LIST", name)
    for bridge, port in ((0, 0), (0, 1), (0, 2), (1, 0), (2, 0), (7, 0), (8, 0), (60000, 0), (0, 254), (0, 100000)):
        asks.control("VALE_LIST", bridge_idx=bridge, port_idx=port)
    for name in ("vale0:a", "vale0:c", "vale0:nobody", "vale5:x", "nosuch"):
        w.open().control("PORT_INFO_GET", name)
    a.control("PORT_INFO_GET", "vale0:a")
    a.control("PORT_INFO_GET", "")
    b.close()
    asks.control("VALE_LIST", bridge_idx=1)
    c.close()
    asks.control("VALE_LIST", port_idx=1)


@scenario()
def vale_persistent_ports(w):
    asks = w.open()
    asks.control("VALE_NEWIF", "v0", tx_slots=8, rx_slots=16, tx_rings=1, rx_rings=2)
    asks.control("VALE_NEWIF", "v0")
    asks.control("VALE_NEWIF", "vale0:x")
    asks.control("VALE_NEWIF", "")
    asks.control("VALE_NEWIF", "v1", tx_slots=4, rx_slots=4, mem_id=1)
    asks.control("VALE_NEWIF", "v2", mem_id=99)
    asks.control("VALE_NEWIF", "v3", no_body=True)
    asks.control("VALE_NEWIF", "v4", tx_slots=100000, rx_slots=1, tx_rings=50, rx_rings=50)
    asks.control("VALE_DELIF", "nosuch")
    asks.control("PORT_INFO_GET", "v0")
    asks.control("VALE_ATTACH", "vale0:v0", mode=1)
    asks.control("VALE_ATTACH", "vale0:v0", mode=1)
    asks.control("VALE_LIST", "vale0:v0")
    asks.control("VALE_DELIF", "v0")
    one = w.port("vale0:b", tx_slots=4, rx_slots=4)
    one.send(frame(1))
    asks.control("VALE_DETACH", "vale0:v0")
    asks.control("VALE_DETACH", "vale0:v0")
    used = w.open()
    used.register("v0")
    asks.control("VALE_DELIF", "v0")
    used.close()
    asks.control("VALE_DELIF", "v0")
    asks.control("VALE_DELIF", "v1")
    asks.control("VALE_DELIF", "v4")
    asks.control("VALE_DELIF", "v0")


@scenario()
def vale_persistent_port_in_traffic(w):
    asks = w.open()
    asks.control("VALE_NEWIF", "v0", tx_slots=8, rx_slots=8)
    v, b = w.open(), w.port("vale0:b", tx_slots=8, rx_slots=8)
    v.register("v0")
    b.send(frame(1))
    v.receive()
    asks.control("VALE_ATTACH", "vale0:v0", mode=1)
    asks.control("VALE_DELIF", "v0")
    v.close()
    asks.control("VALE_DELIF", "v0")


@scenario()
def vale_attach_errors(w):
    asks = w.open()
    for name in ("vale0:nosuch", "vale0:", "nosuch", "", "vale0:lo:x"):
        asks.control("VALE_ATTACH", name, mode=1)
        asks.control("VALE_DETACH", name)
    asks.control("VALE_ATTACH", "vale0:lo")
    asks.control("VALE_ATTACH", "vale0:lo", mode=4)
    asks.control("VALE_ATTACH", "vale0:x", mode=1, no_body=True)
    a = w.port("vale0:a", tx_slots=4, rx_slots=4)
    asks.control("VALE_ATTACH", "vale0:a", mode=1)
    asks.control("VALE_DETACH", "vale0:a")
    for call in ("VALE_POLLING_ENABLE", "VALE_POLLING_DISABLE"):
        asks.control(call, "vale0:a", body={"nr_mode": 1, "nr_num_polling_cpus": 1})
        asks.control(call, "vale0:nosuch", body={"nr_mode": 1})
        asks.control(call, "nosuch")
    a.control("VALE_DETACH", "vale0:a")


@scenario()
def vale_in_the_common_memory(w):
    a, b = (w.port(f"vale0:{n}", tx_slots=4, rx_slots=4, mem_id=1) for n in "ab")
    a.send(frame(1))
    b.receive()
    c = w.port("vale0:c", tx_slots=4, rx_slots=4)
    d = w.open()
    d.register("vale0:d", tx_slots=4, rx_slots=4, mem_id=c.answer["nr_mem_id"])
    w.open().register("vale0:e", mem_id=77)
    w.open().register("vale0:a", mem_id=c.answer["nr_mem_id"])
    a.send(frame(2))
    for port in (b, c):
        port.receive()


@scenario()
def vale_slots_and_rings_asked_for(w):
    for fields in ({}, {"tx_slots": 1, "rx_slots": 1}, {"tx_slots": 2, "rx_slots": 2}, {"tx_slots": 4096, "rx_slots": 4096},
                   {"tx_slots": 5000, "rx_slots": 2**31}, {"tx_slots": 3, "rx_slots": 7},
                   {"tx_rings": 16, "rx_rings": 16, "tx_slots": 4, "rx_slots": 4},
                   {"tx_rings": 17, "rx_rings": 1, "tx_slots": 4, "rx_slots": 4}, {"host_tx_rings": 3, "host_rx_rings": 2, "tx_slots": 4}):
        port = w.open()
        port.control("REGISTER", "vale0:a", mode=1, **fields)
        port.close()
