"""These tests run on the real module, in a virtual machine: make test-netmap."""
from pathlib import Path

import pytest

from tests.netmap import links, module

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.needs("root", "netmap"))


@pytest.fixture
def load():
    """load(buf_num=64): the module anew with these parameters; with its usual ones again afterwards."""
    yield module.reload
    module.reload()


@pytest.fixture
def veth():
    """veth(name, peer): a pair of interfaces without offloads; removed afterwards."""
    made = []

    def make(name="em0", peer="em0p", **settings):
        links.veth(name, peer, **settings)
        made.append(name)
        return name, peer
    yield make
    for name in made:
        links.remove(name)
