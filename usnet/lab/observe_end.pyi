from typing import Any, NamedTuple

from usnet.wire.observe import Options

class Sent(NamedTuple):
    t: int
    start: int
    length: int
    again: bool
    una: int
    forced: bool = False

class End:
    observer: Any
    host: str
    name: str
    iss: int
    sent_max: int
    fin_at: int
    log: list[Sent]
    small: list[Sent]
    first_flight: int
    largest_sent: int
    reset_at: int
    una: int
    largest_window: int
    small_updates: int
    shrunk: int
    irs: int
    rcv_nxt: int
    doubled: int
    was_reset: bool
    def __init__(self, observer: Any, host: str, name: str) -> None: ...
    @property
    def offered(self) -> Options: ...
    @property
    def seen(self) -> Options: ...
    def uses_timestamps(self) -> bool: ...
    def uses_sack(self) -> bool: ...
