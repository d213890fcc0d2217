import pytest

from tests.sockets.kit import Kernel, Net, Usnet


@pytest.fixture(params=["usnet", "kernel"])
def net(request):
    """The same test on usnet's sockets and on the kernel's."""
    made = Net(Usnet() if request.param == "usnet" else Kernel())
    yield made
    made.close()


@pytest.fixture
def us():
    """For what only usnet has: virtual time, its own descriptors."""
    made = Net(Usnet())
    yield made
    made.close()
