"""Servers on a stack of this process, whose memory a test can look into: they run while programs of the kernel's do."""
import time

from tests.interop.machine import PATIENCE
from usnet.cli.loop import Loop


class Serving(Loop):
    """Serving(stack): run_while() programs run. Context manager; at its end all that is still open is closed."""

    def run_while(self, *processes) -> None:
        """AssertionError when they do not end, or one of them badly."""
        self.run_until(lambda: all(process.poll() is not None for process in processes))
        for process in processes:
            assert process.returncode == 0, f"{process.args} ended with {process.returncode}"

    def run_until(self, condition) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, self.statistics.line()
            for handler, mask in self._poll():
                if self.handlers.get(handler.sock.fileno()) is handler:
                    handler.on_event(mask)

    def _timeout(self) -> float:
        return 0.02

    def __enter__(self) -> "Serving":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
