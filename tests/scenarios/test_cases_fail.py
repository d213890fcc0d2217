"""Scenarios of clocks, middleboxes and long lives of connections: what each of them expects fails when what it is about is not there, or broken."""

import re

import pytest

from tests.scenarios.test_expectations import TO_CLIENT, TO_SERVER, failures

BROKEN = {
    "numbers that do not wrap": ("wrap/client", {"hosts": {"client": {"clock": {"start": "0s"}}}}, "wraps: client: its sequence never passed 2\\^32"),
    "timestamps that do not wrap": (
        "wrap/timestamps", {"hosts": {"server": {"clock": {"start": "0s"}}}}, "wraps: server: its timestamps never passed 2\\^32",
    ),
    "no timestamps": ("wrap/timestamps", {"stack": {"timestamps": 0}}, "wraps: client: its timestamps never"),
    "nobody keeps alive": ("keepalive/idle", {"hosts": {"client": {"stack": {"keepalive": 0}}}}, "keep_probes: expected 18 to 20, saw 0"),
    "nobody finds out": ("keepalive/dead", {"hosts": {"client": {"stack": {"keepalive": 0}}}}, "keep_probes: expected 4, saw 0"),
    "another patience": ("keepalive/dead", {"hosts": {"client": {"stack": {"keep_count": 9}}}}, "keep_probes: expected 4, saw 9"),
    "nobody is started anew": ("keepalive/restarted", {"events": []}, "frames.server.rst: expected 1, saw 0"),
    "heard both ways": ("keepalive/one-way", {"events": []}, "keep_probes: expected 4, saw"),
    "too many lost probes": ("keepalive/lost-probes", {"events": [{"t": "9s", "do": "down", "for": "20s"}]}, "resets: expected 0, saw 1"),
    "no user timeout": ("user-timeout/black-hole", {"hosts": {"client": {"app": "bulk:5MB"}}}, "errors: client: expected ETIMEDOUT, saw none"),
    "a user timeout too short": (
        "user-timeout/short-hole", {"hosts": {"client": {"app": "bulk:5MB(user_timeout=1s)"}}}, "errors: client: expected none, saw ETIMEDOUT",
    ),
    "nobody takes TIME-WAIT over": (
        "time-wait-reuse/timestamps", {"hosts": {"client": {"app": ["request:1@0s", "request:1@2s", "request:1@4s"]}}},
        "time_wait_reuses: expected 2, saw 0",
    ),
    "no old duplicate": ("time-wait-assassination/protected", {"actions": []}, "frames.server.rst: expected 1, saw 0"),
    "no protection": (
        "time-wait-assassination/protected", {"stack": {"rfc1337": 0}}, "conn_end: client: 20 s after .* expected TIME_WAIT, saw none",
    ),
    "no PAWS": ("old-duplicate/timestamps", {"stack": {"timestamps": 0}}, "paws: expected 6, saw 0"),
    "nothing old": ("old-duplicate/numbers", {"actions": []}, "duplicate: expected at least 6, saw 0"),
    "a clock that is right": (
        "clock-drift/backoff", {"hosts": {"client": {"clock": {"drift": 0}}}}, "backoff: client: expected gaps of .* 48 s, saw .* 60 s",
    ),
    "a clock that stays as it is": ("clock-jump/sender", {"events": []}, "rto_count: expected 1, saw 0"),
    "a host that stands still instead": (
        "clock-jump/receiver", {"events": [{"t": "1s", "do": "stall", "hosts": ["server"], "for": "1s"}]}, "rto_count: expected 0, saw",
    ),
    "a long memory": ("nat-timeout/forgotten", {"middleboxes": {"nat": {"timeout": "1h"}}}, "errors: client: expected ECONNRESET, saw none"),
    "a translator that lets anything out": (
        "nat-timeout/strict", {"middleboxes": {"nat": {"loose": True}}}, "errors: client: expected ETIMEDOUT, saw ECONNRESET",
    ),
    "probes too late": ("nat-timeout/kept-alive", {"hosts": {"client": {"stack": {"keep_idle": "70s"}}}}, "resets: expected 0, saw"),
    "nothing is forgotten": ("nat-rebind/tcp", {"events": []}, "errors: client: expected ECONNRESET, saw none"),
    "all is forgotten": (
        "nat-rebind/undisturbed", {"events": [{"t": "1s", "do": "rebind", "middlebox": "nat"}]}, "errors: client: expected none, saw ECONNRESET",
    ),
    "nobody cuts": ("resegment/split", {"middleboxes": {"box": {"split": 1448}}}, "box:cut: expected at least 1000, saw 0"),
    "nobody joins": ("resegment/merge", {"middleboxes": {"box": {"merge": 500}}}, "box:joined: expected at least 300, saw 0"),
    "borders that stay": ("resegment/borders", {"middleboxes": {"box": {"hold": "0s"}}}, "box:joined: expected at least 700, saw"),
    **{
        f"pauses by another rule: {case}": (f"pauses/{case}", {"stack": {"cwnd_validation": other}}, "call.rpc: expected")
        for case, other in (
            ("off", 3), ("restart", 2), ("linux", 1), ("linux-long", 3), ("pipeack", 0), ("pipeack-minute", 2), ("pipeack-too-long", 0),
        )
    },
    "a window too small": ("cc/none-fifo-20ms", {"stack": {"fixed_window": 20_000}}, "total: expected at least 0.85\\*link, saw"),
    "marks that nobody hears": ("cc/dctcp-step-20ms", {"stack": {"ecn": 0}}, "ecn_ce: expected at least 8, saw 0"),
    "BBR's queue of another": ("cc/bbr-fifo-20ms", {"stack": {"congestion": "cubic"}}, "queues: .*stay_p50: expected at most 3ms"),
    "no marks, no short queue": (
        "cc/dctcp-codel-20ms", {"links": [{"a": "client", "b": "server", "rate": "10Mbit", "delay": "10ms"}]}, "queues: ",
    ),
    "held too long": (
        "ack-compression/linux", {"actions": [{"at": TO_CLIENT, "match": {"flag": "ack", "time": "1s..2s"}, "do": "drop"}]},
        "retransmits: expected 0, saw",
    ),
    "data is lost as well": (
        "ack-loss-50/linux", {"actions": [{"at": TO_SERVER, "match": {"flag": "data", "nth": 99}, "do": "drop"}]}, "retransmits: expected 0, saw",
    ),
}


@pytest.mark.parametrize(("name", "changes", "message"), BROKEN.values(), ids=list(BROKEN))
def test_what_a_scenario_expects_fails_without_what_it_is_about(name, changes, message):
    text = failures(name, changes)
    assert re.search(message, text), text
