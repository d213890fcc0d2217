"""Monitors, copying and zero-copy, and offsets of frames in their buffers."""
from tests.backends.netmap.world import BUF_CHANGED, IN, MOREFRAG, frame, scenario

TX, RX, ZCOPY = 0x100, 0x200, 0x400


def pipe(w, slots=4, **fields):
    return (w.port("p{1", tx_slots=slots, rx_slots=slots, **fields), w.port("p}1", tx_slots=slots, rx_slots=slots, **fields))


def monitor(flags, direction):
    def program(w):
        a, b = pipe(w)
        m = w.open()
        if m.register("p{1", flags=flags) != 0:
            return
        name = direction + "0"
        for i in range(7):
            a.send(frame(i, 60 + i))
            b.receive()
            b.send(frame(100 + i))
            a.receive()
            a.txsync()
            if i % 3 == 2:
                m.rxsync()
                if "rx0" in w.journal.maps[m.number].rings:
                    m.rx.get()
                m.rxsync()
        m.poll(IN)
        m.txsync()
        m.ring(name) if name in w.journal.maps[m.number].rings else None
        m.close()
        a.send(frame(50))
        b.receive()
    program.__name__ = f"monitor_{'zcopy' if flags & ZCOPY else 'copy'}_{direction}{'_both' if flags & TX and flags & RX else ''}"
    return program


for _flags, _direction in ((TX, "tx"), (RX, "rx"), (TX | RX, "rx"), (TX | ZCOPY, "tx"), (RX | ZCOPY, "rx"), (TX | RX | ZCOPY, "rx")):
    scenario()(monitor(_flags, _direction))


def slow_monitor(flags, name):
    def program(w):
        a, b = pipe(w, 5)
        m = w.open()
        m.register("p{1", flags=flags)
        for i in range(12):
            a.send(frame(i), frame(i + 20))
            b.receive()
            b.rxsync()
            a.txsync()
        m.rxsync()
        m.rx.advance(2)
        m.rxsync()
        for i in range(3):
            a.send(frame(i + 40))
            b.receive()
            b.rxsync()
            a.txsync()
        m.rxsync()
        m.rx.get()
        m.rxsync()
        a.txsync()
    program.__name__ = name
    return program


scenario()(slow_monitor(TX, "monitor_copy_that_is_slow"))
scenario()(slow_monitor(TX | ZCOPY, "monitor_zcopy_that_is_slow"))


def vale_monitor(flags, name):
    def program(w):
        a, b = (w.port(f"vale0:{n}", tx_slots=8, rx_slots=8) for n in "ab")
        m = w.open()
        if m.register("vale0:a", flags=flags) != 0:
            return
        for i in range(6):
            a.send(frame(i, 60 + i), frame(i + 10))
            b.send(frame(i + 100, dst=b"\xff" * 6))
            a.receive()
            b.receive()
            m.rxsync()
            m.rx.get()
        m.rxsync()
    program.__name__ = name
    return program


for _flags, _name in ((TX, "copy_tx"), (RX, "copy_rx"), (TX | RX, "copy_both"), (TX | ZCOPY, "zcopy_tx"), (RX | ZCOPY, "zcopy_rx")):
    scenario()(vale_monitor(_flags, f"monitor_vale_{_name}"))


@scenario()
def monitors_two_of_one_port(w):
    a, b = pipe(w)
    m, n = w.port("p{1", flags=TX), w.port("p{1", flags=TX)
    a.send(frame(1))
    m.receive()
    n.receive()
    m.close()
    a.send(frame(2))
    n.receive()
    b.receive()


@scenario()
def monitors_two_zcopy(w):
    a, b = pipe(w)
    m, n = w.port("p{1", flags=TX | ZCOPY), w.port("p{1", flags=TX | ZCOPY)
    for i in range(4):
        a.send(frame(i))
        b.receive()
        b.rxsync()
        a.txsync()
        m.receive()
        n.receive()
    w.open().register("p{1", flags=TX)
    w.open().register("p{1", flags=RX | ZCOPY)


@scenario()
def monitor_errors(w):
    for name in ("nosuch0", "vale0:nobody", "p{1"):
        for flags in (TX, RX, TX | ZCOPY):
            w.open().register(name, flags=flags)
    _a, _b = pipe(w)
    for flags, fields in ((TX, {"mode": 4, "ringid": 3}), (TX, {"mode": 2}), (ZCOPY, {}), (TX | ZCOPY, {"mem_id": 1}), (TX, {"mem_id": 1}),
                          (TX, {"tx_slots": 4, "rx_slots": 64})):
        port = w.open()
        port.register("p{1", flags=flags, **fields)
        port.close()
    w.port("p{1", flags=TX)
    again = w.open()
    again.register("p{1", flags=TX | ZCOPY)


@scenario()
def monitor_outlives_its_port(w):
    for flags in (TX, TX | ZCOPY, RX):
        a, b = pipe(w)
        m = w.port("p{1", flags=flags)
        a.send(frame(1))
        a.close()
        m.rxsync()
        m.rx.get()
        m.rxsync()
        m.poll(IN)
        b.close()
        m.rxsync()
        m.close()


@scenario()
def offsets_on_pipes(w):
    for largest, initial, bits in ((128, 64, 0), (128, 0, 16), (0, 0, 0), (2048, 0, 0), (5000, 0, 0),
                                   (64, 128, 0), (128, 64, 7), (128, 64, 6), (128, 64, 65)):
        option = w.offsets(largest, initial, bits)
        a, b = w.open(), w.open()
        if a.register("p{1", tx_slots=4, rx_slots=4, options=[option]) == 0:
            b.register("p}1", tx_slots=4, rx_slots=4, options=[option])
            a.send(frame(1))
            if b.memory:
                b.receive()
            a.tx.slots[1]["ptr"] = 100
            a.send(frame(2))
            if b.memory:
                b.receive()
                b.rxsync()
            a.tx.slots[2]["ptr"] = 2040
            a.send(frame(3, 60))
            if b.memory:
                b.receive()
            a.tx.set(cur=99)
            a.txsync()
        a.close()
        b.close()


@scenario()
def offsets_on_vale(w):
    a = w.port("vale0:a", tx_slots=4, rx_slots=4, options=[w.offsets(128, 32)])
    b = w.port("vale0:b", tx_slots=4, rx_slots=4, options=[w.offsets(256, 64)])
    c = w.port("vale0:c", tx_slots=4, rx_slots=4)
    a.send(frame(1), frame(2, 100))
    b.receive()
    c.receive()
    b.send(frame(3, 1514, dst=b"\xff" * 6))
    a.receive()
    c.receive()
    a.tx.slots[2]["ptr"] = 17
    a.send(frame(4))
    b.receive()
    b.rx.slots[b.rx.tail]["ptr"] = 0
    c.send(frame(5, 2048))
    a.receive()
    b.receive()
    a.tx.put(frame(6, 100), flags=MOREFRAG)
    a.tx.put(frame(7, 100))
    a.txsync()
    b.receive()
    c.receive()


@scenario()
def offsets_of_two_descriptors(w):
    w.port("vale0:a", tx_slots=4, rx_slots=4, options=[w.offsets(128, 32)])
    for option in ([], [w.offsets(128, 32)], [w.offsets(64)], [w.offsets(256)], [w.offsets(128, 0, 16)]):
        port = w.open()
        port.register("vale0:a", options=option)
        port.close()
    w.port("vale0:b", tx_slots=4, rx_slots=4)
    w.open().register("vale0:b", options=[w.offsets(64)])
    w.open().register("vale0:c", tx_slots=4, rx_slots=4, options=[w.offsets(64, 0, 0, 16)])
    w.open().register("vale0:d", tx_slots=4, rx_slots=4, options=[w.offsets(64, 0, 0, 3)])
    w.open().register("vale0:e", tx_slots=4, rx_slots=4, options=[w.offsets(64, 0, 0, 0, 8)])


@scenario()
def offsets_and_swap(w):
    a, b = pipe(w, options=[w.offsets(128, 16)])
    a.send(frame(1))
    b.rxsync()
    rx, tx = b.rx, b.tx
    r, t = rx.slots[rx.head], tx.slots[tx.head]
    r["buf_idx"], t["buf_idx"] = int(t["buf_idx"]), int(r["buf_idx"])
    t["len"], t["ptr"] = r["len"], r["ptr"]
    r["flags"] = t["flags"] = BUF_CHANGED
    rx.advance()
    tx.advance()
    b.txsync()
    b.rxsync()
    a.receive()
