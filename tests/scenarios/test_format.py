"""What a scenario file may not say, and that the message names file and key; that the documentation lists every key."""

import re

import pytest

from tests.sources import ROOT
from usnet.lab import scenario, scenario_format
from usnet.lab.expect import INVARIANTS
from usnet.lab.scenario_words import OPTIONS, SHAPES, parse

GOOD = """
schema = 1
name = "example"
about = "nothing much"
source = ["RFC 9293"]
duration = "10s"
[hosts.client]
app = "bulk:1000"
[hosts.server]
app = "sink"
[[links]]
a = "client"
b = "server"
rate = "10Mbit"
delay = "5ms"
"""


def load(tmp_path, text, name="example.toml"):
    path = tmp_path / name
    path.write_text(text)
    return scenario.load(path)


def test_a_small_file_is_enough(tmp_path):
    outcome = scenario.run(load(tmp_path, GOOD))
    assert outcome.ok and outcome.scenario == "example" and outcome.seed == 1


def test_rings_and_mtu_of_ports_are_as_the_file_says(tmp_path):
    more = 'ports = { mtu = 576, tx_slots = 4, rx_slots = 8 }\n[expect]\nframes = { "client.data" = 39 }\n'
    outcome = scenario.run(load(tmp_path, GOOD.replace("bulk:1000", "bulk:20000") + more))
    assert outcome.ok, outcome.failures


WRONG = {
    "ports": (GOOD + "ports = { slots = 4 }\n", r"links\[0\].ports.slots: there is no such key"),
    "ring of ports": (GOOD + "ports = { tx_slots = 1 }\n", r"links\[0\].ports.tx_slots: "),
    "unknown key": (GOOD.replace("about", "abuot"), "abuot: there is no such key"),
    "missing key": (GOOD.replace('about = "nothing much"\n', ""), "about: is missing"),
    "unknown key in a link": (GOOD + 'dealy = "1ms"\n', r"links\[0\].dealy: there is no such key"),
    "wrong kind": (GOOD.replace('duration = "10s"', "duration = 1.5"), "duration: Expected"),
    "no unit": (GOOD.replace('"10s"', '"10"'), "duration: '10': a time ends in one of"),
    "other schema": (GOOD.replace("schema = 1", "schema = 2"), "schema: "),
    "other name": (GOOD.replace('"example"', '"sample"'), "name: it is 'sample', but the file is example.toml"),
    "no TOML": (GOOD + "[links", r": .*\(at "),
    "rate": (GOOD.replace("10Mbit", "10Mb"), r"links\[0\]: rate: '10Mb': a rate ends in"),
    "end of link": (GOOD.replace('b = "server"', 'b = "sever"'), r"links\[0\]: there is no host 'sever'"),
    "workload": (GOOD.replace("bulk:1000", "bulky:1000"), "hosts.client.app: 'bulky:1000' is no workload"),
    "workload without a number": (GOOD.replace("bulk:1000", "bulk"), "hosts.client.app: 'bulk': it is written bulk:N"),
    "option of workload": (
        GOOD.replace('"sink"', '"sink(slow=1)"'),
        "hosts.server.app: sink: there is no option 'slow=1'",
    ),
    "value of option": (GOOD.replace('"sink"', '"sink(every=1)"'), "hosts.server.app: sink: every: "),
    "hook": (
        GOOD.replace("bulk:1000", "python:usnet.lab.nothing:there"),
        "hosts.client.app: 'python:usnet.lab.nothing:there': No module",
    ),
    "peer": (GOOD.replace("bulk:1000", "bulk:1000(to=nobody)"), "hosts.client.app: to: 'nobody' is no other host"),
    "setting of stack": (
        GOOD + '[stack]\ndelayed = "1ms"\n',
        "hosts.client.stack: delayed: a stack has no such setting",
    ),
    "direction": (
        GOOD + '[[actions]]\nat = "server->nobody"\ndo = "drop"\n',
        r"actions\[0\]: at: 'server->nobody' is none of",
    ),
    "match": (GOOD + '[[actions]]\nmatch = { flg = "data" }\ndo = "drop"\n', r"actions\[0\]: match.flg: no such key"),
    "do": (GOOD + '[[actions]]\ndo = "lose"\n', r"actions\[0\]: do: 'lose' is none of"),
    "link of action": (
        GOOD + '[[actions]]\nlink = "other"\ndo = "drop"\n',
        r"actions\[0\].link: there is no link 'other'",
    ),
    "event": (GOOD + '[[events]]\nt = "1s"\ndo = "explode"\n', r"events\[0\].do: "),
    "event without change": (GOOD + '[[events]]\nt = "1s"\ndo = "change"\n', r"events\[0\]: set: belongs to"),
    "partition": (
        GOOD + '[[events]]\nt = "1s"\ndo = "partition"\nhosts = ["nobody"]\n',
        r"events\[0\]: hosts: nobody: no such host",
    ),
    "queue": (
        GOOD.replace('delay = "5ms"', 'queue = { bytes = "1bdp" }'),
        r"links\[0\]: queue.bytes: '1bdp' of a link without",
    ),
    "kind of queue": (GOOD + 'queue = { kind = "blue" }\n', r"links\[0\].queue.kind: "),
    "key of another queue": (GOOD + 'queue = { kind = "codel", min = 5 }\n', r"links\[0\]: queue.min: a queue of kind codel has no such key"),
    "RED without a range": (GOOD + 'queue = { kind = "red", min = 5 }\n', r"links\[0\]: queue.max: is missing"),
    "unit of a queue": (GOOD + 'queue = { kind = "codel", target = "5" }\n', r"links\[0\]: queue.target: '5': a time ends in"),
    "losses": (GOOD + 'loss = { kind = "gilbert-elliott", p = 0.1 }\n', r"links\[0\]: loss: r: is missing"),
    "probability of losses": (GOOD + 'loss = { kind = "markov4", p13 = 1.1 }\n', r"links\[0\]: loss: p13: 1.1 is not a probability"),
    "jitter": (GOOD + 'jitter = { kind = "normal" }\n', r"links\[0\]: jitter: spread: is missing"),
    "trace that is not there": (GOOD.replace('rate = "10Mbit"', 'trace = "nothing.mahi"'), r"links: trace: .*nothing.mahi: No such file"),
    "trace and rate": (GOOD + "trace = [1, 2]\n", r"links\[0\]: trace: it stands for a rate"),
    "trace that goes back": (GOOD.replace('rate = "10Mbit"', "trace = [2, 1]"), r"links\[0\]: trace: the times of a trace do not go back"),
    "direction of a queue": (GOOD + "[[expect.queues]]\nstay_p99 = \"5ms\"\n", r"expect: queues\[0\].at: which direction"),
    "busy without a time": (GOOD + "[[expect.queues]]\nat = \"client->server\"\nbusy = 0.9\n", r"expect: queues: busy is a share of the time"),
    "measure": (GOOD + "[expect]\nmeasure = { from = \"5s\", until = \"2s\" }\n", "expect: measure: it ends before it begins"),
    "shares": (GOOD + "[expect]\nshares = { nobody = { min = 0.1 } }\n", "expect: shares: there is no host 'nobody'"),
    "rule": (
        GOOD + '[expect]\ninvariants = { checksum = "no" }\n',
        "expect: invariants.checksum: there is no such rule",
    ),
    "rule without a reason": (
        GOOD + '[expect]\ninvariants = { nagle = "" }\n',
        "expect: invariants.nagle: a rule is switched off with a reason",
    ),
    "host of expectation": (GOOD + '[expect]\nerrors = { clinet = ["EPIPE"] }\n', "expect: there is no host 'clinet'"),
    "every": (GOOD + '[[actions]]\nmatch = { every = 0 }\ndo = "drop"\n', r"actions\[0\]: every: 0 is no number from 1 on"),
    "strip": (GOOD + '[[actions]]\ndo = "strip(nop)"\n', r"actions\[0\]: do: strip: 'nop' is none of mss"),
    "crash": (GOOD + '[[events]]\nt = "1s"\ndo = "crash"\n', r"events\[0\]: hosts: none: no such host"),
    "clock without anything": (GOOD + '[[events]]\nt = "1s"\ndo = "clock"\nhosts = ["client"]\n', r"events\[0\]: jump, drift, wall: belong to"),
    "jump of a link": (GOOD + '[[events]]\nt = "1s"\ndo = "down"\njump = "1s"\n', r"events\[0\]: jump, drift, wall: belong to"),
    "clock of nobody": (GOOD + '[[events]]\nt = "1s"\ndo = "clock"\njump = "1s"\n', r"events\[0\]: hosts: none: no such host"),
    "a jump back": (
        GOOD + '[[events]]\nt = "1s"\ndo = "clock"\nhosts = ["client"]\njump = "1s"\nfor = "1s"\n', "jump: a monotonic clock does not go back",
    ),
    "drift": (GOOD + "[hosts.client.clock]\ndrift = 500_001\n", r"hosts.client.clock: drift: 500001 parts in a million"),
    "middlebox": (GOOD + '[middleboxes.nat]\nkind = "nat"\n', "middleboxes.nat: address: is missing"),
    "key of another middlebox": (
        GOOD + '[middleboxes.box]\nkind = "resegment"\nloose = true\n', "middleboxes.box: loose: a middlebox of kind resegment",
    ),
    "middlebox at no link": (GOOD + '[middleboxes.box]\nkind = "resegment"\n', "middleboxes.box: it stands between two links, .* and not at 0"),
    "rebind": (GOOD + '[[events]]\nt = "1s"\ndo = "rebind"\n', r"events\[0\]: middlebox: belongs to"),
    "rebind of nothing": (GOOD + '[[events]]\nt = "1s"\ndo = "rebind"\nmiddlebox = "box"\n', r"events\[0\]: middlebox: 'box' is no translator"),
    "what wraps": (GOOD + '[expect]\nwraps = { nobody = ["sequence"] }\n', "expect: there is no host 'nobody'"),
    "several times": (GOOD + '[[events]]\nt = "1s"\ndo = "down"\ntimes = 2\n', r"events\[0\]: every: how far apart"),
    "again too soon": (
        GOOD + '[[events]]\nt = "1s"\ndo = "down"\nfor = "2s"\nevery = "1s"\ntimes = 2\n',
        r"events\[0\]: every: it would begin again",
    ),
    "copies at both ends": (GOOD.replace('app = "bulk:1000"', 'copies = 2').replace('app = "sink"', "copies = 2"), r"links\[0\]: one end at most"),
    "address of copies": (GOOD.replace('app = "sink"', 'copies = 2\naddress = "10.0.0.9/24"'), "hosts.server.address: copies get"),
    "name of a link of copies": (GOOD.replace('app = "sink"', "copies = 2") + 'name = "it"\n', r"links\[0\].name: a link of copies"),
    "known at a switch": (
        GOOD.replace('b = "server"', 'b = "middle"') + 'neighbours = "known"\n[switches.middle]\n',
        r'links\[0\]: neighbours: "known" is for links between hosts',
    ),
    "host that agreed": (GOOD + "[expect.agreed.nobody]\nmss = 3\n", "expect: there is no host 'nobody'"),
    "cause": (GOOD + "[expect]\ndropped = { bad = 1 }\n", "expect.dropped"),
    "case": (GOOD + '[[case]]\nname = "one"\n[[case]]\nname = "one"\n', "case: the name 'one' occurs twice"),
    "cases and a matrix": (
        GOOD + '[[case]]\nname = "one"\n[[matrix]]\naxis = "x"\n[matrix.values.a]\n', "matrix: a file has cases or a matrix, not both",
    ),
    "without nothing": (
        GOOD.replace("schema", 'without = ["b"]\nschema') + '[[matrix]]\naxis = "x"\n[matrix.values.a]\n', "without: b: there is nothing",
    ),
    "without everything": (GOOD.replace("schema", 'without = ["a"]\nschema') + '[[matrix]]\naxis = "x"\n[matrix.values.a]\n', "nothing is left"),
    "without a matrix": (GOOD.replace("schema", 'without = ["a"]\nschema'), "without: belongs to a matrix"),
    "key of a value": (GOOD + '[[matrix]]\naxis = "x"\n[matrix.values.a]\nschema = 1\n', "matrix: a.schema: there is no such key"),
    "name of a value": (GOOD + '[[matrix]]\naxis = "x"\n[matrix.values.a]\nname = "b"\n', "matrix: a.name: there is no such key"),
    "in a case": (
        GOOD + '[[case]]\nname = "one"\n[case.expect]\nretransmit = 1\n',
        "case one: expect.retransmit: there is no such key",
    ),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=list(WRONG))
def test_mistakes_are_told_with_file_and_key(tmp_path, text, message):
    with pytest.raises(scenario.ScenarioError, match=f"example.toml.*{message}"):
        load(tmp_path, text)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(scenario.ScenarioError, match=r"nowhere\.toml: No such file"):
        scenario.load(tmp_path / "nowhere.toml")


def test_a_case_lies_over_the_file(tmp_path):
    text = (
        GOOD
        + '[expect]\nretransmits = 0\n[[case]]\nname = "slow"\nseed = 9\n'
        + '[case.hosts.client]\napp = "bulk:7"\n[case.expect]\nrto_count = 0\n'
    )
    whole = load(tmp_path, text)
    (case,) = whole.cases
    assert case.name == "example/slow" and case.table.seed == 9
    assert case.table.hosts["client"].app == "bulk:7" and case.table.hosts["server"].app == "sink"
    assert (case.table.expect.retransmits, case.table.expect.rto_count) == (0, 0)


def test_a_matrix_is_each_combination_and_links_are_woven(tmp_path):
    text = GOOD + """
[[matrix]]
axis = "delay"
[matrix.values.near]
[matrix.values.far]
links = [{ delay = "50ms" }]
[[matrix]]
axis = "queue"
[matrix.values.any]
[matrix.values.short]
links = [{ queue = { packets = 5 } }]
expect = { retransmits = 0 }
"""
    whole = load(tmp_path, text.replace("schema", 'without = ["near-s*"]\nschema', 1))
    assert [case.name for case in whole.cases] == ["example/near-any", "example/far-any", "example/far-short"]
    last = whole.cases[-1]
    assert last.links[0]["up"]["delay"] == 50_000_000 and last.links[0]["up"]["rate"] == 10_000_000
    assert last.links[0]["up"]["queue"]["packets"] == 5
    assert last.table.expect.retransmits == 0 and whole.cases[0].links[0]["up"]["delay"] == 5_000_000


def test_copies_are_hosts_with_links_of_their_own(tmp_path):
    made = load(tmp_path, GOOD.replace('app = "bulk:1000"', 'app = "bulk:1000"\ncopies = 3').replace('"sink"', '"sink(count=3)"')
                .replace('b = "server"', 'b = "middle"').replace("[[links]]", '[switches.middle]\n[[links]]\na = "server"\nb = "middle"\n[[links]]'))
    assert list(made.table.hosts) == ["client-1", "client-2", "client-3", "server"]
    assert [(link.a, link.b) for link in made.table.links] == [("server", "middle"), *[(f"client-{i}", "middle") for i in (1, 2, 3)]]
    outcome = scenario.run(made)
    assert outcome.ok, outcome.failures
    assert [outcome.statistics["hosts"][host]["tcp"]["bytes_out"] for host in made.table.hosts] == [1000, 1000, 1000, 0]


def test_texts_of_workloads():
    spec = parse("rpc:10*1kB@50ms(writes=2, nodelay=true)")
    assert (spec.name, spec.count, spec.size, spec.at, spec.options) == (
        "rpc",
        10,
        1000,
        50_000_000,
        {"writes": 2, "nodelay": True},
    )
    assert parse("request:1@2s").at == 2_000_000_000
    assert parse("respond:20000(after=eof)").options == {"after": "eof"}
    assert parse("python:tests.scenarios.test_hooks:client(port=80)").hook == ("tests.scenarios.test_hooks", "client")


def documented(heading):
    """The names in bold code at the beginnings of the items below a heading of docs/scenarios.md."""
    text = (ROOT / "docs" / "scenarios.md").read_text()
    body = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
    assert body, f"docs/scenarios.md has no part {heading!r}"
    return re.findall(r"^- \*\*`([^`]+)`\*\*", body[1], re.MULTILINE)


@pytest.mark.parametrize("path", scenario_format.TABLES, ids=lambda path: path or "the file")
def test_every_key_is_documented(path):
    heading = f"Keys of `{path}`" if path else "Keys of the file"
    assert documented(heading) == scenario_format.keys(scenario_format.TABLES[path])


def test_every_workload_option_and_rule_is_documented():
    assert documented("Workloads") == list(SHAPES.values())
    assert documented("Options of workloads") == list(OPTIONS)
    assert documented("What holds in every scenario") == list(INVARIANTS)
