"""Where tables go."""

from __future__ import annotations

import os
from typing import Any

FILE_WIDTH = 120
"""Columns of what is no terminal: wide enough that no table is cut."""


def console() -> Any:
    """A rich Console: as wide as the terminal, or as COLUMNS says, or as a file may be."""
    from rich.console import Console

    found = Console(highlight=False)
    return found if found.is_terminal or "COLUMNS" in os.environ else Console(highlight=False, width=FILE_WIDTH)
