"""Captures of a whole network: one interface for each end of each link, times in virtual nanoseconds."""
from collections.abc import Callable
from typing import Any

from usnet.backends.sim.network import Happening, Network
from usnet.backends.sim.pair import Link

INBOUND, OUTBOUND = 1, 2        # pcapng's epb_flags


def capture(network: Network, writer: Any) -> Callable[[Happening], Any]:
    """Writes all frames that are sent or delivered from now on to `writer`
    (usnet.backends.wrappers.pcapng.PcapngWriter, or what has its add_interface and write). Returns the tap:
    network.untap(tap) ends it.

    Frames that a link drops stand at their sender's end only.
    """
    interfaces: dict[tuple[int, int], int] = {}

    def interface(link: Link, end: int) -> int:
        key = link.number, end
        if key not in interfaces:
            port = (link.a, link.b)[end]
            interfaces[key] = writer.add_interface(f"{link.name}:{port.name}", getattr(port, "mac", None))
        return interfaces[key]

    def tap(seen: Happening) -> None:
        if seen.what == "sent":
            writer.write(seen.frame, seen.time, interface(seen.link, seen.direction), OUTBOUND)
        elif seen.what == "delivered":
            writer.write(seen.frame, seen.time, interface(seen.link, 1 - seen.direction), INBOUND)

    return network.tap(tap)
