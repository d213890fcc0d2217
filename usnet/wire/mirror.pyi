from typing import Any, Self

Address = str | bytes | bytearray | memoryview

FLAG_LETTERS: tuple[tuple[int, str], ...]

class WireError(ValueError):
    status: int
    def __init__(self, what: str, status: int) -> None: ...

def checksum(data: bytes) -> int: ...
def partial_sum(data: bytes, before: int = 0) -> int: ...
def finish_sum(partial: int) -> int: ...
def copy_checksum(data: bytes) -> tuple[bytes, int]: ...
def sequence(a: int, b: int) -> dict[str, Any]: ...
def parse_address(text: Address) -> bytes: ...
def format_address(address: Address) -> str: ...
def describe(frame: bytes) -> str: ...
def statuses(address: int, n: int) -> dict[str, int]: ...

class EthHeader:
    dst: str
    src: str
    type: int
    vlan: int | None
    header_len: int
    def __init__(self, dst: str, src: str, type: int, vlan: int | None = None, header_len: int = 0) -> None: ...
    @classmethod
    def from_bytes(cls, data: bytes) -> Self: ...
    def to_bytes(self) -> bytes: ...

class ArpPacket:
    op: int
    sender_mac: str
    sender_ip: str
    target_mac: str
    target_ip: str
    def __init__(self, op: int, sender_mac: str, sender_ip: str, target_mac: str, target_ip: str) -> None: ...
    @classmethod
    def from_bytes(cls, data: bytes) -> Self: ...
    def to_bytes(self) -> bytes: ...

class Ipv4Header:
    src: str
    dst: str
    proto: int
    total_len: int
    ident: int
    frag_offset: int
    ttl: int
    tos: int
    dont_fragment: bool
    more_fragments: bool
    header_len: int
    def __init__(
        self, src: str, dst: str, proto: int, total_len: int = 20, ident: int = 0, frag_offset: int = 0, ttl: int = 64,
        tos: int = 0, dont_fragment: bool = False, more_fragments: bool = False, header_len: int = 20,
    ) -> None: ...
    @classmethod
    def from_bytes(cls, data: bytes, verify: bool = True) -> Self: ...
    def to_bytes(self) -> bytes: ...

class IcmpHeader:
    type: int
    code: int
    rest: int
    def __init__(self, type: int, code: int = 0, rest: int = 0) -> None: ...
    @classmethod
    def from_bytes(cls, data: bytes) -> Self: ...
    def to_bytes(self, payload: bytes = b"") -> bytes: ...

class UdpHeader:
    src_port: int
    dst_port: int
    length: int
    def __init__(self, src_port: int, dst_port: int, length: int = 8) -> None: ...
    @classmethod
    def from_bytes(cls, data: bytes, src: Address = "0.0.0.0", dst: Address = "0.0.0.0", verify: bool = False) -> Self: ...
    def to_bytes(self, payload: bytes = b"", src: Address = "0.0.0.0", dst: Address = "0.0.0.0") -> bytes: ...

class TcpHeader:
    src_port: int
    dst_port: int
    seq: int
    ack: int
    flags: int
    window: int
    urgent: int
    mss: int | None
    wscale: int | None
    sack_ok: bool
    timestamps: tuple[int, int] | None
    sack: tuple[tuple[int, int], ...]
    header_len: int
    accecn: tuple[int, tuple[int, ...]] | None
    def __init__(
        self, src_port: int, dst_port: int, seq: int = 0, ack: int = 0, flags: int = 0, window: int = 0, urgent: int = 0,
        mss: int | None = None, wscale: int | None = None, sack_ok: bool = False,
        timestamps: tuple[int, int] | None = None, sack: tuple[tuple[int, int], ...] = (), header_len: int = 0,
        accecn: tuple[int, tuple[int, ...]] | None = None,
    ) -> None: ...
    @classmethod
    def from_bytes(cls, data: bytes, src: Address = "0.0.0.0", dst: Address = "0.0.0.0", verify: bool = False) -> Self: ...
    def to_bytes(self, payload: bytes = b"", src: Address | None = None, dst: Address | None = None) -> bytes: ...
    def emit_length(self) -> int: ...
