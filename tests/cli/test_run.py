"""usnet run: programs named by file, in one world."""

import os
import re
import subprocess
import sys

import pytest

from tests.sources import ROOT

SERVER = """
import socketserver, sys
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line.upper())
        print("served")
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
with Server(("", int(sys.argv[1])), Handler) as server:
    server.serve_forever()
"""
CLIENT = """
import argparse, random, socket, time
parser = argparse.ArgumentParser()
parser.add_argument("--text", default="hello")
parser.add_argument("host")
options = parser.parse_args()
names = {"b", "a", "c"}
with socket.create_connection((options.host, 80)) as s, s.makefile("rw") as f:
    f.write((options.text + "\\n") * 2000)
    f.flush()
    print(len([f.readline() for _ in range(2000)]), random.random(), time.time())
"""


def usnet(*words, cwd, **environment):
    command = [sys.executable, "-m", "usnet", "run", *words]
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=cwd, env=env, check=False)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "server.py").write_text(SERVER)
    (tmp_path / "client.py").write_text(CLIENT)
    return tmp_path


WORDS = ["--loss", "0.02", "--delay", "20ms", "--digest", "server.py", "80", ":", "client.py", "--text", "word", "server", ":", "client.py", "server"]


def test_three_processes_print_the_same_and_end_in_the_same_digest(folder):
    results = [usnet(*WORDS, cwd=folder, PYTHONHASHSEED=seed) for seed in ("0", "1", "77")]
    assert [(result.returncode, result.stderr) for result in results] == [(0, "")] * 3
    assert len({result.stdout for result in results}) == 1
    lines = results[0].stdout.splitlines()
    assert sorted(line.split()[0] for line in lines) == ["2000", "2000", "digest:", "served", "served"]
    other = usnet("--seed", "2", *WORDS, cwd=folder)
    assert other.stdout.splitlines()[-1] != lines[-1] and other.returncode == 0


def test_a_module_instead_of_a_file(folder):
    (folder / "fetch.py").write_text("import urllib.request\nprint(urllib.request.urlopen('http://http.server/server.py').read().decode())")
    result = usnet("-m", "http.server", "80", ":", "fetch.py", cwd=folder)
    assert result.returncode == 0
    assert SERVER in result.stdout
    assert re.search(r"^10\.0\.0\.2 - - \[01/Jan/2025 00:00:00\] \"GET /server.py HTTP/1.1\" 200 -$", result.stderr, re.MULTILINE)


@pytest.mark.parametrize(("source", "status", "said"), [
    ("import sys; sys.exit(7)", 7, r""),
    ("raise SystemExit('no')", 1, r"no\n"),
    ("import time\ntime.sleep(2)\nprint(1 / 0)", 1,
     r'script: at 2 s:\nTraceback \(most recent call last\):\n  File "script.py", line 3, in <module>\n    print\(1 / 0\)\n.*\nZeroDivision.*\n'),
    ("import threading\nthreading.Event().wait()", 1,
     r"usnet run: since 0 s nothing is left to happen, but these wait:\n  script:script.py at script.py:2 in <module>: threading.*\n"),
    ("while True: pass", 1, r"usnet run: script has computed for \d\.\d s without waiting, .* at script.py:1 in <module>: while True: pass\n"),
    ("def f(:", 1, r'script: at 0 s:\n  File "script.py", line 1\n    def f\(:\n.*\nSyntaxError: .*\n'),
])  # fmt: skip
def test_how_a_script_ends_is_the_exit_status_and_its_error_is_in_its_own_lines(tmp_path, source, status, said):
    (tmp_path / "script.py").write_text(source)
    result = usnet("--patience", "0.3", "script.py", cwd=tmp_path)
    assert result.returncode == status
    assert re.fullmatch(said, result.stderr)


@pytest.mark.parametrize("words", [[], [":"], ["none.py"], ["--los", "3", "server.py"], ["server.py", ":"], ["-m", "no_such_module"]])
def test_what_cannot_be_run_is_one_line_and_status_2(folder, words):
    result = usnet(*words, cwd=folder)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
