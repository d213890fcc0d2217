import importlib
import json
import sys

import pytest
from click.testing import CliRunner

from usnet.backends.registry import backends, probe
from usnet.cli.commands import root


def invoke(*arguments):
    return CliRunner().invoke(root, ["doctor", *arguments], prog_name="usnet")


def test_json_says_of_each_backend_whether_it_can_run_and_why():
    result = invoke("--json")
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert set(report) == {"usnet", "python", "platform", "executable", "backends"}
    assert report["backends"] == {s: {"usable": probe(s)[0], "why": " ".join(probe(s)[1].split())} for s in backends()}


@pytest.mark.parametrize("scheme", ["sim", "pcap"])
def test_what_needs_no_device_can_always_run(scheme):
    assert json.loads(invoke("--json").stdout)["backends"][scheme]["usable"] is True


def test_the_table_has_a_row_for_each_backend():
    result = invoke()
    assert result.exit_code == 0
    assert all(f"{scheme}:" in result.stdout for scheme in backends())


def test_a_backend_that_cannot_run_says_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "usnet.backends.tap.port", None)
    state = json.loads(invoke("--json").stdout)["backends"]["tap"]
    assert state["usable"] is False and "usnet.backends.tap.port" in state["why"]


def test_a_broken_build_is_one_line_and_exit_1(monkeypatch):
    def broken(name):
        raise ImportError(f"{name}: undefined symbol")

    monkeypatch.setattr(
        importlib, "import_module", lambda name: __import__(name, fromlist=["x"]) if "cli" in name else broken(name)
    )
    result = invoke()
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    assert "undefined symbol" in result.stderr
