"""Joins two netmap ports: what one receives, the other sends, both ways. Without copying where they share a memory region.

python examples/netmap_bridge.py netmap:eth0 netmap:eth1
python examples/netmap_bridge.py netmap:eth0 netmap:eth0^       an interface and its own host: the machine goes on using it
"""

import argparse
import select
import sys

from usnet.backends import netmap


def whole_frames(ring, most):
    """Slots, at most so many, that end with the end of a frame."""
    found = 0
    for i, slot in enumerate(ring, 1):
        if i > most:
            break
        if not slot.flags & netmap.NS_MOREFRAG:
            found = i
    return found


class Way:
    """One direction of the bridge."""

    def __init__(self, source, target, copy):
        self.source, self.target = source, target
        self.copy = copy or source.mem_id != target.mem_id
        self.frames = 0

    def move(self):
        """Hands over as much as there is on one side and room for on the other."""
        for ring in self.source.rx_rings:
            for out in self.target.tx_rings:
                count = whole_frames(ring, out.space)
                for _, taken, free in zip(range(count), ring, out, strict=False):
                    if self.copy:
                        free.data = taken.data
                        free.flags = taken.flags & netmap.NS_MOREFRAG
                    else:
                        free.flags = 0
                        free.swap(taken)
                    self.frames += not free.flags & netmap.NS_MOREFRAG
                ring.advance(count)
                out.advance(count)

    def is_stuck(self):
        """Frames wait, and there is no room for them."""
        return any(ring.space for ring in self.source.rx_rings)


def bridge(first, second, there, back, most=None, timeout=None):
    """Moves frames until `most` were moved (None: for ever), or nothing came for `timeout` seconds."""
    while most is None or there.frames + back.frames < most:
        # Room to send is there nearly always: it is waited for only where frames wait for it, and then no more frames are
        waiting = [
            first.watch(out=back.is_stuck(), receive=not there.is_stuck()),
            second.watch(out=there.is_stuck(), receive=not back.is_stuck()),
        ]
        if not select.select(waiting, [], [], timeout)[0]:
            return
        for port in (first, second):
            port.rxsync()
        there.move()
        back.move()
        for port in (first, second):
            port.txsync()


def main(argv=None, device=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", help='"netmap:eth0", "vale0:a", ...')
    parser.add_argument("second")
    parser.add_argument("--count", type=int, help="end after so many frames")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="end when none came for so long")
    parser.add_argument("--copy", action="store_true", help="copy even where buffers could be swapped")
    options = parser.parse_args(argv)
    with netmap.open(options.first, device) as first, netmap.open(options.second, device) as second:
        if first.hdr_len != second.hdr_len:
            parser.error("one port has a virtio-net header in front of its frames, the other has another one or none")
        there, back = Way(first, second, options.copy), Way(second, first, options.copy)
        try:
            bridge(first, second, there, back, options.count, options.timeout)
        except KeyboardInterrupt:
            pass
        how = "copied" if there.copy else "swapped"
        print(f"{there.frames} frames from {first.name} to {second.name}, {back.frames} back; buffers were {how}")
    return there.frames, back.frames


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError) as error:
        sys.exit(f"netmap_bridge: {getattr(error, 'strerror', None) or error}")
