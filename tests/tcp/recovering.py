"""Conversations for tests of loss recovery: as usnet.testing.peer, over a path whose round trip was measured."""

from typing import Any

from usnet.testing.peer import Tcp, syn_received


def measured(*, rtt: float = 100, **kwargs: Any) -> Tcp:
    """Established over a path of `rtt` ms, segments of 1,000 bytes, SACK, RACK and all that goes with it, NewReno. The clock stands at the end of the
    handshake: times count from there (`tcp.after`)."""
    settings: dict[str, Any] = {"recovery": 1, "dsack": 1, **kwargs}
    tcp = syn_received(mss=settings.pop("mss", 1000), sack=True, **settings)
    tcp.after(ms=rtt)
    tcp.rx(". 1:1(0) ack 1")
    tcp.accept()
    return tcp


def flying(n: int = 10, **kwargs: Any) -> Tcp:
    """And n full segments are out, for no time yet: number k stands for bytes 1000 k + 1 to 1000 k + 1000."""
    tcp = measured(**kwargs)
    tcp.send(n * 1000)
    assert len(tcp.take()) == min(n, 10)
    return tcp


def windows(tcp: Tcp) -> tuple[int, int]:
    """cwnd and ssthresh, segments of 1,000 bytes."""
    snapshot = tcp.snapshot()
    assert snapshot is not None
    return snapshot["cc"]["cwnd"] // 1000, snapshot["cc"]["ssthresh"] // 1000


def sent(tcp: Tcp) -> list[int]:
    """Where the segments begin that leave now, or have left since they were last looked at."""
    tcp.cable.run()
    return [segment.seq for segment in tcp.take()]
