"""packetdrill's scripts in virtual time: our own pass, and whatever a script says that does not hold is told by its line."""
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sources import ROOT
from usnet.tcp.states import LEGAL
from usnet.testing.packetdrill.language import ANY, Call, Code, Command, Either, Packet, ScriptError, Time, Word, parse
from usnet.testing.packetdrill.packets import Unsupported, read_packet
from usnet.testing.packetdrill.runner import run_script, run_text

FOLDER = Path(__file__).parent / "scripts"
SCRIPTS = sorted(FOLDER.rglob("*.pkt"))
LINUX = sorted((FOLDER.parent / "linux").glob("*.pkt"))
MS, SECOND = 1_000_000, 1_000_000_000
ACCEPTED = """0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 0:0(0) win 65535 <mss 1000,sackOK,nop,nop>
+0 > S. 0:0(0) ack 1 <mss 1460,nop,nop,sackOK>
+.1 < . 1:1(0) ack 1 win 65535
+0 accept(3, ..., ...) = 4
"""


@pytest.mark.parametrize("strict", [False, True], ids=["default", "strict"])
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(FOLDER).with_suffix("")))
def test_our_own_scripts_hold(path, strict):
    result = run_script(path, "rfc", strict)
    assert (result.outcome, result.text) == ("passed", "")


@pytest.mark.parametrize("strict", [False, True], ids=["default", "strict"])
@pytest.mark.parametrize("path", LINUX, ids=lambda path: path.stem)
def test_our_own_scripts_for_the_profile_linux_hold(path, strict):
    result = run_script(path, "linux", strict)
    assert (result.outcome, result.text) == ("passed", "")


def test_there_is_a_folder_for_each_state_and_each_script_names_its_rfc():
    assert {path.name for path in FOLDER.iterdir() if path.is_dir()} == {state.lower().replace("_", "-") for state in LEGAL}
    assert [path for path in SCRIPTS + LINUX if not re.match(r"// .*(RFC \d+|As the kernels do)", path.read_text())] == []


def lines_left_out(text):
    """The script without one of the packets that it expects, for each that leaves at once."""
    lines = text.splitlines()
    for at, line in enumerate(lines):
        if re.match(r"\+0 +>", line):
            yield at + 1, "\n".join([*lines[:at], *lines[at + 1 :]])


def test_a_packet_that_a_script_does_not_expect_is_seen():
    profiles = [*((path, "rfc") for path in SCRIPTS), *((path, "linux") for path in LINUX)]
    missed = [(path, line) for path, profile in profiles for line, text in lines_left_out(path.read_text())
              if run_text(text, profile=profile, strict=True).outcome == "passed"]
    assert missed == []


# The language


def test_a_script_is_options_and_events():
    script = parse("""--mtu=1400 --local_ip="10.1.1.1"   // an option, or two
        `setup`
        0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3 /* a call
        over lines */ +.5...1.25 connect(3, ..., ...) = -1 ETIMEDOUT (Connection timed out)
        *  > S 0:0(0) <mss 1460,
                       nop>
        1.5~2 > . 1:1(0) ack 1
        +0 %{ assert x == 1 }%
        `cleanup`""")
    assert (script.option("mtu"), script.option("local_ip"), script.option("speed", "no")) == ("1400", "10.1.1.1", "no")
    assert [event.what for event in script.before] == [Command("setup")]
    assert [event.what for event in script.after] == [Command("cleanup")]
    socket_, connect, syn, ack, code = script.events
    assert socket_.what == Call("socket", (ANY, Word("SOCK_STREAM"), Word("IPPROTO_TCP")), 3)
    assert connect.what == Call("connect", (3, ANY, ANY), -1, "ETIMEDOUT")
    assert connect.time == Time(SECOND // 2, True, 5 * SECOND // 4, True)
    assert (syn.time.any, syn.what) == (True, Packet(False, "S 0:0(0) <mss 1460, nop>"))
    assert ack.time == Time(3 * SECOND // 2, False, 2 * SECOND)
    assert isinstance(code.what, Code)
    assert [event.line for event in script.events] == [3, 4, 5, 7, 8]


@pytest.mark.parametrize(("text", "value"), [
    ("f([1], 4)", ([1], 4)), ("f(0x1F | O_RDWR)", (Either((31, Word("O_RDWR"))),)), ('f("a" "\\x41\\n")', ("aA\n",)),
    ("f({onoff=1, linger=0})", ({"onoff": 1, "linger": 0},)), ("f([{fd=4, events=POLLIN}])", ([{"fd": 4, "events": Word("POLLIN")}],)),
    ("f(-1, ~0)", (-1, -1)), ("f([{..., 10}, {..., 20}])", ([(ANY, 10), (ANY, 20)],)), ("f()", ()),
])  # fmt: skip
def test_values_of_calls(text, value):
    (event,) = parse(f"0 {text} = 0").events
    assert event.what.arguments == value


@pytest.mark.parametrize("text", ["", "0 foo", "0 f(1 = 2", "+ > . 1:1(0)", "0 `unclosed", "0 f(,)", "hello", "#endif"])
def test_what_is_no_script_is_told_with_its_line(text):
    with pytest.raises(ScriptError, match="line 1"):
        parse(text)
    result = run_text(text)
    assert (result.outcome, result.text.startswith("not a script")) == ("failed", True)


def test_parts_for_another_system_are_left_out():
    text = "#ifdef FreeBSD\n0 a()\n#else\n0 b()\n#endif\n0 c()"
    assert [event.what.name for event in parse(text, frozenset({"FreeBSD"})).events] == ["a", "c"]
    assert [(event.what.name, event.line) for event in parse(text).events] == [("b", 4), ("c", 6)]


@pytest.mark.parametrize("text", ["X 0:0(0)", "S 0:1(0)", "S 0:0(0) <mss>", "S 0:0(0) <what 3>", "icmp what", "[what] . 1:1(0)", "udp"])
def test_what_is_no_packet(text):
    with pytest.raises(ScriptError):
        read_packet(text, {})


@pytest.mark.parametrize("text", ["ipv4 1.1.1.1 > 2.2.2.2: S 0:0(0)", "S 0:0(0) /udp(1 > 2)", "(hlim 3) S 0:0(0)"])
def test_what_usnet_has_not_is_unsupported(text):
    with pytest.raises(Unsupported):
        read_packet(text, {})


# What does not hold


@pytest.mark.parametrize(("line", "told"), [
    ("+0 write(4, ..., 100) = 99", "line 8: write() gives 100, not 99"),
    ("+0 bind(4, ..., ...) = 0", "line 8: bind() gives -1 EINVAL"),
    ("+0 read(9, ..., 1) = 1", "line 8: read() gives -1 EBADF"),
    ("+0 getsockopt(4, SOL_SOCKET, SO_ERROR, [7], [4]) = 0", "line 8: SO_ERROR is 0, not 7"),
    ("+0 > . 1:1(0) ack 1", "expected  . 1:1(0) ack 1\n  seen      nothing"),
    ("+0 write(4, ..., 10) = 10\n+0 > P. 2:12(10) ack 1", "seq 1 instead of 2"),
    ("+0 write(4, ..., 10) = 10\n+0 > P. 1:12(11) ack 1", "10 bytes instead of 11"),
    ("+0 write(4, ..., 10) = 10\n+0 > . 1:11(10) ack 1", "flags P. instead of ."),
    ("+0 write(4, ..., 10) = 10\n+0 > P. 1:11(10) ack 2", "ack 1 instead of 2"),
    ("+0 write(4, ..., 10) = 10\n+0 > P. 1:11(10) ack 1 win 5", "instead of 5"),
    ("+0 write(4, ..., 10) = 10\n+0 > P. 1:11(10) ack 1 <nop,nop,sack 1:2>", "options <> instead of <nop,nop,sack 1:2>"),
    ("+0 write(4, ..., 10) = 10\n+0 > [ce] P. 1:11(10) ack 1", "ECN field 0 instead of 3"),
    ("+0 write(4, ..., 10) = 10\n+0 > (ttl 5) P. 1:11(10) ack 1", "ttl 64 instead of 5"),
    ("+0 write(4, ..., 10) = 10\n+.1 > P. 1:11(10) ack 1", "line 9: at 0.100000 s, not at 0.200000 s"),
    ("+0 %{ assert tcpi_snd_cwnd == 3 }%", "{'tcpi_snd_cwnd': 10}"),
    ("+0 %{ 1 / 0 }%", "ZeroDivisionError"),
    ("+0...0.2 read(4, ..., 1) = 1\n+.01 < P. 1:2(1) ack 1 win 9", "line 9: at 0.110000 s, not at 0.300000 s"),
    ("+0 read(4, ..., 1) = 1", "line 8: read() has not returned"),
])  # fmt: skip
def test_what_does_not_hold_is_told_with_its_line(line, told):
    result = run_text(ACCEPTED + line)
    assert result.outcome == "failed"
    assert told in result.text


@pytest.mark.parametrize(("line", "why"), [
    ("+0 `reboot`", "the command reboot"), ("+0 `sysctl -w net.what=1`", "the sysctl net.what"), ("+0 mmap(0) = 0", "mmap()"),
    ("+0 setsockopt(4, SOL_SOCKET, SO_WHAT, [1], 4) = 0", "the name SO_WHAT"), ("+0 %{ assert bbr_bw }%", "bbr_bw in code"),
])  # fmt: skip
def test_what_usnet_has_not_is_skipped_with_the_reason(line, why):
    result = run_text(ACCEPTED + line, profile="linux" if "sysctl" in line else "rfc")
    assert (result.outcome, result.text) == ("skipped", why)


def test_strict_sees_what_no_line_expects():
    text = ACCEPTED + "+0 write(4, ..., 10) = 10\n+.1 < . 1:1(0) ack 11 win 9"
    assert run_text(text).outcome == "passed"
    assert "a packet that no line expects" in run_text(text, strict=True).text
    assert "behind the last event" in run_text(ACCEPTED + "+0 write(4, ..., 10) = 10", strict=True).text


def test_large_frames_are_expected_in_one_unless_segments_count():
    text = ACCEPTED + "+0 write(4, ..., 2000) = 2000\n+0 > P. 1:2001(2000) ack 1"
    assert run_text(text).outcome == "passed"
    assert "1000 bytes instead of 2000" in run_text("--strict_segments\n" + text).text


# The settings that profiles are made of


def test_each_system_lays_its_options_out_in_its_own_order():
    dial = "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 fcntl(3, F_SETFL, O_NONBLOCK) = 0\n"
    dial += "+0 connect(3, ..., ...) = -1 EINPROGRESS\n+0 > S 0:0(0) "
    assert run_text(dial + "<mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 8>", profile="linux").outcome == "passed"
    assert run_text(dial + "<mss 1460,nop,wscale 6,sackOK,TS val 1 ecr 0>", profile="freebsd").outcome == "passed"
    assert "options" in run_text(dial + "<mss 1460,nop,wscale 6,sackOK,TS val 1 ecr 0>", profile="linux").text


def test_padding_behind_the_end_of_the_list_is_zeros():
    text = ACCEPTED[: ACCEPTED.index("+.1")].replace("<mss 1460,nop,nop,sackOK>", "<mss 1460,sackOK,eol,eol>")
    assert run_text(text, profile="freebsd").outcome == "passed"
    assert "options" in run_text(text).text


@pytest.mark.parametrize(("setting", "told"), [("0", "."), ("1", "R.")])
def test_a_syn_in_the_window_resets_where_rfc_793_is_wanted(setting, told):
    text = ACCEPTED.replace("<mss 1460,nop,nop,sackOK>", "<...>") + f"+0 `sysctl -w net.inet.tcp.insecure_syn={setting}`\n+0 < S 5:5(0) win 9\n"
    assert run_text(text + f"+0 > {told} 1:1(0) ack 1", profile="freebsd").outcome == "passed"


def test_what_arrives_twice_is_reported_once():
    text = ACCEPTED.replace("<mss 1460,nop,nop,sackOK>", "<...>") + """+0 < . 1:101(100) ack 1 win 9
+0 < . 1:101(100) ack 1 win 9
+0 > . 1:1(0) ack 101 <nop,nop,sack 1:101>
+0 < . 301:401(100) ack 1 win 9
+0 > . 1:1(0) ack 101 <nop,nop,sack 301:401>
+0 < . 251:351(100) ack 1 win 9
+0 > . 1:1(0) ack 101 <nop,nop,sack 301:351 251:401>
+0 < . 51:451(400) ack 1 win 9
+0 > . 1:1(0) ack 451 <nop,nop,sack 51:101>
"""
    result = run_text(text, profile="freebsd")
    assert (result.outcome, result.text) == ("passed", "")


# The program


def usnet(*arguments):
    command = [sys.executable, "-m", "usnet", "packetdrill", *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def test_the_program_counts_and_captures(tmp_path):
    bad = tmp_path / "bad.pkt"
    bad.write_text(ACCEPTED + "+0 write(4, ..., 100) = 99")
    ran = usnet(SCRIPTS[0], bad, "--pcap", tmp_path / "captures")
    assert ran.returncode == 1
    assert ran.stdout.splitlines()[-1] == "passed 1, failed 1, skipped 0 of 2"
    assert f"FAILED  {bad}: line 8: write() gives 100, not 99" in ran.stdout
    assert sorted(path.name for path in (tmp_path / "captures").iterdir()) == sorted(["bad.pcapng", f"{SCRIPTS[0].stem}.pcapng"])
    lines = usnet(FOLDER, "--json").stdout.splitlines()
    assert [json.loads(line)["outcome"] for line in lines] == ["passed"] * len(SCRIPTS)


def test_the_documents_script_and_test_hold(tmp_path, monkeypatch):
    page = (ROOT / "docs" / "packetdrill.md").read_text()
    (script,) = re.findall(r"```\n(// close\.pkt.*?)```", page, re.DOTALL)
    (test,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "close.pkt").write_text(script)
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(test, names)
    names["test_close"]()
    (tmp_path / "close.pkt").write_text(script.replace("F. 1:1(0)", "F. 2:2(0)"))
    with pytest.raises(AssertionError, match="line 10"):
        names["test_close"]()


def test_the_program_says_what_it_cannot_read(tmp_path):
    ran = usnet(tmp_path)
    assert (ran.returncode, ran.stderr.count("\n")) == (2, 1)
    assert "no *.pkt" in ran.stderr
