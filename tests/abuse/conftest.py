"""What tests open is closed behind them."""
import pytest

from usnet.testing.peer import close_all


@pytest.fixture(autouse=True)
def _closed_behind():
    yield
    close_all()
