"""Scripts: asyncio, garbage, scenarios, names, signals, servers that stay, and the faces one by one."""

import contextlib
import gc
import socket
import subprocess
import sys

import pytest

import usnet
from tests.sources import ROOT
from usnet.lab.scenario import load
from usnet.lab.scenario import run as play

ASYNCIO = """
    import asyncio, socket, time
    async def serve(reader, writer):
        writer.write((await reader.readline()).upper())
        writer.close()
    async def server():
        async with await asyncio.start_server(serve, "", 7) as made:
            await made.serve_forever()
    async def ask(word):
        reader, writer = await asyncio.open_connection("server", 7)
        writer.write(word + b"\\n")
        answer = await reader.readline()
        writer.close()
        return answer
    async def client():
        print(await asyncio.gather(*(ask(b"word %d" % i) for i in range(3))))
        print(await asyncio.to_thread(lambda: time.sleep(2) or 5), 2 <= time.monotonic() < 3)
        s = socket.socket()
        s.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(s, ("server", 7))
        await loop.sock_sendall(s, b"raw\\n")
        print(await loop.sock_recv(s, 100))
        s.close()
    asyncio.run(server() if socket.gethostname() == "server" else client())
"""


def test_asyncio_programs_run_on_the_same_world(run):
    lines, (server, *_), digest = run({"server": ASYNCIO, "client": ASYNCIO, "other": ASYNCIO}, delay="20ms", loss=0.02)
    assert sorted(lines) == sorted(["[b'WORD 0\\n', b'WORD 1\\n', b'WORD 2\\n']", "5 True", "b'RAW\\n'"] * 2)
    assert server.status is None
    assert run({"server": ASYNCIO, "client": ASYNCIO, "other": ASYNCIO}, delay="20ms", loss=0.02)[2] == digest


def test_a_server_from_pypi_that_knows_processes_and_another_loop(run):
    """uvicorn imports multiprocessing, and takes uvloop where there is one."""
    said = run({
        "server": """
            import uvicorn
            async def app(scope, receive, send):
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "body": b"this is " + scope["path"].encode()})
            if __name__ == "__main__":
                uvicorn.run(app, host="0.0.0.0", port=80, lifespan="off", log_level="critical")
        """,
        "client": """
            import time, urllib.request
            time.sleep(1)
            print(urllib.request.urlopen("http://server/x").read())
        """,
    })  # fmt: skip
    assert "b'this is /x'" in str(said)


@pytest.mark.parametrize("limit", [30, None], ids=["timeout", "blocking"])
def test_https_by_the_standard_library(run, limit):
    pem = str(ROOT / "tests" / "sockets" / "aio_tls.pem")
    lines, _, _ = run({
        "server": f"""
            import http.server, ssl
            class Handler(http.server.BaseHTTPRequestHandler):
                def do_POST(self):
                    body = self.rfile.read(int(self.headers["Content-Length"]))
                    self.send_response(200)
                    self.end_headers()
                    self.wfile.write(body[::-1])
                def log_message(self, *args): pass
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain({pem!r})
            server = http.server.ThreadingHTTPServer(("", 443), Handler)
            server.socket = context.wrap_socket(server.socket, server_side=True)
            server.serve_forever()
        """,
        "client": f"""
            import socket, ssl, urllib.request
            context = ssl.create_default_context(cafile={pem!r})
            for purpose in ssl.Purpose:
                ssl.create_default_context(purpose)
            body = bytes(range(256)) * 400
            with urllib.request.urlopen("https://server/", body, context=context, timeout={limit}) as answer:
                print(answer.read() == body[::-1])
            with context.wrap_socket(socket.create_connection(("server", 443)), server_hostname="server") as s:
                print(isinstance(s, ssl.SSLSocket), s.version(), s.getpeercert()["subject"], s.pending())
            try:
                context.wrap_socket(socket.create_connection(("server", 443)), server_hostname="other")
            except ssl.SSLCertVerificationError as error:
                print(error.verify_code)
            plain = socket.create_connection(("server", 443))
            plain.setblocking(False)
            s = context.wrap_socket(plain, server_hostname="server", do_handshake_on_connect=False)
            import select
            while True:
                try:
                    s.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    select.select([s], [], [], 5)
            print(s.cipher() is not None, s.sendall(b"POST / HTTP/1.0\\r\\nContent-Length: 2\\r\\n\\r\\nab"))
        """,
    }, delay="20ms", loss=0.02)  # fmt: skip
    assert lines == ["True", "True TLSv1.3 ((('commonName', 'usnet test'),),) 0", "62", "True None"]


def test_asyncio_in_a_thread_of_a_script(run):
    lines, _, _ = run({"host": """
        import asyncio, threading, time
        async def work(n):
            await asyncio.sleep(1000 + n)
            print(n, round(time.monotonic()), type(asyncio.get_running_loop()).__module__)
        threads = [threading.Thread(target=asyncio.run, args=(work(n),)) for n in range(2)]
        for t in threads: t.start()
        for t in threads: t.join()
    """})
    assert lines == ["0 1000 usnet.sockets.aio", "1 1001 usnet.sockets.aio"]


def test_what_is_closed_by_a_search_for_garbage_is_closed_at_the_same_instant(run):
    server = """
        import socket, time
        with socket.create_server(("", 7)) as listener:
            for _ in range(2):
                connection, _ = listener.accept()
                connection.recv(1)
                print(time.monotonic())
    """
    client = """
        import socket, time
        def forget():
            a, b = [socket.create_connection(("server", 7))], []
            a.append(b)
            b.append(a)
        forget()
        forget()
        for i in range(3000):
            time.sleep(0.01)
    """
    before = gc.get_threshold()
    outcomes = []
    try:
        for threshold in (1, 700, 100_000):
            gc.set_threshold(threshold)
            outcomes.append(run({"server": server, "client": client})[::2])
    finally:
        gc.set_threshold(*before)
    assert len(outcomes[0][0]) == 2 and float(outcomes[0][0][-1]) < 20  # long before the client ends
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert gc.isenabled()


def test_scripts_in_a_scenario(tmp_path, capsys):
    (tmp_path / "server.py").write_text((ROOT / "examples" / "scripts" / "server.py").read_text())
    (tmp_path / "client.py").write_text((ROOT / "examples" / "scripts" / "client.py").read_text())
    file = tmp_path / "words.toml"
    file.write_text("""
        schema = 1
        name = "words"
        about = "Two scripts."
        source = []
        seed = 3
        duration = "60s"
        [hosts.server]
        app = "script:server.py 8080 (daemon=true)"
        [hosts.client]
        app = "script:client.py 'server' 8080"
        [[links]]
        a = "server"
        b = "client"
        delay = "20ms"
        loss = 0.02
    """)
    outcomes = [play(load(file)) for _ in range(2)]
    assert [outcome.failures for outcome in outcomes] == [[], []]
    assert outcomes[0].digest == outcomes[1].digest and outcomes[0].packets > 30
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2 and said[0] == said[1] and " words in " in said[0]
    (tmp_path / "client.py").write_text("import time\ntime.sleep(50)\nprint('late')\n1 / 0")
    with pytest.raises(ZeroDivisionError):
        play(load(file))
    assert capsys.readouterr().out == "late\n"
    file.write_text(file.read_text().replace("client.py", "nothing.py"))
    with pytest.raises(Exception, match=r"hosts\.client\.app.*nothing\.py"):
        load(file)


def test_the_two_scripts_of_the_examples_run_on_the_kernels_sockets_too():
    folder = ROOT / "examples" / "scripts"
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    server = subprocess.Popen([sys.executable, folder / "server.py", port])
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", int(port))):
                break
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(0.1)
        said = subprocess.run([sys.executable, folder / "client.py", "127.0.0.1", port], capture_output=True, text=True, timeout=60, check=True)
    finally:
        server.kill()
        server.wait()
    assert " words in " in said.stdout


def test_names_of_a_world_and_what_socket_offers(run):
    lines, _, _ = run({"one": """
        import socket
        print(socket.gethostname(), socket.gethostbyname("two"), socket.getfqdn("10.0.0.2"), socket.gethostbyaddr("10.0.0.2")[0])
        for name in ("three", "two.example"):
            try:
                socket.create_connection((name, 80))
            except socket.gaierror as error:
                print(error.errno == socket.EAI_NONAME)
        try:
            socket.create_connection(("two", 80), timeout=5)
        except ConnectionRefusedError as error:
            print(error)
        s = socket.socket()
        try:
            s.bind(("10.0.0.2", 80))
        except OSError as error:
            print(error)
        print(socket.timeout is TimeoutError, socket.SocketType, socket.has_ipv6, isinstance(s, socket.SocketType), repr(s.family))
        socket.setdefaulttimeout(2); print(socket.socket().gettimeout(), socket.getdefaulttimeout()); socket.setdefaulttimeout(None)
        try:
            socket.socket(socket.AF_UNIX)
        except OSError as error:
            print(error)
    """, "two": "import time; time.sleep(1)"})  # fmt: skip
    assert lines == [
        "one 10.0.0.2 two two", "True", "True", "[Errno 111] Connection refused", "[Errno 99] Cannot assign requested address",
        "True <class '_socket.socket'> False True <AddressFamily.AF_INET: 2>", "2.0 2.0", "[Errno 97] Address family not supported by protocol",
    ]  # fmt: skip
    assert socket.getdefaulttimeout() is None


@pytest.mark.parametrize("name", ["socket", "select", "selectors", "time", "threading", "signal", "queue", "os", "datetime", "random", "atexit"])
def test_the_faces_have_all_names_of_the_standard_modules(run, name):
    import importlib

    missing = {"os": {"sendfile"}}.get(name, set())
    wanted = sorted(n for n in dir(importlib.import_module(name)) if not n.startswith("_") and n not in missing)
    lines, _, _ = run({"host": f"import {name}\nprint([n for n in {wanted!r} if not hasattr({name}, n)])"})
    assert lines == ["[]"]


def test_a_function_of_a_face_is_no_method_of_a_class(run):
    lines, _, _ = run({"host": """
        import logging, os, sys, time
        class Timer:
            now = time.time
            pid = os.getpid
        print(Timer().now(), Timer().pid())
        logging.basicConfig(stream=sys.stdout, format="%(asctime)s %(threadName)s %(message)s")
        logging.warning("hello")
    """})
    assert lines == ["1735689600.0 1000", "2025-01-01 00:00:00,000 MainThread hello"]


def test_signals_of_a_script_reach_itself_alone(run):
    import signal

    before = signal.getsignal(signal.SIGTERM)
    lines, (script,), _ = run({"host": """
        import signal
        signal.signal(signal.SIGTERM, lambda number, frame: print("got", number))
        signal.raise_signal(signal.SIGTERM)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.raise_signal(signal.SIGTERM)
    """})
    assert lines == ["got 15"] and script.status == 143
    assert signal.getsignal(signal.SIGTERM) is before


def test_output_of_a_script_goes_where_it_says(run):
    lines, _, _ = run({"host": """
        import contextlib, io, sys
        kept, sys.stdout = sys.stdout, io.StringIO()
        print("hidden")
        text, sys.stdout = sys.stdout.getvalue(), kept
        print("shown", text)
    """, "other": "print('other')"})
    assert lines == ["shown hidden", "", "other"]


def test_a_host_without_a_link_talks_to_itself(tmp_path, capsys):
    (tmp_path / "alone.py").write_text("import socket\na, b = socket.socketpair()\na.sendall(b'x')\nprint(b.recv(1))\n")
    with usnet.World() as world:
        world.host("alone").run_script(tmp_path / "alone.py")
        world.run()
    assert capsys.readouterr().out == "b'x'\n"


def test_what_is_local_to_a_thread_is_made_anew_for_each(run):
    lines, _, _ = run({"host": """
        import threading, time
        class Own(threading.local):
            kind = "class"
            def __init__(self, start):
                self.n = start
        own, plain = Own(10), threading.local()
        plain.x = "main"
        def count():
            for _ in range(3):
                own.n += 1
                time.sleep(1)
            print(own.n, own.kind, sorted(vars(own)), hasattr(plain, "x"))
        threads = [threading.Thread(target=count) for _ in range(2)]
        for t in threads: t.start()
        for t in threads: t.join()
        print(own.n, plain.x, vars(plain))
        del plain.x
        print(hasattr(plain, "x"))
        try: threading.local(1)
        except TypeError as error: print(error)
    """})
    assert lines == [
        "13 class ['n'] False", "13 class ['n'] False", "10 main {'x': 'main'}", "False", "Initialization arguments are not supported",
    ]  # fmt: skip


def test_the_end_of_a_script_ends_its_daemon_threads_and_closes_its_sockets(run):
    lines, _, _ = run({
        "server": """
            import socket, time
            with socket.create_server(("", 7)) as listener:
                connection, _ = listener.accept()
                kept = connection
                connection.settimeout(50)
                while data := connection.recv(100): print(data)
                print("end")
                time.sleep(10)
        """,
        "client": """
            import socket, threading, time
            s = socket.create_connection(("server", 7))
            def talk():
                for _ in range(2):
                    s.sendall(b"x")
                    time.sleep(1)
                print("still there")
            threading.Thread(target=talk, daemon=True).start()
            time.sleep(1.5)
        """,
    })  # fmt: skip
    assert lines == ["b'x'", "b'x'", "end"]


def test_servers_stay_between_two_runs(tmp_path, capsys):
    (tmp_path / "server.py").write_text(
        "import http.server\nhttp.server.HTTPServer(('', 80), http.server.BaseHTTPRequestHandler).serve_forever()"
    )
    (tmp_path / "client.py").write_text("import socket\nsocket.create_connection(('server', 80)).close()\nprint('done')")
    with usnet.World() as world:
        server, client = world.host("server", "10.0.0.1/24"), world.host("client", "10.0.0.2/24")
        world.link(server, client)
        script = server.run_script(tmp_path / "server.py")
        for _ in range(2):
            client.run_script(tmp_path / "client.py")
            world.run()
        assert script.status is None
    assert capsys.readouterr().out == "done\ndone\n"


def test_a_server_that_must_end_is_waited_for(tmp_path, capsys):
    (tmp_path / "server.py").write_text("import socket, time\nsocket.create_server(('', 80))\ntime.sleep(100)\nprint('server ends')")
    (tmp_path / "client.py").write_text("print('client ends')")
    for daemon, last in ((False, "server ends"), (None, "client ends"), (True, "client ends")):
        with usnet.World() as world:
            world.host("server", "10.0.0.1/24").run_script(tmp_path / "server.py", daemon=daemon)
            world.host("client", "10.0.0.2/24").run_script(tmp_path / "client.py")
            world.run()
        assert capsys.readouterr().out.splitlines()[-1] == last


def test_a_worlds_other_programs_are_waited_for_too(tmp_path, capsys):
    (tmp_path / "server.py").write_text("import socket\nfor _ in range(2):\n    socket.create_server(('', 80)).accept()")
    with usnet.World() as world:
        server, client = world.host("server", "10.0.0.1/24"), world.host("client", "10.0.0.2/24")
        world.link(server, client)
        server.run_script(tmp_path / "server.py")

        def ask():
            from usnet.lab.programs import sleep

            sleep("5s")
            usnet.create_connection(("server", 80)).close()

        client.run(ask)
        world.run()
        assert world.now > 5 * 10**9
