import re

import pytest
from click.testing import CliRunner

from tests.cli.kit import usnet_program
from tests.sources import ROOT
from usnet.cli.commands import root
from usnet.lab.demo import GROUPS, Demo

PNG = b"\x89PNG\r\n\x1a\n"
DIGEST = re.compile(r"^digest: +([0-9a-f]{32}) ", re.MULTILINE)


def demo(out, *arguments):
    result = CliRunner().invoke(root, ["demo", "--out", str(out), *arguments], prog_name="usnet")
    assert (result.exit_code, result.stderr) == (0, ""), result.exception
    return result.stdout


def digest(text):
    return DIGEST.search(text)[1]


def test_the_demonstration_shows_progress_a_table_and_what_it_wrote(tmp_path):
    text = demo(tmp_path / "new" / "out", "--clients", "6")
    assert re.search(r"^ +\d+\.\d{3} s: .* are back, 6 of 6 clients are done$", text, re.MULTILINE)
    assert all(
        re.search(rf"^ *2 {group.name} +{group.rate}, {group.delay} +0\.75 ", text, re.MULTILINE) for group in GROUPS
    )
    assert re.search(r"^ *the server .* 2\.25 +\d+ +\d+", text, re.MULTILINE)
    assert re.search(
        r"^\d+ frames on the links, \d+ of them lost; [\d.]+ virtual seconds in [\d.]+ CPU seconds: [\d.]+ times",
        text,
        re.MULTILINE,
    )
    assert (tmp_path / "new" / "out" / "usnet-demo.png").read_bytes().startswith(PNG)
    assert (tmp_path / "new" / "out" / "usnet-demo.pcapng").stat().st_size > 2 * 6 * 384 * 1024


def test_the_same_options_give_the_same_digest_and_capture_in_every_process(tmp_path):
    here = digest(demo(tmp_path / "a", "--clients", "5"))
    captures = {(tmp_path / "a" / "usnet-demo.pcapng").read_bytes()}
    for seed in ("0", "1"):
        out = tmp_path / seed
        result = usnet_program("demo", "--clients", 5, "--out", out, env={"PYTHONHASHSEED": seed})
        assert (result.returncode, result.stderr) == (0, "")
        assert digest(result.stdout) == here
        captures.add((out / "usnet-demo.pcapng").read_bytes())
    assert len(captures) == 1
    assert digest(demo(tmp_path / "a", "--clients", "5")) == here


@pytest.mark.parametrize("other", [("--seed", "2"), ("--loss", "0.03"), ("--clients", "6")])
def test_other_options_give_another_digest(tmp_path, other):
    assert digest(demo(tmp_path, "--clients", "5", *other)) != digest(demo(tmp_path, "--clients", "5"))


def test_only_the_default_options_are_compared_with_the_readme(tmp_path):
    assert "compare with the README" in demo(tmp_path)
    assert "compare with the README" not in demo(tmp_path, "--clients", "3")


def test_the_digest_is_the_one_that_the_readme_shows():
    assert Demo().run().digest in (ROOT / "README.md").read_text()


def test_looking_on_changes_nothing():
    seen = []
    watched = Demo(clients=4).run(lambda progress: None, seen.append)
    assert len(seen) > 1000
    assert Demo(clients=4).run().digest == watched.digest


def test_without_loss_nothing_is_lost_and_nothing_sent_again():
    result = Demo(clients=3, loss=0.0, size=100_000).run()
    assert (result.lost, result.server_retransmits, [row.retransmits for row in result.rows]) == (0, 0, [0, 0, 0])
    assert result.bytes == 300_000


def test_the_goodput_stays_below_the_rate_of_the_link():
    for row in Demo(clients=6, loss=0.0).run().rows:
        assert 0 < row.goodput < int(row.link.partition("Mbit")[0]) * 1e6


def test_a_directory_that_cannot_be_made_is_one_line_and_exit_1(tmp_path):
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(
        root, ["demo", "--clients", "1", "--out", str(tmp_path / "file" / "out")], prog_name="usnet"
    )
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    assert str(tmp_path) in result.stderr
