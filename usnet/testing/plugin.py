"""pytest's plugin: networks as fixtures, and what to look at when a test with one has failed.

It is loaded in every project that has usnet installed, so it imports nothing but pytest until a fixture is used.
`-p no:usnet` leaves it out.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import re
import shlex
import tempfile
import warnings
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from usnet.testing import running

if TYPE_CHECKING:
    from usnet.lab.world import Host, World
    from usnet.testing.pairs import Pair, Setting, Watched

MARK = (
    "usnet(loss=..., delay=..., seed=..., ...): the network of the fixtures usnet_world, usnet_pair, usnet_client and usnet_server, "
    "with the arguments of usnet.testing.pair(); or usnet(scenario=FILE, case=...)"
)

def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("usnet", "usnet: tests in virtual networks")
    group.addoption("--usnet-seed", type=int, metavar="N", help="the seed of all networks, in place of marks and of the tests' names")
    group.addoption("--usnet-artifacts", metavar="DIR", help="where failed tests leave captures and a picture (pytest's temporary directory)")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARK)


def asked_of(node: pytest.Item) -> dict[str, Any]:
    """The arguments of the marks, the closest winning. UsageError for what a mark cannot say."""
    asked: dict[str, Any] = {}
    for mark in node.iter_markers("usnet"):
        if mark.args:
            raise pytest.UsageError(f"{node.nodeid}: the mark usnet takes its arguments by name, as usnet(loss=0.02)")
        asked = {**mark.kwargs, **asked}
    return asked


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    running.begin(item.nodeid, item.config.getoption("usnet_seed"))
    try:
        return (yield)
    finally:
        running.end()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """A test that is a coroutine and uses the pair of hosts runs on the client, in virtual time."""
    __tracebackhide__ = True
    if "usnet_pair" not in pyfuncitem.fixturenames or not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments: dict[str, Any] = pyfuncitem.funcargs
    asked = {name: arguments[name] for name in inspect.signature(pyfuncitem.obj).parameters if name in arguments}

    def body() -> Any:
        return pyfuncitem.obj(**asked)

    body.__name__ = pyfuncitem.name
    arguments["usnet_pair"].call(body)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Networks of fixtures run to their end as part of the test, so that what they find is the test's failure."""
    __tracebackhide__ = True
    yield
    for watched in running.current.unfinished if running.current is not None else ():
        watched.finish()


def scenario_file(name: str, item: pytest.Item) -> Path:
    """The file that a mark names: from the test's directory, or pytest's root, or just its name, when it lies in sim_scenarios there."""
    root = item.config.rootpath
    tried = [item.path.parent / name, root / name, root / "sim_scenarios" / f"{name}.toml"]
    return next((path for path in tried if path.is_file()), tried[0])


@pytest.fixture
def _usnet_setting(request: pytest.FixtureRequest) -> Setting:
    from usnet.testing.pairs import pair, scenario

    now = running.current
    asked = asked_of(request.node)
    if now is not None and now.given:
        asked["seed"] = now.seed
    if "scenario" not in asked:
        return pair(**asked)
    return scenario(scenario_file(asked.pop("scenario"), request.node), **asked)


@pytest.fixture
def _usnet_watched(_usnet_setting: Setting) -> Iterator[Watched]:
    watched = _usnet_setting.watch()
    if running.current is not None:
        running.current.unfinished.append(watched)
    yield watched
    watched.close()


@pytest.fixture
def usnet_world(_usnet_watched: Watched) -> World:
    """A World in virtual time: host(), link(), run(). When the test's body is over it runs to its end and is judged.

    Its seed is made from the test's name; the mark usnet(seed=...) or --usnet-seed gives another."""
    return _usnet_watched.world


@pytest.fixture
def usnet_pair(_usnet_setting: Setting, _usnet_watched: Watched) -> Pair:
    """A usnet.testing.Pair in the test's usnet_world: `client`, `server`, `link`, and call(). The mark usnet() says what
    the link is like, as usnet.testing.pair() takes it, or which scenario file."""
    return _usnet_setting.build(_usnet_watched)


@pytest.fixture
def usnet_client(usnet_pair: Pair) -> Host:
    """The client of usnet_pair: run(program) starts one on it; the test waits for its end."""
    return usnet_pair.client


@pytest.fixture
def usnet_server(usnet_pair: Pair) -> Host:
    """The server of usnet_pair: run(program) starts one on it, which may be left waiting at the end."""
    return usnet_pair.server


# When a test has failed


def artifacts(item: pytest.Item) -> Path:
    """A directory for what a test leaves, which no other test and no other worker of xdist has."""
    name = re.sub(r"[^\w.-]+", "-", item.nodeid.rpartition("/")[2]).strip("-")[:60]
    name += "-" + hashlib.blake2b(item.nodeid.encode(), digest_size=4).hexdigest()
    if given := item.config.getoption("usnet_artifacts"):
        return Path(os.path.abspath(item.config.invocation_params.dir / given)) / name
    factory = getattr(item.config, "_tmp_path_factory", None)
    base = factory.getbasetemp() if factory is not None else Path(tempfile.mkdtemp(prefix="usnet-"))
    return Path(base) / "usnet" / name


def reproduction(item: pytest.Item, seed: int) -> str:
    """The command, from the directory that pytest was started in."""
    path, *names = item.nodeid.split("::")
    where = "::".join([os.path.relpath(item.config.rootpath / path, item.config.invocation_params.dir), *names])
    return f"reproduce: pytest {shlex.quote(where)} --usnet-seed={seed}"


def explain(item: pytest.Item, watched: Watched) -> str:
    """Nothing that goes wrong here may hide the failure itself."""
    lines = [reproduction(item, watched.world.seed), *watched.summary()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            lines += watched.write(artifacts(item))
        except Exception as error:
            lines.append(f"capture and picture could not be written: {error}")
    return "\n".join(lines)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    now = running.current
    if report.when == "call" and report.failed and now is not None and now.seen is not None:
        report.sections.append(("usnet", explain(item, now.seen)))
    return report
