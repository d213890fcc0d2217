"""curl as the client of `usnet serve http`."""
import hashlib
import re
import statistics

import pytest

from tests.interop.addresses import KERNEL, PREFIX, USNET
from tests.interop.payload import difference

pytestmark = pytest.mark.needs("root", "tun", "curl")
URL = f"http://{USNET}:8080"
MB = 1_000_000
BAD_LINK = "loss=0.02,reorder=0.02,duplicate=0.02"


@pytest.fixture
def root(tmp_path, noise):
    """A directory with files of known bytes."""
    folder = tmp_path / "www"
    folder.mkdir()
    (folder / "2mb").write_bytes(noise(2 * MB))
    return folder


def curl(machine, *options, timeout=50):
    """What curl writes to its standard output."""
    return machine.run("curl", "-sS", "--max-time", timeout, *options).stdout


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_curl_of_50_mb_has_the_same_sha256(machine, root, noise, tmp_path, record_property):
    (root / "50mb").write_bytes(noise(50 * MB))
    wanted = sha256((root / "50mb").read_bytes())
    server = machine.serve("http", "--root", root)
    speeds = []
    for _ in range(3):
        speeds.append(float(curl(machine, "-o", tmp_path / "got", "-w", "%{speed_download}", f"{URL}/50mb")) * 8 / 1e6)
        assert sha256((tmp_path / "got").read_bytes()) == wanted
    figure = f"{statistics.median(speeds):.0f} Mbit/s (median of {', '.join(f'{s:.0f}' for s in speeds)})"
    record_property("curl of 50 MB", figure)
    print(f"curl of 50 MB: {figure}; {server.stop()}")


@pytest.mark.needs("tshark")
def test_parallel_curls_get_the_same_bytes(machine, root, tmp_path):
    machine.serve("http", "--root", root, capture=True)
    urls = [word for n in range(12) for word in ("-o", tmp_path / f"got{n}", f"{URL}/2mb")]
    curl(machine, "--parallel", "--parallel-immediate", "--parallel-max", 12, *urls)
    assert {sha256((tmp_path / f"got{n}").read_bytes()) for n in range(12)} == {sha256((root / "2mb").read_bytes())}
    assert machine.complaints() == []


def test_ranges_heads_missing_files_and_one_connection_for_all(machine, root):
    data = (root / "2mb").read_bytes()
    machine.serve("http", "--root", root)
    code = ("-w", "%{stderr}%{http_code} %{num_connects}\n")
    assert difference(curl(machine, "-r", "1000-700000", f"{URL}/2mb"), data[1000:700001]) == ""
    assert curl(machine, "-r", "-5", f"{URL}/2mb") == data[-5:]
    head = curl(machine, "-I", f"{URL}/2mb").decode().lower()
    assert head.startswith("http/1.1 200") and "content-length: 2000000" in head
    urls = [word for path in ("2mb", "none", "2mb") for word in ("-o", "/dev/null", f"{URL}/{path}")]
    done = machine.run("curl", "-sS", "--max-time", 50, *code, "-r", "0-9", *urls)
    assert [line.split() for line in done.stderr.decode().splitlines()] == [["206", "1"], ["404", "0"], ["206", "0"]]
    done = machine.run("curl", "-sS", "-f", "--max-time", 50, f"{URL}/none", check=False)
    assert done.returncode == 22 and b"404" in done.stderr


@pytest.mark.needs("tshark")
@pytest.mark.parametrize("more", [("--seed", 1), ("--seed", 2), ("--faults", BAD_LINK + ",delay=3ms")])
def test_curl_over_a_bad_link_has_the_same_sha256_in_time(machine, root, tmp_path, more, record_property):
    """2 % of all frames lost, others late or twice, in both directions."""
    server = machine.serve("http", "--root", root, "--faults", BAD_LINK, *more, capture=True)
    seconds = float(curl(machine, "-o", tmp_path / "got", "-w", "%{time_total}", f"{URL}/2mb"))
    assert sha256((tmp_path / "got").read_bytes()) == sha256((root / "2mb").read_bytes())
    record_property("curl of 2 MB over a bad link", f"{seconds:.2f} s")
    said = server.stop()
    print(f"curl of 2 MB over a bad link: {seconds:.2f} s; {said}")
    assert int(re.search(r"(\d+) frames dropped on purpose", said)[1]) > 10
    assert machine.complaints() == []


def test_curl_over_a_link_that_flips_bits_has_the_same_sha256(machine, root, tmp_path):
    machine.serve("http", "--root", root, "--faults", "corrupt=0.02")
    curl(machine, "-o", tmp_path / "got", f"{URL}/2mb")
    assert sha256((tmp_path / "got").read_bytes()) == sha256((root / "2mb").read_bytes())


def test_a_client_comes_back_from_the_same_port_while_the_server_is_in_time_wait(machine, root):
    """HTTP/1.0: the server closes first. A new SYN may take the old connection's place (RFC 9293, 3.10.7.4)."""
    machine.serve("http", "--root", root)
    for n in range(5):
        got = curl(machine, "-0", "--local-port", 40000, "-r", f"{n}-{n + 99}", f"{URL}/2mb")
        assert got == (root / "2mb").read_bytes()[n:n + 100]


@pytest.mark.needs("ip")
@pytest.mark.parametrize("mtu", [576, 1000])
def test_a_smaller_mtu_at_the_kernels_end_is_kept_to(machine, root, tmp_path, mtu):
    """curl asks for segments of its own device's size."""
    machine.serve("http", "--root", root)
    machine.run("ip", "link", "set", "usnet0", "mtu", mtu)
    curl(machine, "-o", tmp_path / "got", f"{URL}/2mb")
    assert sha256((tmp_path / "got").read_bytes()) == sha256((root / "2mb").read_bytes())


@pytest.mark.needs("ip")
def test_a_server_behind_a_router_answers_through_its_gateway(machine, root, tmp_path):
    """The client's address is of another network, so every answer goes through the gateway, which is the kernel."""
    machine.serve("http", "--root", root, "--gateway", KERNEL)
    machine.run("ip", "address", "add", f"192.0.2.1/{PREFIX}", "dev", "lo")
    curl(machine, "--interface", "192.0.2.1", "-o", tmp_path / "got", f"{URL}/2mb")
    assert sha256((tmp_path / "got").read_bytes()) == sha256((root / "2mb").read_bytes())
