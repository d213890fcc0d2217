"""NICs, as far as the emulated mode over veth and a driver of its own agree: registering, receiving, host rings."""
from tests.backends.netmap.world import BUF_CHANGED, FORWARD, IN, OUT, frame, scenario

ADMODE = {"generic_ringsize": 8, "admode": 2}
SW, NIC_SW, ONE_NIC, ONE_SW = 2, 3, 4, 8


def nic(w, name="em0"):
    w.happens("nic", nic=name, slots=8)


def arrive(w, *frames, name="em0"):
    for data in frames:
        w.happens("wire", nic=name, frame=data.hex())


def host(w, *frames, name="em0"):
    for data in frames:
        w.happens("host", nic=name, frame=data.hex())


@scenario(**ADMODE)
def nic_register(w):
    nic(w)
    asks = w.open()
    asks.control("PORT_INFO_GET", "em0")
    for mode in range(11):
        for ringid in (0, 1):
            port = w.open()
            port.register("em0", mode=mode, ringid=ringid)
            port.close()
    for flags in (0x2000, 0x4000, 0x800, 0x8000):
        port = w.open()
        port.register("em0", flags=flags)
        port.close()
    asks.control("POOLS_INFO_GET", "em0")
    asks.control("PORT_HDR_GET", "em0")
    asks.control("PORT_HDR_SET", "em0", hdr_len=12)


@scenario(**ADMODE)
def nic_receives(w):
    nic(w)
    arrive(w, frame(90))                        # before: the system's
    a = w.port("em0")
    a.rxsync()
    arrive(w, frame(1), frame(2, 200), frame(3, 1514))
    a.rxsync()
    a.rx.advance(2)
    a.rxsync()
    for i in range(10, 14):
        arrive(w, frame(i))
        a.poll(IN)
    a.rx.get()
    a.rxsync()
    for i in range(20, 33):
        arrive(w, frame(i, 60 + i))
        a.receive()
    a.rxsync()


@scenario(**ADMODE)
def nic_swaps_receive_buffers(w):
    nic(w)
    a = w.port("em0", extra_bufs=2)
    spare = a.extra
    w.journal.maps[a.number].set_extra([])      # in slots from now on
    arrive(w, frame(1), frame(2), frame(3))
    a.rxsync()
    for i, index in enumerate(spare):
        a.rx.slots[i]["buf_idx"] = index
        a.rx.slots[i]["flags"] = BUF_CHANGED
    a.rx.get()
    a.rxsync()
    for i in range(9):
        arrive(w, frame(10 + i))
        a.receive()


@scenario(**ADMODE)
def nic_broken_indices(w):
    nic(w)
    a = w.port("em0")
    for head, cur in ((9, 9), (2, 2), (1, 0), (0, 2**32 - 1)):
        arrive(w, frame(1))
        a.rxsync()
        a.rx.set(head=(a.rx.head + head) if head < 8 else 9, cur=(a.rx.head + cur) % 8 if cur < 8 else cur)
        a.rxsync()
        a.rxsync()
        a.rx.get()
        a.rxsync()
        a.poll(IN)


@scenario(**ADMODE)
def nic_host_rings(w):
    nic(w)
    a = w.open()
    a.register("em0", mode=SW)
    host(w, frame(1), frame(2, 100))
    a.rxsync()
    r = a.ring("host rx0")
    r.get()
    a.rxsync()
    a.ring("host tx0").put(frame(3), frame(4))
    a.txsync()
    a.txsync()
    host(w, *(frame(10 + i) for i in range(9)))
    a.rxsync()
    r.advance(3)
    a.rxsync()
    a.poll(IN)
    a.poll(OUT)
    r.get()
    a.rxsync()


@scenario(**ADMODE)
def nic_and_host_rings(w):
    nic(w)
    a = w.port("em0", mode=NIC_SW)
    host(w, frame(1))
    arrive(w, frame(2))
    a.rxsync()
    a.poll(IN)
    assert len(a.ring("host rx0").get()) == 1
    assert len(a.rx.get()) == 1
    a.rxsync()
    b = w.open()
    b.register("em0", mode=ONE_SW)
    b.rxsync()


@scenario(**ADMODE)
def nic_forwards_to_the_host(w):
    nic(w)
    a = w.port("em0", mode=NIC_SW)
    a.rx.set(flags=4)                           # NR_FORWARD
    arrive(w, frame(1), frame(2), frame(3))
    a.rxsync()
    a.rx.slots[1]["flags"] = FORWARD
    a.rx.get()
    a.rxsync()
    arrive(w, frame(4))
    a.receive()
    a.rxsync()


@scenario(**ADMODE)
def nic_sends(w):
    """Rings after a send only where all has left: when a driver says so is its own."""
    nic(w)
    a = w.port("em0")
    a.send(frame(1), frame(2, 500))
    a.poll(OUT)
    a.tx.slots[2]["buf_idx"] = 1
    a.send(frame(3))
    a.rxsync()


@scenario(**ADMODE)
def nic_sends_more_than_the_ring_holds(w):
    nic(w)
    a = w.port("em0")
    for i in range(20):
        if a.tx.space:
            a.send(frame(i))
        else:
            a.txsync()


@scenario(buf_num=24, **ADMODE)
def nic_with_few_buffers(w):
    nic(w)
    w.open().register("em0")
    w.open().register("em0", mode=ONE_NIC)
    w.open().control("POOLS_INFO_GET", mem_id=1)


@scenario(buf_size=1024, **ADMODE)
def nic_with_small_buffers(w):
    nic(w)
    w.open().register("em0")


@scenario(**ADMODE)
def nic_pipes_and_monitors(w):
    nic(w)
    a = w.port("em0")
    p, q = w.port("em0{1", tx_slots=4, rx_slots=4), w.port("em0}1", tx_slots=4, rx_slots=4)
    m = w.port("em0", flags=0x200)
    p.send(frame(1))
    q.receive()
    arrive(w, frame(2), frame(3))
    a.receive()
    m.receive()
    rx, tx = a.rx, p.tx                         # the same memory: frames of a NIC go into a pipe by swap
    arrive(w, frame(4))
    a.rxsync()
    r, t = rx.slots[rx.head], tx.slots[tx.head]
    r["buf_idx"], t["buf_idx"] = int(t["buf_idx"]), int(r["buf_idx"])
    t["len"], t["flags"], r["flags"] = r["len"], BUF_CHANGED, BUF_CHANGED
    rx.advance()
    tx.advance()
    p.txsync()
    a.rxsync()
    q.receive()


@scenario(**ADMODE)
def nic_two_share_memory(w):
    nic(w)
    nic(w, "em1")
    a, b = w.port("em0"), w.port("em1")
    arrive(w, frame(1), frame(2))
    a.rxsync()
    rx, tx = a.rx, b.tx
    for _ in range(2):
        r, t = rx.slots[rx.head], tx.slots[tx.head]
        r["buf_idx"], t["buf_idx"] = int(t["buf_idx"]), int(r["buf_idx"])
        t["len"], t["flags"], r["flags"] = r["len"], BUF_CHANGED, BUF_CHANGED
        rx.advance()
        tx.advance()
    a.rxsync()
    b.txsync()


@scenario(**ADMODE)
def nic_attached_to_a_switch(w):
    nic(w)
    asks = w.open()
    a = w.port("vale0:a", tx_slots=8, rx_slots=8)
    asks.control("VALE_ATTACH", "vale0:em0", mode=1)
    w.open().register("em0")
    asks.control("VALE_LIST", "vale0:em0")
    asks.control("VALE_ATTACH", "vale0:em0", mode=1)
    a.send(frame(1))
    asks.control("VALE_DETACH", "vale0:em0")
    asks.control("VALE_ATTACH", "vale0:em0", mode=NIC_SW)
    asks.control("VALE_LIST", bridge_idx=0, port_idx=0)
    a.send(frame(2, dst=b"\xff" * 6))
    asks.control("VALE_DETACH", "vale0:em0")
    used = w.port("em0")
    asks.control("VALE_ATTACH", "vale0:em0", mode=1)
    used.rxsync()
