"""Sends UDP frames on a netmap port, as fast as it goes or at a rate.

python examples/netmap_sender.py vale0:a                                     frames of 60 bytes, until Ctrl-C
python examples/netmap_sender.py netmap:eth0 --count 1000000 --length 1500 --rate 10000 --to 02:00:00:00:00:02
"""

import argparse
import struct
import sys
import time

from usnet.backends import netmap

BATCH = 256  # frames between two syncs, at most


def address(text):
    return bytes(int(byte, 16) for byte in text.split(":"))


def udp_frame(source, to, length):
    """Ethernet, IPv4 and UDP headers, from 10.0.0.1 to 10.0.0.2, port 1234 to the discard port, and zeros."""
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, length - 14, 0, 0, 64, 17, 0, bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2]))
    total = sum(struct.unpack("!10H", ip))
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    ip = ip[:10] + struct.pack("!H", total ^ 0xFFFF) + ip[12:]
    return (to + source + b"\x08\x00" + ip + struct.pack("!HHHH", 1234, 9, length - 34, 0)).ljust(length, b"\0")


def fill(ring, frame, most):
    """Puts the frame into up to `most` free slots. How many."""
    count = 0
    for slot in ring:
        if count == most:
            break
        slot.data = frame
        slot.flags = 0
        count += 1
    ring.advance(count)
    return count


def send(port, frame, count, rate, counts):
    """Sends the frame `count` times (None: for ever), `rate` times a second (None: as fast as it goes), and counts."""
    ring = port.tx_rings[0]
    began = time.monotonic()
    while count is None or counts["frames"] < count:
        wanted = BATCH if count is None else min(BATCH, count - counts["frames"])
        if rate is not None:
            passed = time.monotonic() - began
            due = int(passed * rate) + 1 - counts["frames"]
            if due <= 0:
                time.sleep(max(0, counts["frames"] / rate - passed))
                continue
            wanted = min(wanted, due)
        done = fill(ring, frame, wanted)
        port.txsync()
        counts["frames"] += done
        if not done and not port.poll(1, out=True, receive=False):
            print("no room for a second: nobody takes the frames")
            return
    while ring.pending and port.poll(0.1, out=True, receive=False):
        port.txsync()


def main(argv=None, device=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", help='"netmap:eth0", "vale0:a", "netmap:eth0-1" for one of its rings, ...')
    parser.add_argument("--count", type=int, help="frames; without it until Ctrl-C")
    parser.add_argument("--length", type=int, default=60, help="bytes a frame, without the checksum that the wire adds")
    parser.add_argument("--rate", type=float, help="frames a second")
    parser.add_argument("--source", type=address, default="02:00:00:00:00:01", metavar="MAC")
    parser.add_argument("--to", type=address, default="ff:ff:ff:ff:ff:ff", metavar="MAC")
    options = parser.parse_args(argv)
    if options.length < 42:
        parser.error("headers alone are 42 bytes")
    with netmap.open(options.port, device) as port:
        frame = bytes(port.hdr_len) + udp_frame(options.source, options.to, options.length)
        if len(frame) > port.buf_size:
            parser.error(f"a buffer holds {port.buf_size - port.hdr_len} bytes")
        began = time.monotonic()
        counts = {"frames": 0}
        try:
            send(port, frame, options.count, options.rate, counts)
        except KeyboardInterrupt:
            pass
        seconds = time.monotonic() - began
        print(f"sent {counts['frames']} frames of {options.length} bytes in {seconds:.3f} s")
    return counts["frames"]


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError) as error:
        sys.exit(f"netmap_sender: {getattr(error, 'strerror', None) or error}")
