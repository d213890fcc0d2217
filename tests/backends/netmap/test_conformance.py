"""What every port must do, by ports of netmap on the stand-in."""
from tests.backends.adapters import WrappedAdapter, capture, harmless
from tests.backends.conformance import Conformance
from tests.backends.netmap.adapters import NicAdapter, PipeAdapter, ValeAdapter, stand_in, with_nic


class TestNic(Conformance):
    adapter = NicAdapter()


class TestNicWithOffsets(Conformance):
    adapter = NicAdapter(offsets=64)


class TestPipe(Conformance):
    adapter = PipeAdapter("em0{1", "em0}1", with_nic)


class TestPipeFromTheOtherEnd(Conformance):
    adapter = PipeAdapter("em0}1", "em0{1", with_nic)


class TestVale(Conformance):
    adapter = ValeAdapter("vale0:a", "vale0:b", stand_in)


class TestCaptureAroundPipe(Conformance):
    adapter = WrappedAdapter(PipeAdapter("em0{1", "em0}1", with_nic), capture)


class TestFaultsAroundNic(Conformance):
    adapter = WrappedAdapter(NicAdapter(), harmless)
