"""What all commands share: help, versions, wrong arguments, a missing extra."""

import importlib.metadata
import subprocess
import sys

import pytest
from click.testing import CliRunner

from tests.cli.kit import usnet_program
from usnet.cli.commands import root

SERVE = ["serve", "echo", "--address", "10.9.0.2/24"]


def python(program, **options):
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)


def invoke(*arguments):
    return CliRunner().invoke(root, [str(a) for a in arguments], prog_name="usnet")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "Missing command"),
        (["nonsense"], "nonsense"),
        (["--nonsense"], "--nonsense"),
        (["demo", "--clients", "0"], "--clients"),
        (["demo", "--clients", "many"], "many"),
        (["demo", "--loss", "2"], "--loss"),
        (["demo", "surplus"], "surplus"),
        (["replay"], "FILE"),
        (["replay", "x.toml", "--seed", "-1"], "--seed"),
        (["replay", "x.toml", "--seed", str(2**64)], "--seed"),
        (["replay", "x.toml", "--seed", "text"], "--seed"),
        (["demo", "--seed", str(2**64)], "--seed"),
        (["demo", "--loss", "nan"], "nan"),
        (["serve"], "Missing command"),
        (["serve", "gopher"], "gopher"),
        (["serve", "echo"], "--address"),
        (["serve", "echo", "--address", "10.9.0.2"], "prefix"),
        (["serve", "echo", "--address", "10.9.0.300/24"], "10.9.0.300/24"),
        ([*SERVE, "--port", "0"], "--port"),
        ([*SERVE, "--port", "65536"], "--port"),
        ([*SERVE, "--gateway", "10.8.0.1"], "--gateway"),
        ([*SERVE, "--gateway", "nowhere"], "nowhere"),
        ([*SERVE, "--gateway", "10.9.0.2"], "own"),
        ([*SERVE, "--peer-address", "10.9.0.2/24"], "own"),
        ([*SERVE, "--peer-address", "10.8.0.1/24"], "--peer-address"),
        ([*SERVE, "--peer-address", "10.9.0.255/24"], "10.9.0.255/24"),
        (["serve", "echo", "--address", "0.0.0.0/0"], "0.0.0.0/0"),
        (["serve", "echo", "--address", "10.9.0.0/24"], "10.9.0.0/24"),
        (["serve", "echo", "--address", "10.9.0.255/24"], "10.9.0.255/24"),
        (["serve", "echo", "--address", "127.0.0.1/8"], "127.0.0.1/8"),
        (["serve", "echo", "--address", "224.0.0.1/24"], "224.0.0.1/24"),
        ([*SERVE, "--seed", str(2**64)], "--seed"),
        ([*SERVE, "--faults", "loss=2"], "loss"),
        ([*SERVE, "--faults", "gremlins=1"], "gremlins"),
        ([*SERVE, "--backend", "carrier-pigeon:x"], "carrier-pigeon"),
        ([*SERVE, "--backend", "tap"], "tap"),
        ([*SERVE, "--backend", "tap:a-name-that-is-too-long"], "a-name-that-is-too-long"),
        (["serve", "http", "--address", "10.9.0.2/24", "--root", "no/such/directory"], "no/such/directory"),
        (["doctor", "--colour"], "--colour"),
    ],
)
def test_wrong_arguments_are_one_line_on_stderr_and_exit_2(arguments, says):
    result = invoke(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1 and result.stderr.endswith("\n")
    assert says in result.stderr and result.stderr.startswith("usnet")


def test_wrong_arguments_are_the_same_from_a_shell():
    result = usnet_program("replay")
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1)


@pytest.mark.parametrize(
    "command",
    [[], ["demo"], ["replay"], ["serve"], ["serve", "echo"], ["serve", "http"], ["serve", "discard"], ["doctor"]],
)
def test_every_command_has_help(command):
    result = invoke(*command, "--help")
    assert result.exit_code == 0
    assert result.stdout.startswith(" ".join(["Usage: usnet", *command]))


def test_the_help_names_all_commands_and_shows_examples():
    text = invoke("--help").stdout
    assert all(f"\n  {name} " in text for name in ("demo", "replay", "serve", "doctor"))
    assert "usnet replay sim_scenarios/" in text


def test_the_version_is_the_installed_one():
    result = usnet_program("--version")
    assert result.stdout == f"usnet, version {importlib.metadata.version('usnet')}\n"


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("click", ["doctor"]),
        ("rich", ["doctor"]),
        ("msgspec", ["replay", "x.toml"]),
        ("matplotlib", ["demo", "--clients", "1"]),
        ("h11", ["serve", "http", "--address", "10.9.0.2/24"]),
    ],
)
def test_a_missing_extra_is_one_line_that_says_what_to_install(module, arguments, tmp_path):
    program = [
        f"import sys; sys.modules[{module!r}] = None; sys.argv[1:] = {arguments!r}",
        "from usnet.cli.main import main; main()",
    ]
    result = python("\n".join(program), cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr == f"usnet: {module} is not installed: pip install 'usnet[cli]'\n"


def test_a_reader_that_goes_away_is_no_crash():
    process = subprocess.Popen(
        [sys.executable, "-m", "usnet", "doctor", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == ""
    assert process.wait(60) == 1
