from collections.abc import Iterable, Mapping
from typing import Any

from usnet.backends.fate import Fate
from usnet.backends.fates import Fates
from usnet.backends.ring import Port

class FaultPort(Port):
    inner: Port
    fates: Fates
    def __init__(self, inner: Port, rules: Fates | Iterable[Fate | Mapping[str, Any]] = (), seed: int = 0, *, max_held: int = 4096) -> None: ...
    def fault_counts(self) -> dict[str, Any]: ...
