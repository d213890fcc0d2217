"""The wheel: built, installed into an environment of its own, and somebody else's Cython module compiled against what is
installed there. The build that stands in build/ is copied first, so that hardly anything is compiled.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile

import pytest

from tests.sources import ROOT, package_files

EXAMPLE = ROOT / "examples" / "cython_echo"
BUILD = ROOT / "build" / "cp{}{}".format(*sys.version_info)

RUN = """
import hashlib, sys
import usnet
from cython_echo import EchoServer
from usnet.backends.pair import make_pair

assert usnet.__file__.startswith(sys.prefix), usnet.__file__
data = hashlib.shake_128(b"wheel").digest(300_000)


def ask(address, size):
    with usnet.create_connection((address, 7)) as sock:
        for at in range(0, size, 30_000):
            sock.sendall(data[at:at + 30_000])
            assert sock.recv(30_000, usnet.MSG_WAITALL) == data[at:at + 30_000]


def simulate():
    world = usnet.World(seed=3)
    hub, server = world.switch("hub"), world.host("server", "10.9.0.1/24")
    world.link(server, hub)
    found = []

    def serve():
        found.append(EchoServer(usnet.current(), 7))
        found[0].serve(connections=4)

    program = server.run(serve)
    for n in range(4):
        client = world.host(f"client{n}", f"10.9.0.{n + 2}/24")
        world.link(client, hub, rate="50Mbit", delay="3ms", loss=0.02)
        client.run(ask, "10.9.0.1", 300_000)
    assert world.run_programs("60s")
    return found[0].served, found[0].echoed, world.digest()


def over_a_pair():
    a, b = make_pair()
    stack, other = usnet.Stack(a, "10.9.0.1/24"), usnet.Stack(b, "10.9.0.2/24")
    server = EchoServer(stack, 7)
    sock = other.socket(usnet.AF_INET, usnet.SOCK_STREAM)
    sock.setblocking(False)
    sock.connect_ex(("10.9.0.1", 7))
    back, sent = bytearray(), 0
    while len(back) < len(data):
        stack.run_once()
        server.turn()
        other.run_once()
        for call in (lambda: sock.send(data[sent:]), lambda: back.extend(sock.recv(1 << 20))):
            try:
                sent += call() or 0
            except BlockingIOError:
                pass
    assert back == data
    sock.close()
    while not server.served:
        stack.run_once()
        server.turn()
        other.run_once()
    stack.close(linger=0)
    other.close(linger=0)
    return server.echoed


first, again = simulate(), simulate()
assert first == again
print(*first[:2], over_a_pair())
"""


def pip(*arguments, cwd, python=None):
    command = [sys.executable, "-m", "pip", *(["--python", str(python)] if python else []), *map(str, arguments)]
    # meson and ninja are looked up by name
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INDEX": "1"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr


def build_options():
    """The options that the build was set up with, so that the copy stays as it is."""
    import json

    known = json.loads((BUILD / "meson-info" / "intro-buildoptions.json").read_text())
    return [f"-Csetup-args=-D{o['name']}={o['value']}" for o in known if o["name"] in ("optimization", "buildtype", "debug", "b_ndebug")]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    if shutil.which("cc") is None and shutil.which("gcc") is None:
        pytest.skip("no C compiler (Debian package gcc)")
    folder = tmp_path_factory.mktemp("wheel")
    # Times are kept, so that ninja sees what is there
    shutil.copytree(BUILD, folder / "build", symlinks=True)
    pip("wheel", "--no-build-isolation", "--no-deps", f"-Cbuild-dir={folder / 'build'}", *build_options(), "-w", folder, ROOT, cwd=folder)
    shutil.rmtree(folder / "build")
    (made,) = folder.glob("usnet-*.whl")
    return made


@pytest.fixture(scope="module")
def environment(wheel):
    """Another interpreter: the wheel, and whatever else this one has."""
    folder = wheel.parent / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=120)
    python = folder / "bin" / "python"
    show = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = subprocess.run([python, "-c", show], capture_output=True, text=True, check=True).stdout.strip()
    # Plain folders: what .pth files in them say is not done, so the editable usnet stays out
    borrowed = [path for path in sys.path if path.endswith("site-packages")]
    with open(os.path.join(site, "borrowed.pth"), "w") as pth:
        pth.write("\n".join(borrowed))
    pip("install", "--no-deps", wheel, cwd=wheel.parent, python=python)
    return python


def names_in(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_all_declarations_and_headers_are_in_the_wheel(wheel):
    there = names_in(wheel)
    wanted = [str(path.relative_to(ROOT)) for path in package_files(".pxd", ".pyi", ".py")]
    wanted += [str(path.relative_to(ROOT)) for path in (ROOT / "usnet").rglob("*.h")]
    assert len(wanted) > 150
    assert [name for name in wanted if name not in there] == []


def test_every_module_is_in_the_wheel_compiled(wheel):
    there = names_in(wheel)
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    modules = [str(path.relative_to(ROOT).with_suffix("")) for path in package_files(".pyx")]
    assert [name for name in modules if name + suffix not in there] == []


def test_a_module_of_somebody_else_is_compiled_against_the_wheel_and_echoes(environment, tmp_path):
    source = tmp_path / "cython_echo"
    shutil.copytree(EXAMPLE, source)
    # usnet.get_include() is asked of the interpreter that it is built for: pip runs the build with that one
    command = [environment, "-m", "pip", "wheel", "-q", "--no-build-isolation", "--no-deps", "--no-index", "-w", tmp_path, source]
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env={**os.environ, "PATH": path})
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = tmp_path.glob("cython_echo-*.whl")
    pip("install", "--no-deps", "--force-reinstall", made, cwd=tmp_path, python=environment)
    done = subprocess.run([environment, "-W", "error", "-c", RUN], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["4", "1200000", "300000"]
