"""Receivers that lie, to make a sender faster than it should be (Savage et al. 1999): programs for scenarios, `python:usnet.lab.hostile:NAME`.

Each opens a connection as any client, asks for data, and then says more with its ACKs than is true: of its own making, under its own numbers.
What it reads all the same is checked as ever.
"""

from collections.abc import Callable
from typing import Any

from usnet.lab.attacks import ACK, MASK, forge, victims
from usnet.lab.workloads import CHUNK, App
from usnet.wire.mirror import TcpHeader

ROUNDS = 100
PAUSE = "5ms"


def acknowledge(app: App, fields: dict[str, Any], number: int) -> None:
    """An ACK of that number, as the sender `fields` would expect it from its peer."""
    forge(app, fields["raddr"], TcpHeader(fields["rport"], fields["lport"], fields["rcv_nxt"], number & MASK, ACK, 0xFFFF))


def lie(app: App, round_of: Callable[[App, dict[str, Any]], None]) -> None:
    """Asks for the data, lies for a while, and reads all that comes."""
    with app.connect() as sock:
        app.send(sock, 1)
        app.host.run(rounds, app, round_of, name=f"{app.host.name}:lies")
        while app.receive(sock, CHUNK):
            pass
        app.shut(sock)


def rounds(app: App, round_of: Callable[[App, dict[str, Any]], None]) -> None:
    for _ in range(ROUNDS):
        app.sleep(PAUSE)
        for fields in list(victims(app)):
            round_of(app, fields)


def divide(app: App, fields: dict[str, Any]) -> None:
    """A hundred ACKs for what one would do, each for ten bytes more."""
    out = (fields["snd_max"] - fields["snd_una"]) & MASK
    for i in range(10, min(out, 1000), 10):
        acknowledge(app, fields, fields["snd_una"] + i)


def repeat(app: App, fields: dict[str, Any]) -> None:
    """A hundred times the same ACK."""
    for _ in range(100):
        acknowledge(app, fields, fields["snd_una"])


def promise(app: App, fields: dict[str, Any]) -> None:
    """ACKs of what was never sent."""
    for i in range(1, 101):
        acknowledge(app, fields, fields["snd_max"] + (1 << 24) + 1448 * i)


def hurry(app: App, fields: dict[str, Any]) -> None:
    """An ACK of all that is under way, before it can have arrived."""
    acknowledge(app, fields, fields["snd_max"])


def ack_division(app: App) -> None:
    """The window grows by what is acknowledged, and not by ACKs (RFC 3465)."""
    lie(app, divide)


def dupack_spoof(app: App) -> None:
    """An ACK that says nothing new neither makes the window grow nor lets anything more leave."""
    lie(app, repeat)


def ack_of_nothing(app: App) -> None:
    """An ACK of what was not sent is not taken, and answered (RFC 9293, 3.10.7.4; RFC 5961, section 5)."""
    lie(app, promise)


def optimistic_ack(app: App) -> None:
    """It cannot be told from the truth; the window grows by no more than what is acknowledged."""
    lie(app, hurry)
