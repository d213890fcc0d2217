"""Where the `usnet` program begins: says in one line what is missing when the command line was not installed along."""

import sys

EXTRA = {"click", "rich", "msgspec", "matplotlib", "h11"}
"""What the extra "cli" brings."""


def missing_extra(error: ModuleNotFoundError) -> str | None:
    """The line for the user when a module of the extra is what was not found; None for any other."""
    name = (error.name or "").partition(".")[0]
    return f"{name} is not installed: pip install 'usnet[cli]'" if name in EXTRA else None


def main() -> None:
    try:
        from usnet.cli.commands import root
    except ModuleNotFoundError as error:
        text = missing_extra(error)
        if text is None:
            raise
        print(f"usnet: {text}", file=sys.stderr)
        sys.exit(1)
    root(prog_name="usnet")
