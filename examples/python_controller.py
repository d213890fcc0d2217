"""A congestion controller of one's own, written in Python, and CUBIC: each alone on a link with a deep queue, then both on it.

python examples/python_controller.py
python examples/python_controller.py --target 5 --seconds 60

`Calm` goes by delay: it wants its own packets to wait in queues for no longer than a target. It slows down before the queue is full, and so
has it to itself only while nobody fills it: beside CUBIC it gets what that leaves.
"""

import argparse

import usnet
from usnet.tcp.congestion.scripted import PythonController, register

RATE, DELAY, QUEUE = "20Mbit", "10ms", 256
LEVELS = "▁▂▃▄▅▆▇█"
MS = 10**6


class Calm(PythonController):
    """A segment more in each round trip while packets wait for less than `target`, an eighth less of the window when they wait for longer."""

    target = 10 * MS

    def start(self):
        self.shortest = self.judged = self.acked = 0

    def on_ack(self, acked):
        if not self.srtt:
            return
        self.shortest = min(self.shortest or self.srtt, self.srtt)
        waits = self.srtt - self.shortest
        if self.cwnd < self.ssthresh and waits < self.target // 2:
            self.cwnd += acked              # slow start
            return
        self.ssthresh = min(self.ssthresh, self.cwnd)
        self.acked += acked
        if self.acked < self.cwnd:
            return                          # not a round trip yet
        self.acked = 0
        self.cwnd += self.mss if waits < self.target else -(self.cwnd // 8)


register("calm", Calm)


def contest(controllers, seconds, seed):
    """Senders with these controllers at one link: for each its Mbit/s, how long its packets waited on average (ms), how many were sent again, and its
    window, ten times a second.
    """
    world = usnet.World(seed=seed)
    receiver = world.host("receiver", "10.0.0.100/24")
    switch = world.switch("switch")
    world.link(switch, receiver, rate=RATE, delay=DELAY, queue=QUEUE)
    senders, windows, waits = [], [[] for _ in controllers], [[] for _ in controllers]
    for i, controller in enumerate(controllers):
        sender = world.host(f"sender-{i}", f"10.0.0.{i + 1}/24", config={"congestion": controller})
        world.link(sender, switch)
        senders.append(sender)
    received = [0] * len(controllers)

    def send(host):
        with usnet.create_connection(("10.0.0.100", 5001)) as sock:
            while world.now < seconds * 10**9:
                sock.send(bytes(65536))

    def receive():
        with usnet.create_server(("", 5001)) as listener:
            for _ in controllers:
                sock, (address, _) = listener.accept()
                receiver.run(count, sock, int(address.rpartition(".")[2]) - 1)

    def count(sock, i):
        with sock:
            while data := sock.recv(65536):
                received[i] += len(data) if world.now < seconds * 10**9 else 0

    def look():
        while world.now < seconds * 10**9:
            yield world.env.timeout(100 * MS)
            for i, sender in enumerate(senders):
                for connection in sender.stack.connections():
                    windows[i].append(connection.cwnd)
                    waits[i].append(connection.srtt - connection.min_rtt)

    receiver.run(receive)
    for i, sender in enumerate(senders):
        sender.run(send, i)
    world.process(look())
    world.run()
    return [
        (
            8 * received[i] / seconds / 1e6,
            sum(waits[i]) / max(1, len(waits[i])) / MS,
            sender.statistics()["tcp"]["retransmits"],
            windows[i],
        )
        for i, sender in enumerate(senders)
    ]


def picture(windows, width=64):
    """Windows over time, as high as the largest."""
    most = max(windows)
    parts = [windows[i * len(windows) // width : max((i + 1) * len(windows) // width, i * len(windows) // width + 1)] for i in range(width)]
    return "".join(LEVELS[round(sum(part) / len(part) / most * (len(LEVELS) - 1))] for part in parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", type=float, default=10, help="ms that packets of calm may wait")
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    Calm.target = int(options.target * MS)
    print("            Mbit/s   waits   sent again   window")
    for controllers in (["calm"], ["cubic"], ["calm", "cubic"]):
        print(" and ".join(controllers) + ":")
        found = contest(controllers, options.seconds, options.seed)
        for name, (rate, wait, again, windows) in zip(controllers, found, strict=True):
            print(f"  {name:8}{rate:8.2f}{wait:6.0f} ms{again:10}   {picture(windows)} {max(windows) // 1448}")


if __name__ == "__main__":
    main()
