from typing import Any, NamedTuple

from usnet.sockets.host import Stack

FIELDS: list[tuple[Any, ...]]

class Connection(NamedTuple):
    protocol: str
    state: str
    descriptor: int
    recv_queue: int
    send_queue: int
    local: tuple[str, int]
    peer: tuple[str, int]
    in_flight: int
    mss: int
    cwnd: int
    ssthresh: int
    snd_wnd: int
    rcv_wnd: int
    sndbuf: int
    rcvbuf: int
    srtt: int
    rttvar: int
    min_rtt: int
    rto: int
    backoff: int
    retransmits: int
    idle: int
    congestion: str

def connection_dtype() -> Any: ...
def connection_table(stack: Stack) -> Any: ...
def address_text(raw: Any) -> str: ...
def connection_list(stack: Stack) -> list[Connection]: ...
def path_metrics(stack: Stack) -> list[dict[str, Any]]: ...
def wait_text(stack: Stack, token: int) -> str: ...
