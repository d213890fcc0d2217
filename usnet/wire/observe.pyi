from typing import NamedTuple

FIN: int
SYN: int
RST: int
PSH: int
ACK: int

class Segment:
    @property
    def src(self) -> bytes: ...
    @property
    def dst(self) -> bytes: ...
    sport: int
    dport: int
    seq: int
    ack: int
    flags: int
    window: int
    tos: int
    ecn: int
    @property
    def options(self) -> bytes: ...
    @property
    def payload(self) -> bytes: ...

class Options(NamedTuple):
    mss: int | None = None
    wscale: int | None = None
    sack_ok: bool = False
    timestamps: tuple[int, int] | None = None
    sack: tuple[tuple[int, int], ...] = ()

def parse_tcp(frame: bytes) -> Segment | None: ...
def frame_kind(frame: bytes) -> str: ...
def bad_checksum(frame: bytes) -> str | None: ...
