"""examples/uploads: a server from PyPI as it is passes, a copy of it with a bug planted in it does not."""

import os
import re
import subprocess
import sys

import pytest

from tests.sources import ROOT

EXAMPLE = ROOT / "examples" / "uploads"


def run(folder, **environment):
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "--hypothesis-seed=1", f"--basetemp={folder / 'base'}", str(EXAMPLE)]
    kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER")}
    settings = {**kept, "HYPOTHESIS_STORAGE_DIRECTORY": str(folder), **environment}
    return subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, timeout=250, check=False)


@pytest.fixture
def planted(tmp_path):
    subprocess.run([sys.executable, str(EXAMPLE / "plant_bug.py"), str(tmp_path / "copy")], check=True, timeout=60, capture_output=True)
    return str(tmp_path / "copy")


def test_the_server_as_it_is_passes(tmp_path):
    result = run(tmp_path)
    assert result.returncode == 0 and "1 passed" in result.stdout, result.stdout


def test_the_bug_planted_in_a_copy_is_found_and_shrunk_to_one_lost_frame(tmp_path, planted):
    result = run(tmp_path, PYTHONPATH=planted)
    assert result.returncode == 1, result.stdout
    found = re.search(r"net=pair\(fates=\[(.*)\]\),\n.* size=(\d+),", result.stdout)
    assert found is not None, result.stdout
    assert found[1] in ("{'do': 'drop', 'at': 'client->server', 'match': {'flag': 'data', 'nth': 2}}",
                        "{'do': 'drop', 'at': 'client->server', 'match': {'flag': 'syn', 'nth': 1}}")
    assert found[2] == "1408"
    assert "assert 1407 == 1408" in result.stdout
    assert "\nreproduce: pytest examples/uploads/test_uploads.py::test_an_upload_comes_back_whole --usnet-seed=" in result.stdout


def test_the_test_is_short():
    assert len([line for line in (EXAMPLE / "test_uploads.py").read_text().splitlines() if line.strip()]) <= 16
