"""Property tests of programs: Hypothesis draws the network and what befalls its frames, and shrinks it to what matters.

    @given_network(size=st.integers(0, 10_000))
    async def test_uploads_arrive_whole(net, size):
        net.server.run(serve)
        ...
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import hypothesis
from hypothesis import Phase
from hypothesis import strategies as st

from usnet.testing.pairs import Pair, pair

DEEDS = ("drop", "drop", "delay(15ms)", "delay(300ms)", "reorder(1)", "reorder(4)", "dup(1)", "corrupt")
FLAGS = (*("data",) * 6, "ack", "syn", "synack", "fin")
WAYS = ("client->server", "server->client")
PLACES = [(at, flag) for flag in FLAGS for at in WAYS if (flag, at) not in (("syn", WAYS[1]), ("synack", WAYS[0]))]
FIRST = 4
OF_PAIR = tuple(name for name, p in inspect.signature(pair).parameters.items() if p.kind is not p.VAR_KEYWORD)
OF_LINK = ("rate", "delay", "jitter", "queue", "mtu", "overhead", "loss", "duplicate", "corrupt", "reorder", "name", "ports", "up", "down")


def impairments(most: int = 6, frames: int = 20) -> st.SearchStrategy[list[dict[str, Any]]]:
    """A strategy of what befalls single frames: up to `most` tables, as scenario files have them and pair(fates=...) takes
    them: {"do": "drop", "at": "client->server", "match": {"flag": "data", "nth": 2}}. Counted from 1 to `frames`, the
    first ones more often. They shrink to few, to losses, and to the first frames."""
    # Of each three choices, the simplest first: Hypothesis takes out what is made of few.
    few = range(1, min(FIRST, frames) + 1)
    nth = st.sampled_from([*few] * 6 + [*range(FIRST + 1, frames + 1)])
    return st.lists(st.builds(table, st.sampled_from(DEEDS), st.sampled_from(PLACES), nth), max_size=most)


def table(do: str, place: tuple[str, str], nth: int) -> dict[str, Any]:
    """What befalls a frame, as scenario files have it."""
    at, flag = place
    return {"do": do, "at": at, "match": {"flag": flag, "nth": nth}}


def networks(**options: Any) -> st.SearchStrategy[Any]:
    """A strategy of networks: what pair() gives, with its arguments, each a value or a strategy of values.

    fates: usnet.testing.impairments() when not given. `with net as ...` makes the network.
    """
    drawn = {name: value if isinstance(value, st.SearchStrategy) else st.just(value) for name, value in options.items()}
    drawn.setdefault("fates", impairments())
    return st.fixed_dictionaries(drawn).map(lambda made: pair(**made))


def usual(**more: Any) -> hypothesis.settings:
    """Hypothesis's settings for tests in virtual time: the profile's, without a deadline in real time, with the first
    failure alone, shrunk, and without a search for its explanation, for which each line that runs is traced."""
    phases = (Phase.explicit, Phase.reuse, Phase.generate, Phase.target, Phase.shrink)
    return hypothesis.settings(**{"deadline": None, "print_blob": True, "report_multiple_bugs": False, "phases": phases, **more})


def given_network(*, settings: hypothesis.settings | None = None, **options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Makes a property test of a function: for each example a new network, its parameter `net` (a Pair), in virtual time.

    Arguments of pair() are those of the network, each a value or a strategy; without `fates` up to six frames are
    lost, delayed, reordered, duplicated or corrupted. All others must be strategies, and are the test's arguments. A
    coroutine function runs on the client. Behind the body the world runs to its end and is judged, as with pair().

    settings: Hypothesis's, in place of usual(), as usual(max_examples=1000). (Not as a decorator: there can be one only.)
    TypeError for a function without `net`, and for what is no strategy.
    """
    of_network = {name: value for name, value in options.items() if name in OF_PAIR or name in OF_LINK}
    of_test = {name: value for name, value in options.items() if name not in of_network}
    for name, value in of_test.items():
        if not isinstance(value, st.SearchStrategy):
            raise TypeError(f"{name}: a network has no such argument, and as one of the test it must be a strategy, not {value!r}")

    def decorate(test: Callable[..., Any]) -> Callable[..., Any]:
        if "net" not in inspect.signature(test).parameters:
            raise TypeError(f"{test.__name__} has no parameter net, which is to be the network")

        @functools.wraps(test)
        def run(*args: Any, net: Any, **arguments: Any) -> None:
            __tracebackhide__ = True
            with net as made:
                body(test, args, made, arguments)

        chosen = usual() if settings is None else settings
        return chosen(hypothesis.given(net=networks(**of_network), **of_test)(run))

    return decorate


def body(test: Callable[..., Any], args: tuple[Any, ...], net: Pair, arguments: dict[str, Any]) -> None:
    """Runs a test's function, on the client when it is a coroutine's."""
    __tracebackhide__ = True
    call = functools.wraps(test)(lambda: test(*args, net=net, **arguments))
    if inspect.iscoroutinefunction(test):
        net.call(call)
    else:
        call()
