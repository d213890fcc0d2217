"""asyncio on both ends of a TAP device: the kernel's loop on one, usnet's on the other, the same programs on either."""

import asyncio
import threading

import pytest

import usnet
import usnet.aio
from tests.interop.addresses import KERNEL, USNET
from tests.interop.conftest import MSL
from tests.interop.machine import PATIENCE, Machine
from tests.sockets.aio_kit import Place, answer
from tests.sockets.test_aio_agreement import CASES, of_the_kernel  # noqa: F401

pytestmark = pytest.mark.needs("root", "tun")


@pytest.fixture(scope="module")
def link(tmp_path_factory):
    """(machine, stack), for all tests here."""
    with Machine(tmp_path_factory.mktemp("machine")) as machine, machine.stack(config={"msl": MSL}, hosts={"server": KERNEL}) as stack:
        yield machine, stack


class Tap(Place):
    """One end is the kernel's, in a thread that lives in the machine's namespace."""

    any = "0.0.0.0"

    def __init__(self, link, server_is_usnet):
        super().__init__()
        self.machine, self.stack = link
        self.server_is_usnet = server_is_usnet
        self.host = USNET if server_is_usnet else KERNEL

    def make_socket(self, *kind):
        here_is_usnet = threading.current_thread() is threading.main_thread()
        return usnet.socket(*kind) if here_is_usnet else super().make_socket(*kind)

    def run(self, case):
        server, client = case(self)
        ends = [server, lambda: self._client(client)]
        ours, theirs = ends if self.server_is_usnet else ends[::-1]
        got = {}

        def kernels_end():
            with self.machine.entered():
                got["theirs"] = asyncio.run(asyncio.wait_for(theirs(), PATIENCE))

        thread = threading.Thread(target=kernels_end)
        thread.start()
        try:
            got["ours"] = usnet.aio.run(asyncio.wait_for(ours(), PATIENCE))
        finally:
            self.over = True
            while thread.is_alive():
                self.stack.wait(self.stack.clock.now() + 10_000_000)     # what was written last is still sent
            thread.join()
        assert self.stack.statistics()["memory"]["descriptors"] == 0, self.stack.connections()
        return (got["ours"], got["theirs"]) if self.server_is_usnet else (got["theirs"], got["ours"])


@pytest.mark.parametrize("server_is_usnet", [True, False], ids=["usnet serves", "the kernel serves"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_programs_say_the_same_with_the_kernels_loop_at_the_other_end(link, case, server_is_usnet, of_the_kernel):  # noqa: F811
    assert answer(Tap(link, server_is_usnet), case) == of_the_kernel(case)
