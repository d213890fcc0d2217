"""Queue disciplines once more, in plain Python from their papers and RFCs: floats and lists, and nothing of the package but its random draws."""

from collections import deque
from math import isqrt

from usnet.backends.fates import draw

KEYED_QUEUE = 19


class Packet:
    def __init__(self, index, size, flow=0, capable=False):
        self.index, self.size, self.flow, self.capable = index, size, flow, capable
        self.marked = False
        self.arrived = 0


def uniform(packet, seed):
    """The random number of this packet, from 0 to 1."""
    return draw(seed, 0, KEYED_QUEUE, packet.index) / 2**64


class Fifo:
    """What all share: one queue with a limit."""

    def __init__(self, ecn=False, packets=float("inf"), octets=float("inf"), seed=0):
        self.q, self.bytes, self.ecn, self.packets, self.octets, self.seed = deque(), 0, ecn, packets, octets, seed
        self.dropped = []

    def mark(self, packet):
        if self.ecn and packet.capable:
            packet.marked = True
        return self.ecn and packet.capable

    def append(self, packet, now):
        """None, or "queue"."""
        if len(self.q) >= self.packets or self.bytes + packet.size > self.octets:
            return "queue"
        packet.arrived = now
        self.q.append(packet)
        self.bytes += packet.size
        return None

    def pop(self):
        if not self.q:
            return None
        packet = self.q.popleft()
        self.bytes -= packet.size
        return packet

    def enqueue(self, packet, now):
        return self.append(packet, now)

    def dequeue(self, now):
        return self.pop()

    def backlog(self):
        return len(self.q)


class Red(Fifo):
    """Floyd and Jacobson 1993, figure 2, with the gentle mode of Floyd 2000; `transmit`: ns of a small packet."""

    def __init__(self, low, high, most, weight, transmit, gentle=True, of_bytes=False, **rest):
        super().__init__(**rest)
        self.low, self.high, self.most, self.weight, self.transmit = low, high, most, weight, transmit
        self.gentle, self.of_bytes = gentle, of_bytes
        self.avg, self.count, self.q_time = 0.0, -1, 0

    def enqueue(self, packet, now):
        if self.q_time is not None:
            self.avg *= (1 - self.weight) ** ((now - self.q_time) // self.transmit)
            self.q_time = None
        else:
            self.avg = (1 - self.weight) * self.avg + self.weight * (self.bytes if self.of_bytes else len(self.q))
        if self.low <= self.avg < (2 * self.high if self.gentle else self.high):
            self.count += 1
            if self.avg < self.high:
                p = self.most * (self.avg - self.low) / (self.high - self.low)
            else:
                p = self.most + (1 - self.most) * (self.avg - self.high) / self.high
            left = 1 - self.count * p
            if left <= 0 or uniform(packet, self.seed) < p / left:
                self.count = 0
                if not self.mark(packet):
                    return "aqm"
        elif self.avg >= self.high:
            self.count = 0
            return "aqm"
        else:
            self.count = -1
        return self.append(packet, now)

    def dequeue(self, now):
        packet = self.pop()
        if packet is None:
            self.q_time = now
        return packet


class Codel(Fifo):
    """RFC 8289, section 5: dodequeue() and deque()."""

    TARGET, INTERVAL, MAXPACKET = 5_000_000, 100_000_000, 1514

    def __init__(self, **rest):
        super().__init__(**rest)
        self.first_above_time = self.drop_next = self.count = self.lastcount = 0
        self.dropping = False

    def control_law(self, t, count):
        return t + isqrt(self.INTERVAL**2 // count)

    def dodequeue(self, now):
        packet, ok_to_drop = self.pop(), False
        if packet is None:
            self.first_above_time = 0
        elif now - packet.arrived < self.TARGET or self.bytes <= self.MAXPACKET:
            self.first_above_time = 0
        elif self.first_above_time == 0:
            self.first_above_time = now + self.INTERVAL
        elif now >= self.first_above_time:
            ok_to_drop = True
        return packet, ok_to_drop

    def dequeue(self, now):
        packet, ok_to_drop = self.dodequeue(now)
        if self.dropping:
            if not ok_to_drop:
                self.dropping = False
            while self.dropping and now >= self.drop_next:
                self.count += 1
                if self.mark(packet):
                    self.drop_next = self.control_law(self.drop_next, self.count)
                    break
                self.dropped.append(packet.index)
                packet, ok_to_drop = self.dodequeue(now)
                if ok_to_drop:
                    self.drop_next = self.control_law(self.drop_next, self.count)
                else:
                    self.dropping = False
        elif ok_to_drop:
            if not self.mark(packet):
                self.dropped.append(packet.index)
                packet, ok_to_drop = self.dodequeue(now)
            self.dropping = True
            delta = self.count - self.lastcount
            self.count = delta if delta > 1 and now - self.drop_next < 16 * self.INTERVAL else 1
            self.drop_next = self.control_law(now, self.count)
            self.lastcount = self.count
        return packet


class FqCodel:
    """RFC 8290, sections 4.1 and 4.2. `bucket`: of a flow, as its hash has it."""

    def __init__(self, quantum, packets, ecn=False):
        self.quantum, self.packets, self.ecn = quantum, packets, ecn
        self.flows, self.credits, self.new, self.old = {}, {}, deque(), deque()
        self.overflowed = []

    @property
    def dropped(self):
        return [*self.overflowed, *(index for flow in self.flows.values() for index in flow.dropped)]

    def backlog(self):
        return sum(len(flow.q) for flow in self.flows.values())

    def enqueue(self, packet, now):
        flow = self.flows.setdefault(packet.flow, Codel(ecn=self.ecn))
        flow.append(packet, now)
        if packet.flow not in self.new and packet.flow not in self.old:
            self.new.append(packet.flow)
            self.credits[packet.flow] = self.quantum
        while self.backlog() > self.packets:
            longest = max(self.flows.values(), key=lambda flow: flow.bytes)
            self.overflowed.append(longest.pop().index)

    def dequeue(self, now):
        while self.new or self.old:
            line = self.new if self.new else self.old
            flow = line[0]
            if self.credits[flow] <= 0:
                self.credits[flow] += self.quantum
                line.popleft()
                self.old.append(flow)
                continue
            packet = self.flows[flow].dequeue(now)
            if packet is not None:
                self.credits[flow] -= packet.size
                return packet
            line.popleft()
            if line is self.new:
                self.old.append(flow)
        return None


class Pie(Fifo):
    """RFC 8033, sections 4 and 5 (5.1, 5.4, 5.5), with measured delays. Times in ns, the controller's in seconds."""

    REF, UPDATE, BURST, ALPHA, BETA, MEAN = 0.015, 15_000_000, 150_000_000, 0.125, 1.25, 1500

    def __init__(self, spread=True, **rest):
        super().__init__(**rest)
        self.spread, self.drop_prob, self.accu, self.delay, self.old = spread, 0.0, 0.0, 0.0, 0.0
        self.allowance, self.last = self.BURST, 0

    def update(self):
        p = self.ALPHA * (self.delay - self.REF) + self.BETA * (self.delay - self.old)
        for below, by in ((1e-6, 2048), (1e-5, 512), (1e-4, 128), (1e-3, 32), (1e-2, 8), (1e-1, 2)):
            if self.drop_prob < below:
                p /= by
                break
        if self.drop_prob >= 0.1 and p > 0.02:
            p = 0.02
        self.drop_prob = max(0.0, self.drop_prob + p)
        if self.delay == 0 and self.old == 0:
            self.drop_prob *= 0.98
        self.drop_prob = min(1.0, self.drop_prob)
        self.allowance = max(0, self.allowance - self.UPDATE)
        if self.drop_prob == 0 and self.delay < self.REF / 2 and self.old < self.REF / 2:
            self.allowance = self.BURST
        self.old = self.delay

    def tick(self, now):
        while self.last + self.UPDATE <= now:
            self.last += self.UPDATE
            self.update()

    def early(self, packet):
        if self.allowance > 0 or (self.old < self.REF / 2 and self.drop_prob < 0.2) or self.bytes <= 2 * self.MEAN:
            return False
        if not self.spread:
            return uniform(packet, self.seed) < self.drop_prob
        if self.drop_prob == 0:
            self.accu = 0.0
        self.accu += self.drop_prob
        if self.accu < 0.85 or (self.accu < 8.5 and uniform(packet, self.seed) >= self.drop_prob):
            return False
        self.accu = 0.0
        return True

    def enqueue(self, packet, now):
        self.tick(now)
        if self.early(packet) and not (self.drop_prob <= 0.1 and self.mark(packet)):
            return "aqm"
        return self.append(packet, now)

    def dequeue(self, now):
        self.tick(now)
        packet = self.pop()
        self.delay = (now - packet.arrived) / 1e9 if packet else 0.0
        return packet


def play(queue, arrivals, each):
    """A link in front of which `queue` stands; `arrivals`: (ns, Packet) in order; `each`: ns of a byte. What is sent as (index, when its transmission
    begins, marked) in that order, and the set of what is dropped."""
    sent, lost, free = [], set(), 0

    def serve(until):
        nonlocal free
        while free is not None and free <= until:
            packet = queue.dequeue(free)
            if packet is None:
                free = None
                return
            sent.append((packet.index, free, packet.marked))
            free += packet.size * each

    def arrive(now, packet):
        nonlocal free
        serve(now)
        if queue.enqueue(packet, now) is not None:
            lost.add(packet.index)
            if free is None:
                assert queue.dequeue(now) is None
        elif free is None:
            free = now
            serve(now)

    free = None
    for now, packet in arrivals:
        arrive(now, packet)
    serve(float("inf"))
    return sent, lost | set(queue.dropped)
