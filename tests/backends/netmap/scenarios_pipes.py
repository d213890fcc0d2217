"""Pipes, and what a ring's user may do wrong: pipes are where the module's own rules show most plainly."""
from tests.backends.netmap.world import BUF_CHANGED, IN, MOREFRAG, OUT, REPORT, frame, scenario


def pair(w, slots=8, **fields):
    """Both ends of a pipe; the parent is a VALE port that the first open makes."""
    return (w.port("p{1", tx_slots=slots, rx_slots=slots, **fields), w.port("p}1", tx_slots=slots, rx_slots=slots, **fields))


@scenario()
def pipe_frames_both_ways(w):
    a, b = pair(w)
    a.send(frame(1), frame(2, 100))
    assert len(b.receive()) == 2
    b.rxsync()
    b.send(frame(3, 1514))
    assert a.receive() == [frame(3, 1514)]
    a.txsync()
    b.txsync()
    a.rxsync()


@scenario()
def pipe_full_and_back_pressure(w):
    a, b = pair(w, 4)
    assert a.send(frame(1), frame(2), frame(3)) == 0
    assert a.tx.space == 0
    a.txsync()
    b.rxsync()
    b.rx.advance(1)
    b.rxsync()
    a.txsync()
    a.send(frame(4))
    b.rx.advance(2)
    b.rxsync()
    a.txsync()
    b.receive()
    b.rxsync()
    a.txsync()


@scenario()
def pipe_wraps_around(w):
    a, b = pair(w, 5)
    for i in range(13):
        a.send(frame(i, 60 + i))
        b.receive()
        if i % 3 == 0:
            b.rxsync()
            a.txsync()


@scenario()
def pipe_of_odd_and_unequal_rings(w):
    a = w.port("p{1", tx_slots=7, rx_slots=3)
    b = w.port("p}1", tx_slots=3, rx_slots=7)
    for i in range(5):
        a.send(frame(i), frame(i + 100))
        b.receive()
        b.send(frame(i + 50))
        a.receive()
    for i in range(6):
        a.tx.put(frame(i))
    a.txsync()
    b.rxsync()


@scenario()
def pipe_two_slots(w):
    a, b = pair(w, 2)
    for i in range(4):
        a.send(frame(i))
        a.txsync()
        b.receive()
        b.rxsync()
        a.txsync()


@scenario()
def pipe_frames_in_several_slots(w):
    a, b = pair(w, 8)
    a.tx.put(frame(1, 200), frame(2, 200), flags=MOREFRAG)
    a.tx.put(frame(3, 50))
    a.txsync()
    b.rxsync()
    b.rx.get()
    a.tx.put(frame(4), frame(5), flags=MOREFRAG)
    a.txsync()                          # cut short by head
    b.rxsync()
    a.send(frame(6))
    b.rxsync()
    b.rx.get()
    b.rxsync()


@scenario()
def pipe_flags_of_slots(w):
    a, b = pair(w, 8)
    for flags in (BUF_CHANGED, REPORT, 0x4, 0x8, 0x40, 0x80, 0xff00, MOREFRAG | REPORT):
        a.tx.put(frame(flags & 0xff), flags=flags)
        a.txsync()
        b.receive()
    b.rxsync()
    a.txsync()


@scenario()
def pipe_swap_with_extra_buffers(w):
    a = w.port("p{1", tx_slots=4, rx_slots=4, extra_bufs=3)
    b = w.port("p}1", tx_slots=4, rx_slots=4)
    spare = a.extra
    a.send(frame(1))
    b.rxsync()
    tx = a.tx
    mine = int(tx.slots[1]["buf_idx"])
    tx.slots[1]["buf_idx"] = spare[0]
    tx.write(1, frame(2), BUF_CHANGED)
    tx.advance()
    a.txsync()
    b.receive()
    b.rxsync()
    a.txsync()
    w.journal.maps[0].set_extra([*spare[1:], mine])
    a.txsync()


@scenario()
def pipe_forward_by_swap(w):
    """A bridge between two pipes of the same memory: receive and transmit slots exchange buffers."""
    a, b = w.port("p{1", tx_slots=4, rx_slots=4), w.port("p}1", tx_slots=4, rx_slots=4)
    c, d = w.port("p{2", tx_slots=4, rx_slots=4), w.port("p}2", tx_slots=4, rx_slots=4)
    for i in range(5):
        a.send(frame(i, 70 + i))
        b.rxsync()
        rx, tx = b.rx, c.tx
        r, t = rx.slots[rx.head], tx.slots[tx.head]
        r["buf_idx"], t["buf_idx"] = int(t["buf_idx"]), int(r["buf_idx"])
        t["len"] = r["len"]
        r["flags"] = t["flags"] = BUF_CHANGED
        rx.advance()
        tx.advance()
        c.txsync()
        b.rxsync()
        assert d.receive() == [frame(i, 70 + i)]


@scenario()
def pipe_slots_that_are_kept(w):
    a, b = pair(w, 6)
    a.send(*(frame(i) for i in range(5)))
    b.rxsync()
    b.rx.set(head=2, cur=3)
    b.rxsync()
    a.txsync()
    a.send(frame(9))
    b.rxsync()
    b.rx.set(head=3)
    b.rxsync()
    b.rx.get()
    b.rxsync()
    a.txsync()


BROKEN = {
    "cur_behind_head": lambda r: {"head": (r.head + 2) % r.n, "cur": (r.head + 1) % r.n},
    "head_outside": lambda r: {"head": r.n, "cur": r.n},
    "head_far_outside": lambda r: {"head": 2**32 - 1, "cur": 0},
    "cur_outside": lambda r: {"cur": 2**32 - 1},
    "cur_is_size": lambda r: {"cur": r.n},
    "head_beyond_tail": lambda r: {"head": (r.tail + 1) % r.n, "cur": (r.tail + 1) % r.n},
    "cur_beyond_tail": lambda r: {"cur": (r.tail + 1) % r.n},
    "head_goes_back": lambda r: {"head": (r.head - 1) % r.n},
    "head_and_cur_go_back": lambda r: {"head": (r.head - 1) % r.n, "cur": (r.head - 1) % r.n},
    "tail_overwritten": lambda r: {"tail": (r.tail + 1) % r.n},
    "tail_outside": lambda r: {"tail": 77},
    "tail_and_head": lambda r: {"tail": (r.tail + 2) % r.n, "head": (r.tail + 1) % r.n, "cur": (r.tail + 1) % r.n},
    "head_outside_and_tail": lambda r: {"tail": 0, "head": r.n, "cur": 1},
    "num_slots": lambda r: {"num_slots": 99, "nr_buf_size": 1, "ringid": 7, "dir": 5, "flags": 0x10},
}


def broken(direction, name):
    def program(w):
        a, b = pair(w, 8)
        a.send(*(frame(i) for i in range(4)))
        b.rxsync()
        b.rx.advance(2)
        b.rxsync()
        a.txsync()
        port, sync = (a, a.txsync) if direction == "tx" else (b, b.rxsync)
        ring = port.ring(direction + "0")
        # A slot in the kernel's part and one in the user's are spoilt too, so that what a reset does to slots shows.
        ring.slots[(ring.tail + 1) % 8]["buf_idx"] = 1
        ring.slots[(ring.tail + 2) % 8]["len"] = 5000
        ring.set(**BROKEN[name](ring))
        sync()
        sync()
        a.send(frame(8), frame(9))
        b.receive()
        b.rxsync()
        a.txsync()
        a.poll()
        b.poll()
    program.__name__ = f"broken_{direction}_{name}"
    return program


for _direction in ("tx", "rx"):
    for _name in BROKEN:
        scenario()(broken(_direction, _name))


@scenario()
def broken_seen_by_poll(w):
    for direction, events in (("tx", OUT), ("rx", IN)):
        for name in ("cur_behind_head", "head_outside", "cur_outside", "tail_outside"):
            a, b = pair(w, 8)
            a.send(*(frame(i) for i in range(4)))
            b.rxsync()
            port = a if direction == "tx" else b
            ring = port.ring(direction + "0")
            ring.set(**BROKEN[name](ring))
            port.poll(events)
            port.poll(events)
            port.poll(IN | OUT)
            a.close()
            b.close()


@scenario()
def broken_buffers(w):
    """Bad indices and lengths, in the user's slots and the kernel's, with indices that are good."""
    for index, length in ((0, 60), (1, 60), (100000, 60), (2**32 - 1, 60), (None, 2049), (None, 65535), (None, 2048), (None, 0), (None, 1)):
        for direction in ("tx", "rx"):
            a, b = pair(w, 8)
            a.send(*(frame(i) for i in range(4)))
            b.rxsync()
            ring = a.tx if direction == "tx" else b.rx
            if index is not None:
                ring.slots[ring.head]["buf_idx"] = index
            ring.slots[ring.head]["len"] = length
            ring.slots[ring.head]["flags"] = BUF_CHANGED
            ring.advance()
            if direction == "tx":
                a.txsync()
                b.rxsync()
                # What a reset makes of them
                ring.set(cur=99)
                a.txsync()
            else:
                b.rxsync()
                ring.set(cur=99)
                b.rxsync()
            a.txsync()
            a.close()
            b.close()


@scenario()
def pipe_other_end_closes(w):
    a, b = pair(w, 4)
    a.send(frame(1), frame(2))
    b.close()
    a.send(frame(3))
    a.txsync()
    a.rxsync()
    a.poll(OUT)
    b = w.port("p}1", tx_slots=4, rx_slots=4)
    b.rxsync()
    a.send(frame(4))
    b.receive()
    b.send(frame(5))
    a.close()
    b.rxsync()
    b.receive()
    b.send(frame(6))


@scenario()
def pipe_one_end_alone(w):
    a = w.port("p{1", tx_slots=4, rx_slots=4)
    a.send(frame(1), frame(2), frame(3))
    a.txsync()
    a.rxsync()
    a.poll()
    b = w.port("p}1")
    b.rxsync()
    b.receive()
    a.txsync()


@scenario()
def pipe_several_rings(w):
    a = w.port("p{1", tx_slots=4, rx_slots=4, tx_rings=2, rx_rings=2)
    b = w.port("p}1", tx_slots=4, rx_slots=4, tx_rings=2, rx_rings=2)
    a.ring("tx1").put(frame(1))
    a.tx.put(frame(2))
    a.txsync()
    b.rxsync()
    assert b.ring("rx1").get() == [frame(1)]
    b.rxsync()
    b.poll()
    c = w.open()
    c.register("p}1", mode=4, ringid=1)
    c.rxsync()


@scenario()
def pipe_ids_and_errors(w):
    a = w.port("p{1", tx_slots=4, rx_slots=4)
    w.open().register("p{1")
    for name in ("p{1x", "p{", "p{-1", "p{255", "p{256", "p{65535", "p{65536", "{1", "p{1}1", "p{1{2", "nothing-there{name", "p}2"):
        w.open().register(name, tx_slots=4, rx_slots=4)
    for slots in (0, 1, 3, 4096, 5000):
        port = w.open()
        port.register(f"p{{a{slots}", tx_slots=slots, rx_slots=slots)
        port.close()
    a.register("p{3")


@scenario()
def pipe_of_a_vale_port(w):
    parent = w.port("vale0:a", tx_slots=8, rx_slots=8)
    a = w.port("vale0:a{1", tx_slots=4, rx_slots=4)
    b = w.port("vale0:a}1", tx_slots=4, rx_slots=4)
    a.send(frame(1))
    b.receive()
    parent.send(frame(2))
    parent.close()
    a.send(frame(3))
    b.receive()


@scenario()
def poll_of_pipes(w):
    a, b = pair(w, 4)
    for events in (0, IN, OUT, IN | OUT):
        a.poll(events)
        b.poll(events)
    a.tx.put(frame(1))
    a.poll(IN)                          # sends: poll transmits whatever is asked for
    b.poll(IN)
    b.poll(IN)
    b.rx.get()
    b.poll(IN)
    a.tx.put(frame(2), frame(3), frame(4))
    a.poll(OUT)
    a.poll(OUT)
    b.poll(IN)
    b.rx.set(head=2, cur=2)
    b.poll(IN)
    b.rx.set(cur=b.rx.tail)
    b.poll(IN)
    a.poll(OUT)


@scenario()
def poll_without_transmit(w):
    a = w.port("p{1", tx_slots=4, rx_slots=4, flags=0x20000)
    b = w.port("p}1", tx_slots=4, rx_slots=4, flags=0x10000)
    a.tx.put(frame(1))
    a.poll(IN)
    b.poll(OUT)                         # receives too: NR_DO_RX_POLL
    a.poll(OUT)
    b.poll(OUT)
    b.rx.get()
    b.poll(IN)


@scenario()
def poll_unregistered(w):
    a = w.open()
    a.poll(IN)
    a.poll(OUT)
    a.poll(IN | OUT)
    a.txsync()
    a.rxsync()
    a.map(4096)
    a.close()


@scenario()
def one_direction(w):
    a = w.port("p{1", tx_slots=4, rx_slots=4, flags=0x4000)
    b = w.port("p}1", tx_slots=4, rx_slots=4, flags=0x2000)
    a.send(frame(1))
    b.receive()
    a.poll()
    b.poll()
    a.rxsync()
    b.txsync()
    w.open().register("p{2", flags=0x6000)
