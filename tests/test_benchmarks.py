"""The benchmarks run: small amounts of each work, and the form of their rows. Nothing here is timed."""

import json

import pytest

from benchmarks import __main__ as bench
from benchmarks import kernel, memory, tap, work


@pytest.mark.parametrize("connections", [1, 3])
def test_echo_runs_on_both_stacks(connections):
    assert memory.echo(connections, requests=30) > 0
    assert kernel.echo(connections, requests=30) > 0


def test_bulk_moves_every_byte():
    def run(joined):
        client, server = joined.pair()
        with client, server:
            work.bulk(client, server, joined.turn, total=1 << 20)
            return joined.far.statistics()["tcp"]["bytes_in"]

    assert memory.with_stacks(run) == 1 << 20


def test_connections_are_opened_accepted_and_closed():
    def run(joined):
        work.connect(joined.pair, 50)
        return joined.far.statistics()["tcp"]["accepted"]

    assert memory.with_stacks(run) == 50


def test_a_row_names_bench_case_both_figures_and_their_ratio(capsys, monkeypatch):
    monkeypatch.setitem(bench.CASES, "echo", [("case", "ns", "peer", lambda: 30.0, lambda: 60.0)])
    assert bench.main(["echo", "--json", "--runs", "3"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["bench"], row["case"], row["ours"], row["peer"], row["peer_name"], row["unit"], row["ratio"]) == (
        "echo", "case", 30.0, 60.0, "peer", "ns", 0.5,
    )


def test_an_unknown_name_is_one_line_and_exit_2(capsys):
    with pytest.raises(SystemExit) as ended:
        bench.main(["nothing"])
    assert ended.value.code == 2
    assert "no benchmark nothing" in capsys.readouterr().err


def test_costs_in_several_units_are_a_row_each(monkeypatch):
    both = [("case", ("ns", "ns of CPU"), "peer", lambda: (30.0, 10.0), lambda: (60.0, 40.0))]
    monkeypatch.setitem(bench.CASES, "echo", both)
    rows = list(bench.measure("echo", 3))
    assert [(row["unit"], row["ours"], row["peer"], row["ratio"]) for row in rows] == [("ns", 30.0, 60.0, 0.5), ("ns of CPU", 10.0, 40.0, 0.25)]


@pytest.mark.needs("root", "tun")
@pytest.mark.parametrize("offload", [True, False])
@pytest.mark.parametrize("work", [tap.send, tap.receive])
def test_bulk_over_tap_runs_on_usnet_and_through_the_forwarder(monkeypatch, work, offload):
    """To the end of the stream, in both directions; what it cost is that of two processes, or three."""
    if lacking := tap.missing():
        pytest.skip(f"missing: {lacking}")
    monkeypatch.setattr(tap, "TOTAL", {True: 1 << 22, False: 1 << 22})
    for end in (tap.usnet_end, tap.forwarder_end):
        wall, processor = tap.run(end, work, offload)
        assert wall > 0 and processor > 0
