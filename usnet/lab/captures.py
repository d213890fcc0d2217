"""Captures of a network: a pcapng of each end of each link, in virtual time."""

import re
from pathlib import Path
from typing import Any

IN, OUT = 1, 2  # directions, as pcapng's flags name them


class Captures:
    """Captures(directory, name): what each host sent and received, a file NAME.LINK.HOST.pcapng a link end (without
    NAME: LINK.HOST.pcapng).

    Call it with each Happening of a network, as network.tap(captures) does. Files are made when something is written
    to them; `paths` are those so far. The directory is made too. OSError where that cannot be.
    """

    def __init__(self, directory: Path, name: str = "") -> None:
        self.directory, self.name = directory, name
        self.paths: list[Path] = []
        self._writers: dict[tuple[int, int], Any] = {}
        directory.mkdir(parents=True, exist_ok=True)

    def __call__(self, seen: Any) -> None:
        if seen.what == "sent":
            self._writer(seen.link, seen.direction).write(seen.frame, seen.time, 0, OUT)
        elif seen.what == "delivered":
            self._writer(seen.link, 1 - seen.direction).write(seen.frame, seen.time, 0, IN)

    def _writer(self, link: Any, end: int) -> Any:
        key = link.number, end
        if key not in self._writers:
            from usnet.backends.wrappers.pcapng import PcapngWriter

            port = (link.a, link.b)[end]
            parts = [self.name, link.name, port.name.removeprefix("sim:"), "pcapng"]
            path = self.directory / re.sub(r"[^\w.-]+", "-", ".".join(part for part in parts if part))
            self._writers[key] = PcapngWriter(path)
            self._writers[key].add_interface(port.name, getattr(port, "mac", None))
            self.paths.append(path)
        return self._writers[key]

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()
