"""A row: what usnet and a peer cost for the same work, in one unit, and the ratio (less is better). JSON objects, or lines of a table."""

import statistics


def row(bench, case, unit, ours, peer_name=None, peer=(), **more):
    """ours, peer: figures of each run; of the peer also none. more: what else is to be said (why: a peer has no figure)."""
    mine, theirs = statistics.median(ours), statistics.median(peer) if peer else None
    made = {
        "bench": bench,
        "case": case,
        "ours": rounded(mine),
        "peer": rounded(theirs),
        "peer_name": peer_name,
        "unit": unit,
        "ratio": round(mine / theirs, 3) if theirs else None,
        "spread": spread(ours),
        "peer_spread": spread(peer),
    }
    return {**made, **{key: value for key, value in more.items() if value is not None}}


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
    return f"{made['bench']:8} {made['case']:44} {made['ours']:>12,} {made['unit']:24}{beside}"
