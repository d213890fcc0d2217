"""A megabyte over ever worse links: what loss costs, and that not a byte is wrong at the end.

python examples/lossy_transfer.py                       no loss, 1 %, 3 %, 10 %
python examples/lossy_transfer.py --loss 0.2 --seed 7
"""

import argparse
import hashlib

import usnet

SIZE = 1_000_000
DATA = hashlib.shake_128(b"lossy_transfer").digest(SIZE)


def transfer(loss, seed):
    """Moves DATA over a link with this loss, each way: (seconds of virtual time, retransmissions, the digest of the
    run).
    """
    world = usnet.World(seed=seed)
    sender = world.host("sender", "10.0.0.1/24")
    receiver = world.host("receiver", "10.0.0.2/24")
    world.link(sender, receiver, rate="20Mbit", delay="10ms", loss=loss)
    ended = []

    def send():
        with usnet.create_connection(("10.0.0.2", 5001)) as sock:
            sock.sendall(DATA)

    def receive():
        with usnet.create_server(("", 5001)) as listener:
            sock, _ = listener.accept()
        with sock:
            received = b"".join(iter(lambda: sock.recv(65536), b""))
        assert received == DATA, "TCP broke its promise"
        ended.append(world.now)

    receiver.run(receive)
    sender.run(send)
    world.run()
    return ended[0] / 1e9, sender.statistics()["tcp"]["retransmits"], world.digest()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--loss", type=float, action="append", help="chance of each frame, from 0 to 1; may be given again"
    )
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print("  loss   seconds   Mbit/s   sent again   digest")
    for loss in options.loss or (0, 0.01, 0.03, 0.1):
        seconds, again, digest = transfer(loss, options.seed)
        print(f"{100 * loss:5.1f} %{seconds:10.3f}{8 * SIZE / seconds / 1e6:9.2f}{again:13}   {digest}")


if __name__ == "__main__":
    main()
