"""Receives frames from a netmap port and counts them, or shows them.

python examples/netmap_receiver.py vale0:b                  counts until Ctrl-C
python examples/netmap_receiver.py netmap:eth0/r --show     a monitor: what eth0 receives, while another program uses it
"""

import argparse
import sys

from usnet.backends import netmap


def receive(port, most, timeout, show, counts):
    """Takes frames until there are `most` (None: for ever), or none came for `timeout` seconds (None: waits for ever), and counts."""
    while most is None or counts["frames"] < most:
        ready = port.poll(timeout)
        if not ready:
            return
        if ready & netmap.Ready.ERR:
            print("the interface is down or gone")
            return
        for ring in port.rx_rings:
            slots = 0
            for slot in ring:
                if most is not None and counts["frames"] == most:
                    break
                if show:
                    print(f"{slot.len:5} bytes:", slot.data[port.hdr_len : port.hdr_len + 32].hex(" "))
                counts["bytes"] += slot.len
                slots += 1
                if not slot.flags & netmap.NS_MOREFRAG:
                    counts["bytes"] -= port.hdr_len
                    counts["frames"] += 1
            ring.advance(slots)


def main(argv=None, device=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", help='"netmap:eth0", "vale0:b", "netmap:eth0^" for what the machine sends, ...')
    parser.add_argument("--count", type=int, help="end after so many frames")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="end when none came for so long")
    parser.add_argument("--show", action="store_true", help="print the first bytes of each frame")
    options = parser.parse_args(argv)
    counts = {"frames": 0, "bytes": 0}
    with netmap.open(options.port, device) as port:
        try:
            receive(port, options.count, options.timeout, options.show, counts)
        except KeyboardInterrupt:
            pass
        port.rxsync()  # gives the last buffers back
    print(f"received {counts['frames']} frames, {counts['bytes']} bytes")
    return counts


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError) as error:
        sys.exit(f"netmap_receiver: {getattr(error, 'strerror', None) or error}")
