"""What an examination of a port has found, in sentences."""
from __future__ import annotations

from dataclasses import dataclass

GOOD, ADVICE, PROBLEM = "good", "advice", "problem"


@dataclass(frozen=True)
class Finding:
    """`level`: GOOD; ADVICE, what may lose frames or speed, or needs a thought; PROBLEM, what has to be mended before the port can work."""
    level: str
    text: str
