"""The benchmarks run: small amounts of each work, and the form of their rows. Nothing here is timed."""

import itertools
import json
from contextlib import nullcontext

import pytest

from benchmarks import __main__ as bench
from benchmarks import building, cases, kernel, loopback, lwip, memory, native, plain, python_echo, rows, sim, tap, wan, work

KEYS = {"bench", "case", "ours", "peer", "peer_name", "unit", "ratio", "spread", "peer_spread"}
needs_compiler = pytest.mark.skipif(building.missing() is not None, reason=f"missing: {building.missing()}")


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


def rows_of(capsys, *arguments):
    """What the command prints: each line is a row."""
    assert bench.main([*arguments, "--json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all(row.keys() >= KEYS for row in found)
    return found


def test_a_row_names_bench_case_both_figures_and_their_ratio(capsys, monkeypatch):
    monkeypatch.setitem(bench.plain.CASES, "rings", [("case", "ns", "peer", lambda: 30.0, lambda: 60.0)])
    monkeypatch.setitem(bench.plain.WANTS, "rings", lambda: None)
    [row] = rows_of(capsys, "rings", "--runs", "3")
    assert (row["bench"], row["case"], row["ours"], row["peer"], row["peer_name"], row["unit"], row["ratio"]) == (
        "rings", "case", 30.0, 60.0, "peer", "ns", 0.5,
    )


@needs_compiler
@pytest.mark.parametrize(("name", "case", "unit"), [
    ("bulk", "copying", "ns/segment"), ("echo", "64 connections", "ns/request"), ("connect", "64 at once", "ns/connection"),
    ("idle", "", "bytes/end"), ("hold", "", "GB of RSS, established"), ("churn", "", "ns/connection, last tenth"),
    ("python-echo", "", "ns/message"), ("property", "", "ns/example"),
])
def test_each_benchmark_prints_rows(capsys, name, case, unit):
    found = rows_of(capsys, name, "--runs", "1", "--share", "0.002", "--times", "--case", case)
    assert unit in {row["unit"] for row in found}
    for row in found:
        assert row["bench"] == name
        assert row["ours"] is not None or row["why"], row
        if row["peer_name"]:
            assert row["peer"] is not None or row["why"], row


@needs_compiler
@pytest.mark.parametrize("stack", [native, lwip, loopback], ids=lambda stack: stack.__name__)
def test_drivers_move_every_byte_unchanged(stack):
    if lacking := stack.missing():
        pytest.skip(f"missing: {lacking}")
    with stack.bulk(check=True) as run:
        done = run(700)
        assert done["wrong"] == 0 and done["bytes"] >= 700 * 1448
    for connections in (1, 64, 700):
        with stack.echo(connections, check=True) as run:
            done = run(3 * connections)
        assert (done["wrong"], done["units"]) == (0, 3 * connections)
    for batch in (1, 64):
        with stack.connect(batch) as run:
            assert (run(192)["wrong"], run(192)["units"]) == (0, 192)


@needs_compiler
def test_messages_over_connections_chosen_at_random_come_back():
    with native.chosen(640, check=True, step=1000) as run:
        done = [run(1280) for _ in range(3)]
    assert [(each["wrong"], each["units"], each["frames"]) for each in done] == [(0, 1280, 2560)] * 3


@needs_compiler
@pytest.mark.parametrize("work", [python_echo.usnet_epoll, python_echo.kernel_epoll])
def test_servers_in_python_send_back_what_came(work):
    with work(check=True) as run:
        assert run(640)["wrong"] == 0


@needs_compiler
def test_a_server_that_changes_a_byte_is_noticed(monkeypatch):
    def corrupting(poll, connections):
        def turn():
            for fd, _ in poll(0):
                connections[fd].send(connections[fd].recv(4096)[:-1] + b"!")

        return turn

    monkeypatch.setattr(python_echo, "echo", corrupting)
    with python_echo.usnet_epoll(check=True) as run:
        assert run(64)["wrong"] == 64


@needs_compiler
def test_every_byte_crosses_the_dumbbell():
    for routed in (False, True):
        with sim.bulk(routed) as run:
            done = run(2000)
        assert done["wrong"] == 0 and done["bytes"] > 0 and done["units"] > 1000


@needs_compiler
@pytest.mark.needs("valgrind")
def test_instructions_stand_beside_times(capsys):
    found = rows_of(capsys, "echo", "--instructions", "--case", "bytes, 64", "--share", "0.1")
    assert {row["unit"] for row in found} == {"instructions/request"}
    assert all(500 < row["ours"] < 50_000 for row in found)
    assert [row["peer"] for row in found if row["peer_name"] == "smoltcp (recorded)"] == [6109]


def test_figures_of_another_day_are_scaled_by_the_anchor(monkeypatch):
    monkeypatch.setattr(cases.anchor, "scale", lambda: 0.5)
    done = {"ns": 3000, "units": 10, "bytes": 0, "wrong": 0, "frames": 20, "acks": 0}
    case = cases.Case("case", "unit", lambda: nullcontext(lambda units: done), (cases.Recorded("other", 400, 5000), missing_peer()))
    [(recorded, _), (absent, _)] = cases.timed("bench", case, bench.options(["--runs", "2"]))
    assert (recorded["ours"], recorded["peer"], recorded["peer_name"], recorded["ratio"]) == (300.0, 200.0, "other (recorded)", 1.5)
    assert (absent["peer"], absent["ratio"], absent["why"]) == (None, None, "gone (apt install gone)")


def missing_peer():
    return cases.Peer("peer", lambda: None, lambda: "gone (apt install gone)")


def test_wrong_work_is_no_figure():
    with pytest.raises(RuntimeError, match="usnet got 2 wrong"):
        cases.right({"wrong": 2}, "bench", cases.Case("case", "unit", None), "usnet")


def test_a_line_says_why_there_is_no_figure():
    assert "missing: this" in rows.line(rows.row("bulk", "case", "ns", [1.0], "peer", [], why="missing: this"))


@needs_compiler
def test_calls_without_a_copy_move_every_byte_unchanged():
    with native.bulk(lent=True, check=True) as run:
        assert run(2000)["wrong"] == 0


def test_an_unknown_name_is_one_line_and_exit_2(capsys):
    with pytest.raises(SystemExit) as ended:
        bench.main(["nothing"])
    assert ended.value.code == 2
    assert "no benchmark nothing" in capsys.readouterr().err


def test_costs_in_several_units_are_a_row_each(monkeypatch):
    both = [("case", ("ns", "ns of CPU"), "peer", lambda: (30.0, 10.0), lambda: (60.0, 40.0))]
    monkeypatch.setitem(plain.CASES, "echo", both)
    found = list(plain.measure("echo", 3))
    assert [(row["unit"], row["ours"], row["peer"], row["ratio"]) for row in found] == [("ns", 30.0, 60.0, 0.5), ("ns of CPU", 10.0, 40.0, 0.25)]


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


@pytest.mark.needs("root", "tun")
def test_goodput_is_told_for_all_ways_of_taking_part():
    if lacking := wan.missing():
        pytest.skip(f"missing: {lacking}")
    for end, role in itertools.product((wan.kernel_ends, wan.usnet_end), wan.WORKS):
        assert wan.goodput(end, role, "reno", "0.01", 2, 0.4, 1) > 0.1


def test_a_frame_of_the_data_is_lost_and_acknowledgments_are_not():
    lossy, late = wan.rules("0.05", 20, "a->b")
    assert (lossy.do, lossy.at, late.do, late.at) == ("drop", "a->b", "delay(10000us)", "both")
