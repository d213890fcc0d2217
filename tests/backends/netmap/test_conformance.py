from tests.backends.conformance import Conformance
from tests.backends.netmap.adapters import NicAdapter


class TestNic(Conformance):
    adapter = NicAdapter()
