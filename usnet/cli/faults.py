"""The faults of `usnet serve --faults`: "loss=0.02,reorder=0.01" as rules for the fault wrapper."""

from __future__ import annotations

from usnet.backends.fate import Fate, nanoseconds

REORDER_BY = 3
"""A reordered frame arrives behind so many later ones: enough to look like a loss to fast retransmit."""

CHANCES = {
    "loss": "drop",
    "reorder": f"reorder({REORDER_BY}, within=50ms)",
    "duplicate": "dup",
    "corrupt": "corrupt",
}
KNOWN = (*CHANCES, "delay")


def parse_faults(text: str) -> list[Fate]:
    """Rules for both directions from "loss=0.02,reorder=0.01,duplicate=0.01,corrupt=0.001,delay=20ms".

    Chances are from 0 to 1 and drawn for each frame; `delay` befalls all. ValueError names what is wrong.
    """
    rules = []
    for part in filter(None, (p.strip() for p in text.split(","))):
        key, equals, value = (p.strip() for p in part.partition("="))
        if not equals or key not in KNOWN:
            raise ValueError(f"{part!r} is none of {', '.join(k + '=...' for k in KNOWN)}")
        if key == "delay":
            rules.append(Fate(f"delay({nanoseconds(value, 'delay')})"))
            continue
        try:
            chance = float(value)
        except ValueError:
            chance = -1.0
        if not 0 <= chance <= 1:
            raise ValueError(f"{key}: {value!r} is no chance from 0 to 1")
        rules.append(Fate(CHANCES[key], p=value))
    return rules
