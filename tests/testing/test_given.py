"""Networks drawn by Hypothesis: what a test gets, what is shrunk, what is refused."""

import asyncio

import hypothesis
import pytest
from hypothesis import strategies as st

import usnet
from usnet.testing import CheckFailed, Pair, given_network, impairments, networks, pair, usual

FEW = usual(max_examples=30, database=None, derandomize=True)


async def echo():
    async def handle(reader, writer):
        while data := await reader.read(5000):
            writer.write(data)
        writer.close()

    async with await asyncio.start_server(handle, "0.0.0.0", 7) as server:
        await server.serve_forever()


@given_network(settings=FEW, size=st.integers(1, 20_000))
async def test_bytes_come_back_whatever_befalls_their_segments(net, size):
    net.server.run(echo)
    reader, writer = await asyncio.open_connection("server", 7)
    writer.write(bytes(size))
    writer.write_eof()
    returned = len(await reader.read())
    writer.close()
    assert returned == size


def test_each_example_has_a_network_of_its_own():
    seen = []

    @given_network(settings=usual(max_examples=5, database=None), delay=st.sampled_from(["1ms", "50ms"]), n=st.integers())
    def body(net, n):
        assert isinstance(net, Pair) and net.world.now == 0
        seen.append(net.world)

    body()
    assert len(set(map(id, seen))) == len(seen) > 1


def shrunk(settings=FEW, **options):
    """The notes of a test that fails as soon as a frame is lost."""

    @given_network(settings=settings, **options)
    def body(net):
        net.server.run(echo)

        async def ask():
            reader, writer = await asyncio.open_connection("server", 7)
            writer.write(bytes(3000))
            writer.write_eof()
            await reader.read()
            writer.close()

        net.call(ask)
        assert not net.link.statistics()["up"]["dropped"]["fate"], "lost"

    with pytest.raises(AssertionError, match="lost") as caught:
        body()
    return "\n".join(caught.value.__notes__)


def test_a_counter_example_shrinks_to_one_lost_frame():
    assert "net=pair(fates=[{'do': 'drop', 'at': 'client->server', 'match': {'flag': 'data', 'nth': 1}}])" in shrunk()


def test_fates_may_be_given():
    fate = {"do": "drop", "at": "client->server", "match": {"flag": "fin", "nth": 1}}
    assert f"net=pair(fates=[{fate!r}], delay='1ms')" in shrunk(fates=st.just([fate]), delay="1ms")


def test_a_network_may_be_given_as_an_example():
    seen = []

    @given_network(settings=usual(max_examples=1, database=None, phases=[hypothesis.Phase.explicit]))
    @hypothesis.example(net=pair(delay="77ms"))
    def body(net):
        seen.append(net.link.up.delay)

    body()
    assert seen == [77_000_000]


def test_what_must_hold_is_looked_at_in_each_example():
    def wait():
        with usnet.socket(usnet.AF_INET, usnet.SOCK_DGRAM) as s:
            s.recv(1)

    @given_network(settings=usual(max_examples=2, database=None), limit="1s")
    def body(net):
        net.client.run(wait)

    with pytest.raises(CheckFailed, match="these programs still wait"):
        body()


def test_methods_and_other_arguments_of_pytest_are_passed_on(tmp_path):
    class Tests:
        @given_network(settings=usual(max_examples=1, database=None))
        def body(self, net, place):
            assert isinstance(self, Tests) and net.world and place == tmp_path

    Tests().body(place=tmp_path)


def test_a_test_without_net_and_what_is_no_strategy_are_refused():
    with pytest.raises(TypeError, match="test has no parameter net"):

        @given_network()
        def test(network):
            pass

    with pytest.raises(TypeError, match="size: a network has no such argument, and as one of the test it must be a strategy, not 5"):
        given_network(size=5)


@hypothesis.given(networks(fates=impairments(most=2, frames=3)))
def test_impairments_are_as_few_and_as_early_as_was_said(net):
    fates = eval(repr(net), {"pair": lambda fates=(): fates})
    assert len(fates) <= 2
    assert all(1 <= fate["match"]["nth"] <= 3 for fate in fates)
