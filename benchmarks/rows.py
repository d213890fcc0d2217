"""A row: what usnet and a peer cost for the same work, in one unit, and the ratio (less is better). JSON objects, or lines of a table."""

import statistics


def row(bench, case, unit, ours, peer_name=None, peer=(), **more):
    """ours, peer: figures of each run, or none. more: what else is to be said (why: there is no figure)."""
    mine, theirs = middle(ours), middle(peer)
    made = {
        "bench": bench,
        "case": case,
        "ours": rounded(mine),
        "peer": rounded(theirs),
        "peer_name": peer_name,
        "unit": unit,
        "ratio": round(mine / theirs, 3) if theirs and mine is not None else None,
        "spread": spread(ours),
        "peer_spread": spread(peer),
    }
    return {**made, **{key: value for key, value in more.items() if value is not None}}


def tally(ns, units, wrong, moved=0):
    """What a work in Python says of itself, as those in drivers/ do (`tally` of drivers/common.pxd)."""
    return {"ns": ns, "units": units, "wrong": wrong, "bytes": moved, "frames": 0, "acks": 0}


def middle(figures):
    return statistics.median(figures) if figures else None


def rounded(figure):
    return None if figure is None else round(figure, 1 if abs(figure) >= 10 else 3)


def spread(figures):
    """The least and the largest."""
    return [rounded(min(figures)), rounded(max(figures))] if figures else None


def line(made):
    beside = ""
    if made["peer"] is not None:
        beside = f"   {made['peer_name']} {made['peer']:,}   ratio {made['ratio']}"
    elif made["peer_name"]:
        beside = f"   {made['peer_name']}: {made.get('why', 'no figure')}"
    ours = f"{made['ours']:,}" if made["ours"] is not None else f"none ({made.get('why')})"
    return f"{made['bench']:11} {made['case']:46} {ours:>12} {made['unit']:24}{beside}"
