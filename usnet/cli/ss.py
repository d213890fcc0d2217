"""usnet ss: the connections of running stacks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from usnet.cli.commands import Failed
from usnet.cli.running import ask_all, label, stack_options

WAITING = ("LISTEN", "UNCONNECTED")


def wanted(one: dict[str, Any], listening: bool, every: bool, tcp: bool, udp: bool) -> bool:
    if tcp != udp and one["protocol"] != ("tcp" if tcp else "udp"):
        return False
    return every or (one["state"] in WAITING) == listening


def end(address: list[Any]) -> str:
    host, port = address
    return f"{'*' if host == '0.0.0.0' else host}:{port or '*'}"


def milliseconds(ns: int) -> str:
    return f"{ns / 1e6:.3f}ms" if ns else "-"


def internals(one: dict[str, Any]) -> str:
    """As `ss -i`: what TCP thinks."""
    if one["protocol"] != "tcp" or one["state"] in WAITING:
        return f"rcvbuf:{one['rcvbuf']}"
    parts = [
        one["congestion"], f"mss:{one['mss']}", f"cwnd:{one['cwnd']}", f"ssthresh:{one['ssthresh']}", f"in_flight:{one['in_flight']}",
        f"rtt:{milliseconds(one['srtt'])}/{milliseconds(one['rttvar'])}", f"min_rtt:{milliseconds(one['min_rtt'])}",
        f"rto:{milliseconds(one['rto'])}", f"backoff:{one['backoff']}", f"retransmits:{one['retransmits']}",
        f"snd_wnd:{one['snd_wnd']}", f"rcv_wnd:{one['rcv_wnd']}", f"sndbuf:{one['sndbuf']}", f"rcvbuf:{one['rcvbuf']}",
    ]
    return " ".join([*parts, f"idle:{milliseconds(one['idle'])}"] if one["idle"] >= 0 else parts)


def lines(rows: list[tuple[str, dict[str, Any]]], internal: bool) -> list[str]:
    header = ("Netid", "State", "Recv-Q", "Send-Q", "Local", "Peer", "Owner")
    cells = [header, *(
        (one["protocol"], one["state"], str(one["recv_queue"]), str(one["send_queue"]), end(one["local"]), end(one["peer"]),
         owner + (f" fd={one['descriptor']}" if one["descriptor"] >= 0 else " closed"))
        for owner, one in rows
    )]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    found = ["  ".join(cell.rjust(w) if i in (2, 3) else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))).rstrip()
             for row in cells]
    if internal:
        found = [found[0], *(line for text, (_, one) in zip(found[1:], rows, strict=True) for line in (text, "       " + internals(one)))]
    return found


@click.command("ss")
@stack_options
@click.option("-l", "--listening", is_flag=True, help="Only what waits: listeners, datagram sockets without a peer.")
@click.option("-a", "--all", "every", is_flag=True, help="What waits and what is connected.")
@click.option("-t", "--tcp", is_flag=True, help="TCP.")
@click.option("-u", "--udp", is_flag=True, help="UDP.")
@click.option("-i", "--info", is_flag=True, help="TCP's windows, round-trip time and congestion window too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a stack, with all of it; times in ns.")
def command(
    stack: str | None, control: Path | None, listening: bool, every: bool, tcp: bool, udp: bool, info: bool, as_json: bool
) -> None:
    """List the connections of running stacks: of all, or of STACK (a pid, a program's name, or a port's)."""
    answers, silent = ask_all("connections", stack, control)
    rows = []
    for answer in answers:
        answer["connections"] = [one for one in answer["connections"] if wanted(one, listening, every, tcp, udp)]
        rows += [(label(answer), one) for one in answer["connections"]]
        if as_json:
            click.echo(json.dumps(answer))
    if not as_json:
        for line in lines(rows, info):
            click.echo(line)
    if silent:
        raise Failed("; ".join(silent))
