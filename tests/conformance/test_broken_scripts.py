"""A script that is broken is told so, with its line: never by a traceback, and without end never."""
import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conformance.test_packetdrill import ACCEPTED, FOLDER, SCRIPTS, usnet
from usnet.testing.packetdrill.runner import run_script, run_text

SOCKET = "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n"


@pytest.mark.parametrize(("text", "told"), [
    ("", "line 1: no events"),
    ("\x00\x01\x02", "line 1: expected a time: ???"),
    ("0 \x00", "line 1: expected a packet, a call, a command or code"),
    ("x" * 1000, "line 1: expected a time: " + "x" * 120 + "..."),
    ("--what=3\n" + SOCKET, "line 1: there is no option --what"),
    ("\n--mtu=abc\n" + SOCKET, "line 2: --mtu: a number from 68 to 65535 is expected"),
    ("--mtu=67\n" + SOCKET, "line 1: --mtu"),
    ("--mtu=\n" + SOCKET, "line 1: --mtu"),
    ("--bind_port=65536\n" + SOCKET, "line 1: --bind_port"),
    ("--tolerance_percent=1x\n" + SOCKET, "line 1: --tolerance_percent"),
    ("--local_ip=1.2.3\n" + SOCKET, "line 1: --local_ip: an address is expected"),
    ("--remote_ip=224.0.0.1\n" + SOCKET, "line 1: --remote_ip: the address of a host is expected"),
    ("--local_ip=10.0.0.1 --remote_ip=10.0.0.1\n" + SOCKET, "line 1: both ends have the address 10.0.0.1"),
    ("--define=5\n" + SOCKET, "line 1: --define: NAME=VALUE is expected"),
    (SOCKET + "+99999999999 close(3) = 0", "line 2: a time beyond 10000000 s"),
    (SOCKET + "1 bind(3, ..., ...) = 0\n0.5 close(3) = 0", "line 3: 0.500000 s is earlier than the event before, at 1.000000 s"),
    (SOCKET + "+2~+1 > . 1:1(0)", "line 2: a time that ends before it begins"),
    (SOCKET + "+1...0.5 close(3) = 0", "line 2: a time that ends before it begins"),
    (SOCKET + "* < . 1:1(0) win 5", "line 2: only an expected packet has a time that is not exact"),
    (SOCKET + "+1~+2 < . 1:1(0) win 5", "line 2: only an expected packet has a time that is not exact"),
    (SOCKET + "* close(3) = 0", "line 2: only an expected packet has a time that is not exact"),
    (SOCKET + "+0 f(" + "[" * 5000, "line 2: brackets in brackets, too many of them"),
    (SOCKET + "\n+0 < . 0:4294967297(4294967297) win 5", "line 3: length 4294967297 is more than 65495"),
    (SOCKET + "+0 < . 4294967296:4294967296(0) win 5", "line 2: seq 4294967296 is more than 4294967295"),
    (SOCKET + "+0 < . 0:0(0) win 65536", "line 2: win 65536 is more than 65535"),
    (SOCKET + "+0 < U 0:0(0) win 5 urg 65536", "line 2: urg 65536 is more than 65535"),
    (SOCKET + "+0 < S 0:0(0) win 5 <mss 65536>", "line 2: not an option, 'mss 65536'"),
    (SOCKET + "+0 < S 0:0(0) win 5 <wscale 256,nop>", "line 2: not an option, 'wscale 256'"),
    (SOCKET + "+0 < . 0:0(0) win 5 <TS val 4294967296 ecr 0,nop,nop>", "line 2: not an option, 'TS val 4294967296 ecr 0'"),
    (SOCKET + "+0 < . 0:0(0) win 5 <TS val 1,nop,nop>", "line 2: not an option, 'TS val 1'"),
    (SOCKET + "+0 < . 0:0(0) win 5 <nop,nop,sack 1:4294967296>", "line 2: not an option"),
    (SOCKET + "+0 < S 0:0(0) win 5 <mss 1, /* nop>", "line 2: a comment that does not end"),
    (SOCKET + "+0 < S 0:0(0) win 5 <raw 0>", "line 2: not an option, 'raw 0'"),
    (SOCKET + "+0 < S 0:0(0) win 5 <sackOK>", "line 2: 2 bytes of options"),
    (SOCKET + "+0 < 65536 > 80 S 0:0(0) win 5", "line 2: port 65536 is more than 65535"),
    (SOCKET + "+0 < [tos 0x100] S 0:0(0) win 5", "line 2: tos 256 is more than 255"),
    (SOCKET + "+0 < (ttl x) S 0:0(0) win 5", "line 2: not an IP header"),
    (SOCKET + "+0 < icmp unreachable code_256 [1:1(0)]", "line 2: code 256 is more than 255"),
    (SOCKET + "+0 < icmp unreachable frag_needed mtu 65536 [1:1(0)]", "line 2: mtu 65536 is more than 65535"),
    (SOCKET + '+0 setsockopt(3, "a", "b", "c", "d") = 0', "line 2: setsockopt():"),
    (SOCKET + "+0 setsockopt(3, SOL_SOCKET, SO_RCVBUF, [99999999999], 4) = 0", "line 2: setsockopt():"),
    (SOCKET + "+0 setsockopt(3, SOL_SOCKET, SO_LINGER, {onoff=-1, linger=0}, 8) = 0", "line 2: setsockopt():"),
    (SOCKET + "+0 read(3, ..., -5) = 0", "line 2: read():"),
    (SOCKET + "+0 poll(5, 6, 7) = 1", "line 2: poll():"),
    (SOCKET + "+0 fcntl(3, F_SETFL, [1]) = 0", "line 2: fcntl():"),
    (SOCKET + "+0 bind(3, {sa_family = AF_INET, sin_port = htons(99999), sin_addr = inet_addr(\"x\")}, ...) = 0", "line 2: bind():"),
    ('0 socket(1) = 3', "line 1: socket():"),
    ('0 socket(..., SOCK_STREAM, IPPROTO_TCP) = "x"', "line 1: socket() gives a number, not x"),
    (SOCKET + "+0 `sysctl 'a`", "line 2: `sysctl 'a`: No closing quotation"),
    (SOCKET + "+0 `sockstat | grep '['`", "line 2: `sockstat | grep '['`"),
])  # fmt: skip
def test_what_is_wrong_is_told_with_its_line(text, told):
    result = run_text(text)
    assert (result.outcome, result.text.startswith(f"not a script: {told}")) == ("failed", True), result.text
    assert result.line == int(re.search(r"line (\d+)", told)[1])
    assert "\n" not in result.text


@pytest.mark.parametrize(("code", "told"), [
    ("while True: pass", "the code does not end"), ("x = = 1", "SyntaxError"), ("raise SystemExit(0)", "SystemExit: 0"), ("[][1]", "IndexError"),
])  # fmt: skip
def test_code_that_does_not_end_or_ends_all_is_told_with_its_line(code, told):
    result = run_text(SOCKET + f"+0 %{{ {code} }}%")
    assert (result.outcome, result.line) == ("failed", 2)
    assert told in result.text


def test_numbers_of_any_size_that_a_call_may_have():
    assert run_text(SOCKET + "+0 read(3, ..., 99999999999999) = -1 ENOTCONN\n+0 write(3, ..., 99999999999999) = -1 EPIPE").outcome == "passed"


def test_a_byte_order_mark_and_lines_of_another_system_are_read(tmp_path):
    path = tmp_path / "bom.pkt"
    path.write_bytes(b"\xef\xbb\xbf" + (SOCKET + "+0 close(3) = 0\n").replace("\n", "\r\n").encode())
    assert run_script(path).outcome == "passed"


def test_an_error_of_our_own_is_told_as_one_and_stops_no_other_script(monkeypatch):
    monkeypatch.setattr("usnet.testing.packetdrill.runner.Run.go", lambda run: 1 / 0)
    result = run_text(SOCKET)
    assert (result.outcome, "an error of usnet's own: ZeroDivisionError" in result.text) == ("failed", True)


# Anything at all

PIECES = [
    "0", "+0", "+.1", "1...2", "+1~+2", "*", " ", "\n", "<", ">", ".", "S", "F.", "SEW", "1:1(0)", "0:4294967295(5)", "ack", "win", "-1",
    "(", ")", "[", "]", "{", "}", "=", ",", "|", "...", "mss 1", "sackOK", "sack 1:2", "TS val 1 ecr 2", "raw 00", "socket", "bind", "read", "poll",
    "3", "99999999999999999999", "--mtu=", "--define=a=b", "`", '"', "\\x", "//", "/*", "*/", "%{", "}%", "#ifdef X", "#else", "#endif", "icmp",
    "unreachable", "udp (5)", "!",
]  # fmt: skip


def defined(result):
    assert result.outcome in ("passed", "failed", "skipped")
    assert "usnet's own" not in result.text, result.text
    if result.text.startswith("not a script"):
        assert re.match(r"not a script: line \d+: .", result.text)


@given(st.lists(st.sampled_from(PIECES), max_size=40))
@settings(max_examples=400, deadline=None)
def test_any_row_of_words_has_a_defined_outcome(pieces):
    if "%{" not in pieces:
        defined(run_text(" ".join(pieces)))
        defined(run_text(SOCKET + "".join(pieces)))


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_text_has_a_defined_outcome(text):
    if "%{" not in text:
        defined(run_text(text))
        defined(run_text(SOCKET + "+0 " + text))


WHOLE = [text for path in SCRIPTS if "%{" not in (text := path.read_text())]


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_a_script_with_mistakes_has_a_defined_outcome(data):
    text = data.draw(st.sampled_from(WHOLE))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(at, min(at + 8, len(text))))
        text = text[:at] + data.draw(st.sampled_from(["", *PIECES])) + text[end:]
    if "%{" not in text:
        defined(run_text(text, strict=data.draw(st.booleans())))


# The program


def test_folders_that_are_named_like_scripts_and_captures_of_scripts_of_one_name(tmp_path):
    for name in ("a/syn.pkt", "b/syn.pkt"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(SOCKET)
    (tmp_path / "folder.pkt").mkdir()
    ran = usnet(tmp_path, "--pcap", tmp_path / "captures")
    assert (ran.returncode, ran.stdout) == (0, "passed 2, failed 0, skipped 0 of 2\n")
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.pcapng")) == ["captures/a/syn.pcapng", "captures/b/syn.pcapng"]


def test_definitions_stand_in_packets_and_calls(tmp_path):
    script = tmp_path / "defined.pkt"
    script.write_text(ACCEPTED + "+0 write(4, ..., SIZE) = SIZE\n+0 > P. 1:END(SIZE) ack 1\n")
    assert usnet(script, "-D", "SIZE=100", "-D", "END=101").returncode == 0
    assert "line 9" in usnet(script, "-D", "SIZE=100", "-D", "END=99").stdout
    ran = usnet(script, "-D", "5=6")
    assert (ran.returncode, ran.stderr.count("\n")) == (2, 1)


def test_what_cannot_be_opened_is_one_line_and_exit_code_2(tmp_path):
    for arguments in ((tmp_path / "nothing.pkt",), (FOLDER, "--profile", "beos"), (FOLDER / "listen", "--pcap", FOLDER / "listen" / "syn.pkt")):
        ran = usnet(*arguments)
        assert (ran.returncode in (1, 2), "Traceback" in ran.stderr, ran.stderr.count("\n")) == (True, False, 1), ran.stderr


def test_binary_junk_is_one_script_that_failed(tmp_path):
    (tmp_path / "junk.pkt").write_bytes(bytes(range(256)) * 20)
    ran = usnet(tmp_path / "junk.pkt", Path(SCRIPTS[0]), "--json")
    first, second = map(json.loads, ran.stdout.splitlines())
    assert (first["outcome"], first["line"], second["outcome"]) == ("failed", 1, "passed")
    assert (ran.returncode, ran.stderr) == (1, "passed 1, failed 1, skipped 0 of 2\n")
