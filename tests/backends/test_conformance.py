"""The conformance suite on every backend of this room, and on the wrappers around them."""
import pytest

from tests.backends.adapters import (
    FileAdapter,
    OffloadAdapter,
    PairAdapter,
    TapAdapter,
    WrappedAdapter,
    capture,
    harmless,
    own_network,
    why_no_tap,
)
from tests.backends.conformance import Conformance


class TestPair(Conformance):
    adapter = PairAdapter()


class TestPairWithOffloads(Conformance):
    adapter = OffloadAdapter()


@pytest.mark.skipif(why_no_tap() is not None, reason=str(why_no_tap()))
class OnTap(Conformance):
    @pytest.fixture(autouse=True)
    def network(self):
        with own_network():
            yield


class TestTap(OnTap):
    adapter = TapAdapter()


class TestPcap(Conformance):
    adapter = FileAdapter()

    @pytest.fixture(autouse=True)
    def directory(self, tmp_path):
        self.adapter.directory = tmp_path


class TestCaptureAroundPair(Conformance):
    adapter = WrappedAdapter(PairAdapter(), capture)


class TestCaptureAroundOffloads(Conformance):
    adapter = WrappedAdapter(OffloadAdapter(), capture)


class TestFaultsAroundOffloads(Conformance):
    adapter = WrappedAdapter(OffloadAdapter(), harmless)


class TestCaptureAroundTap(OnTap):
    adapter = WrappedAdapter(TapAdapter(), capture)


class TestFaultsAroundPair(Conformance):
    adapter = WrappedAdapter(PairAdapter(), harmless)


class TestFaultsAroundTap(OnTap):
    adapter = WrappedAdapter(TapAdapter(), harmless)


class TestCaptureAroundFaultsAroundPair(Conformance):
    adapter = WrappedAdapter(WrappedAdapter(PairAdapter(), harmless), capture)
