NAMES: tuple[str, ...]
LEGAL: dict[str, tuple[str, ...]]

def illegal_transitions() -> int: ...
