"""Segments that lie at or near the edges of the window, ICMP errors, and an application that does anything, against stacks with room for next to
nothing.

Worlds (test_random_worlds) make what two stacks say to each other; this makes what no stack would say. For many of them, as under sanitizers
(CONTRIBUTING.md): `python -m tests.stack.test_random_segments FIRST COUNT`.
"""

import random
import socket
import struct

import pytest

from tests.stack.many import run_many
from usnet.tcp.states import illegal_transitions
from usnet.testing.cable import PEER, PEER_MAC, US, US_MAC, Cable
from usnet.wire.mirror import EthHeader, IcmpHeader, Ipv4Header, TcpHeader

MASK = 0xFFFFFFFF
MS = 1_000_000
PORTS = (80, 81, 40000, 40001)
FLAGS = (16, 16, 16, 16, 24, 17, 17, 2, 2, 18, 4, 20, 1, 0, 63, 25)


def stack_for(draw, seed):
    return Cable(
        seed=seed,
        slots=draw.choice((4, 8, 256)),
        limits={
            "max_connections": draw.choice((2, 4, 8)),
            "max_chunks": draw.choice((2, 8, 32)),
            "max_sockets": draw.choice((2, 6, 16)),
        },
        timestamps=draw.randrange(2),
        window_scaling=draw.randrange(2),
        rto_min=5 * MS,
        rto_max=2000 * MS,
        msl=100 * MS,
        fin_wait_2=500 * MS,
        syn_retries=3,
        synack_retries=2,
        data_retries=4,
        orphan_retries=3,
        max_backlog=draw.choice((0, 2)),
        max_syn_queue=draw.choice((1, 3)),
        rcvbuf=draw.choice((2048, 10000, 1 << 20)),
        sndbuf=draw.choice((2048, 1 << 20)),
    )


class Chaos:
    def __init__(self, seed):
        self.draw = random.Random(seed)
        self.cable = stack_for(self.draw, seed)
        self.stack = self.cable.stack
        self.socks = []
        self.epoll = None

    # The peer

    def near(self, base, span):
        """A sequence number at an edge of [base, base + span], near one, or anywhere."""
        draw = self.draw
        steps = (0, 0, 0, 0, 1, -1, draw.randint(-span, span), draw.randint(-3000, 3000), span, span - 1, -span, draw.getrandbits(32))
        return (base + draw.choice(steps)) & MASK

    def numbers(self):
        """(our port, the peer's, seq, ack, timestamps) that mostly belong to a connection."""
        draw = self.draw
        fields = [self.stack.core.snapshot(c) for c in self.stack.core.connections()]
        known = [k for k in fields if k["state"] != "LISTEN" and k["rport"]]
        if not known or draw.random() < 0.1:
            return draw.choice(PORTS), draw.choice(PORTS), draw.getrandbits(32), draw.getrandbits(32), None
        k = draw.choice(known)
        seq = self.near(k["rcv_nxt"], (k["rcv_adv"] - k["rcv_nxt"]) & 0xFFFF)
        ack = draw.choice((k["snd_max"], k["snd_max"], k["snd_nxt"], self.near(k["snd_una"], (k["snd_max"] - k["snd_una"]) & 0xFFFF)))
        value = draw.choice((k["ts_recent"], k["ts_recent"] + 1, k["ts_recent"] - 1, draw.getrandbits(32))) & MASK
        return k["lport"], k["rport"], seq, ack, (value, draw.getrandbits(32)) if draw.random() < 0.7 else None

    def segment(self):
        draw = self.draw
        ours, theirs, seq, ack, timestamps = self.numbers()
        if draw.random() < 0.05:
            inner = Ipv4Header(US, PEER, 6, total_len=40).to_bytes() + TcpHeader(ours, theirs, ack, 0, 16).to_bytes(b"", US, PEER)[:8]
            kind, code, rest = draw.choice((3, 11, 12)), draw.choice((0, 1, 2, 3, 4, 13)), draw.choice((0, 68, 552, 576, 1400, 65535))
            return self.put(1, IcmpHeader(kind, code, rest).to_bytes(inner))
        flags = draw.choice((*FLAGS, draw.getrandbits(6)))
        syn = flags & 2
        header = TcpHeader(
            theirs, ours, seq, ack, flags, draw.choice((0, 1, 100, 65535, 65535, draw.getrandbits(16))), draw.choice((0, 0, 1)),
            mss=draw.choice((None, 0, 1, 48, 536, 1460, 65535)) if syn else None, wscale=draw.choice((None, 0, 7, 14)) if syn else None,
            sack_ok=bool(syn and draw.randrange(2)), timestamps=timestamps,
        )  # fmt: skip
        return self.put(6, header.to_bytes(bytes(draw.choice((0, 0, 0, 1, 2, 100, 1460, 1400))), PEER, US))

    def put(self, proto, body):
        header = Ipv4Header(PEER, US, proto, total_len=20 + len(body))
        self.cable.wire.send(EthHeader(US_MAC, PEER_MAC, 0x0800).to_bytes() + header.to_bytes() + body)  # lost when the ring is full
        if self.draw.random() < 0.6:
            self.stack.run_once()

    def wait(self):
        self.cable.clock.advance(self.draw.choice((0, 1000, MS, 40 * MS, 300 * MS, 3000 * MS)))
        if self.draw.random() < 0.8:
            self.cable.wire.receive()
        self.stack.run_once()

    # The application: errors are part of the game

    def open(self):
        sock = self.stack.socket()
        sock.setblocking(False)
        self.socks.append(sock)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if self.draw.random() < 0.7:
            sock.bind((US, self.draw.choice(PORTS)))
        if self.draw.random() < 0.5:
            sock.listen(self.draw.choice((0, 1, 3)))
        else:
            sock.connect((PEER, self.draw.choice(PORTS)))

    def accept(self, sock):
        made, _ = sock.accept()
        made.setblocking(False)
        self.socks.append(made)

    def send(self, sock):
        sock.send(bytes(self.draw.choice((1, 1000, 5000, 100000))))

    def receive(self, sock):
        sock.recv(self.draw.choice((0, 1, 100, 1 << 20)), self.draw.choice((0, 0, socket.MSG_PEEK)))

    def shut(self, sock):
        sock.shutdown(self.draw.randrange(3))

    def close(self, sock):
        if self.draw.random() < 0.3:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socks.remove(sock)
        sock.close()

    def watch(self, sock):
        if self.epoll is None:
            self.epoll = self.stack.epoll()
        deed = self.draw.randrange(5)
        if deed < 2:
            self.epoll.register(sock, self.draw.choice((1, 5, 4 | 1 << 31, 5 | 1 << 30)))
        elif deed == 2:
            self.epoll.unregister(sock)
        elif deed == 3:
            self.epoll.poll(0)
        elif self.draw.random() < 0.2:
            self.epoll.close()
            self.epoll = None

    DEEDS = (accept, accept, send, receive, receive, shut, close, close, watch)

    def act(self):
        try:
            if not self.socks or self.draw.random() < 0.1:
                self.open()
            else:
                self.draw.choice(self.DEEDS)(self, self.draw.choice(self.socks))
        except OSError:
            pass

    def run(self):
        for _ in range(self.draw.choice((50, 300, 1000))):
            dice = self.draw.random()
            (self.segment if dice < 0.6 else self.wait if dice < 0.7 else self.act)()
        for sock in self.socks:
            sock.close()
        if self.epoll is not None:
            self.epoll.close()
        for _ in range(400):
            self.cable.clock.advance(500 * MS)
            self.cable.wire.receive()
            self.stack.run_once()
        memory = self.cable.memory()
        memory.pop("neighbours")
        assert not any(memory.values()), f"something stays: {memory}"


def run_chaos(seed):
    illegal = illegal_transitions()
    chaos = Chaos(seed)
    try:
        chaos.run()
        assert illegal_transitions() == illegal, "a transition that RFC 9293 does not know"
    except BaseException as error:
        error.add_note(f"in run_chaos({seed})")
        raise
    finally:
        chaos.stack.close(linger=0)


@pytest.mark.parametrize("first", range(0, 200, 20))
def test_whatever_a_peer_sends_and_an_application_does_all_memory_comes_back(first):
    for seed in range(first, first + 20):
        run_chaos(seed)


if __name__ == "__main__":
    run_many(run_chaos, Cable.opened.clear)
