"""Ordinary programs, unedited, on hosts of a world: what they import is theirs alone, and time is virtual."""

import sys

import pytest

PATH = {"rate": "10Mbit", "delay": "20ms", "loss": 0.02}
MESSAGE = "b'0123456789' * 3000"


ECHO = """
    import socket
    with socket.create_server(("", 7)) as listener:
        while True:
            connection, peer = listener.accept()
            with connection:
                while data := connection.recv(4096):
                    connection.sendall(data)
"""
ASK = f"""
    import socket
    message = {MESSAGE}
    with socket.create_connection(("server", 7), timeout=60) as s:
        s.sendall(message)
        s.shutdown(socket.SHUT_WR)
        got = b"".join(iter(lambda: s.recv(4096), b""))
    print(got == message)
"""


def test_an_echo_server_and_its_client_under_loss(run):
    lines, (server, client), _ = run({"server": ECHO, "client": ASK}, **PATH)
    assert lines == ["True"]
    assert (server.status, client.status) == (None, 0)


def test_a_web_server_of_the_standard_library_and_urllib(run, tmp_path):
    (tmp_path / "page.txt").write_text("hello " * 5000)
    lines, _, _ = run({
        "server": f"""
            import functools, http.server
            class Handler(http.server.SimpleHTTPRequestHandler):
                def log_message(self, form, *args):
                    print(self.log_date_time_string(), form % args)
            handler = functools.partial(Handler, directory={str(tmp_path)!r})
            http.server.ThreadingHTTPServer(("", 8080), handler).serve_forever()
        """,
        "client": """
            import urllib.error, urllib.request
            print(urllib.request.urlopen("http://server:8080/page.txt").read() == b"hello " * 5000)
            try:
                urllib.request.urlopen("http://server:8080/none")
            except urllib.error.HTTPError as error:
                print(error.code)
        """,
    }, **PATH)  # fmt: skip
    assert [line for line in lines if not line.startswith("01/Jan/2025 00:00:0")] == ["True", "404"]
    assert sum("GET /page.txt" in line for line in lines) == 1


def test_socketserver_with_a_thread_for_each_connection(run):
    client = """
        import socket, time
        with socket.create_connection(("server", 9000)) as s:
            s.sendall(b"{name}\\n")
            print(s.makefile().readline().strip(), round(time.monotonic()))
    """
    lines, scripts, _ = run({
        "server": """
            import socketserver, time
            class Handler(socketserver.StreamRequestHandler):
                def handle(self):
                    name = self.rfile.readline()
                    time.sleep(10)
                    self.wfile.write(b"hello " + name)
            with socketserver.ThreadingTCPServer(("", 9000), Handler) as server:
                server.serve_forever()
        """,
        "one": client.format(name="one"), "two": client.format(name="two"), "three": client.format(name="three"),
    })  # fmt: skip
    assert sorted(lines) == ["hello one 10", "hello three 10", "hello two 10"]  # at once, not one after another
    assert [script.status for script in scripts] == [None, 0, 0, 0]


def test_a_chat_over_select(run):
    member = """
        import socket, sys, time
        s = socket.create_connection(("server", 5000))
        time.sleep({when})
        s.sendall(b"{name} is here\\n")
        time.sleep({stay})
        s.settimeout(1)
        print("{name}:", s.recv(1000))
    """
    lines, _, _ = run({
        "server": """
            import select, socket
            listener = socket.create_server(("", 5000))
            listener.setblocking(False)
            members = []
            while True:
                readable, _, _ = select.select([listener, *members], [], [])
                for s in readable:
                    if s is listener:
                        members.append(s.accept()[0])
                    elif data := s.recv(1000):
                        for other in select.select([], members, [], 0)[1]:
                            if other is not s:
                                other.sendall(data)
                    else:
                        members.remove(s)
                        s.close()
        """,
        "ann": member.format(name="ann", when=1, stay=3), "bob": member.format(name="bob", when=2, stay=2),
    })  # fmt: skip
    assert sorted(lines) == ["ann: b'bob is here\\n'", "bob: b'ann is here\\n'"]


@pytest.mark.parametrize("selector", ["DefaultSelector", "EpollSelector", "PollSelector", "SelectSelector"])
def test_an_echo_server_on_selectors(run, selector):
    lines, _, _ = run({
        "server": f"""
            import selectors, socket
            chosen = selectors.{selector}()
            def accept(listener):
                connection, _ = listener.accept()
                connection.setblocking(False)
                chosen.register(connection, selectors.EVENT_READ, echo)
            def echo(connection):
                data = connection.recv(1000)
                if data:
                    connection.setblocking(True)
                    connection.sendall(data)
                    connection.setblocking(False)
                else:
                    chosen.unregister(connection)
                    connection.close()
            listener = socket.create_server(("", 7))
            listener.setblocking(False)
            chosen.register(listener, selectors.EVENT_READ, accept)
            while True:
                for key, _ in chosen.select():
                    key.data(key.fileobj)
        """,
        "client": ASK,
    }, **PATH)  # fmt: skip
    assert lines == ["True"]


def test_poll_says_what_was_closed(run):
    lines, _, _ = run({"host": """
        import select, socket, time
        a, b = socket.socketpair()
        p = select.poll()
        p.register(a, select.POLLIN)
        p.register(b)
        print(p.poll(100) == [(b.fileno(), select.POLLOUT)])
        number = a.fileno()
        b.send(b"x")
        time.sleep(0.001)
        print(dict(p.poll())[number] == select.POLLIN)
        a.close()
        print(dict(p.poll())[number] == select.POLLNVAL)
    """})
    assert lines == ["True", "True", "True"]


def test_threads_locks_and_queues_take_virtual_time(run):
    lines, _, _ = run({"host": """
        import concurrent.futures, queue, threading, time
        start = time.monotonic()
        todo, done = queue.Queue(maxsize=2), queue.SimpleQueue()
        def work():
            while (n := todo.get()) is not None:
                time.sleep(n)
                done.put((n, threading.current_thread().name))
        workers = [threading.Thread(target=work, name=f"w{i}") for i in range(3)]
        for w in workers: w.start()
        for n in (5, 1, 1, 3, None, None, None): todo.put(n)
        for w in workers: w.join()
        print([done.get() for _ in range(4)], time.monotonic() - start)
        try:
            done.get(timeout=2.5)
        except queue.Empty:
            print("empty", time.monotonic() - start)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            print(list(pool.map(lambda n: (time.sleep(n), n)[1], [3, 2, 1])), time.monotonic() - start)
        barrier, local, event = threading.Barrier(2), threading.local(), threading.Event()
        local.x = 1
        def other():
            print(hasattr(local, "x"), barrier.wait() in (0, 1))
            print(event.wait(1), event.wait(5), time.monotonic() - start)
        t = threading.Thread(target=other); t.start(); barrier.wait()
        threading.Timer(2, event.set).start()
        condition = threading.Condition()
        with condition:
            print(condition.wait(0.5), condition.wait_for(lambda: True))
        gate = threading.Semaphore(1)
        print(gate.acquire(), gate.acquire(timeout=1), threading.active_count())
        t.join(); print(threading.enumerate() == [threading.main_thread()])
        lock = threading.RLock()
        with lock, lock: pass
    """})
    assert lines == [
        "[(1, 'w1'), (1, 'w2'), (3, 'w1'), (5, 'w0')] 5.0", "empty 7.5", "[3, 2, 1] 10.5", "False True", "False True",
        "True False 3", "False True 12.5", "True",
    ]  # fmt: skip


def test_what_is_random_and_what_time_it_is_depend_on_the_seed_alone(run):
    source = """
        import datetime, os, random, secrets, tempfile, time, uuid
        print(random.random(), random.Random().random(), random.SystemRandom().random(), os.urandom(4), os.getpid(), os.cpu_count())
        print(uuid.uuid4(), uuid.uuid1(), secrets.token_hex(4))
        time.sleep(3600.25)
        now = datetime.datetime.now()
        print(now, datetime.date.today(), now - datetime.timedelta(days=1), isinstance(now, datetime.date), time.ctime())
        print(datetime.datetime.fromtimestamp(time.time()) == now, now.timestamp() == time.time(), time.mktime(time.localtime()))
        random.seed(1); print(random.random())
    """
    first, again, other = (run({"host": source}, seed=seed)[0] for seed in (1, 1, 2))
    assert first == again
    assert first[:2] != other[:2] and not set(first[0].split()[:3]) & set(other[0].split()[:3])
    assert first[2] == "2025-01-01 01:00:00.250000 2025-01-01 2024-12-31 01:00:00.250000 True Wed Jan  1 01:00:00 2025"
    assert first[3:] == ["True True 1735693200.0", "0.13436424411240122"]


def test_a_script_has_modules_of_its_own(run, tmp_path):
    import queue
    import socket
    import threading
    import time

    before = {name: sys.modules.get(name) for name in ("__main__", "socket", "threading", "time", "queue", "helper", "random")}
    kept = [vars(module).copy() for module in (socket, threading, time, queue)]
    source = """
        import pickle, dataclasses, enum, socket, sys, threading, time, importlib
        import helper
        from helper import value
        helper.count += 1
        print(__name__, sys.argv[1:], sys.modules["__main__"].__dict__ is globals(), helper.count, value, socket is importlib.import_module("socket"))
        @dataclasses.dataclass
        class Point: x: int = 1
        class Kind(enum.IntEnum): A = 1
        print(pickle.loads(pickle.dumps([Point(2), Kind.A, helper.Thing()]))[:2])
        socket.marked = True
    """
    (tmp_path / "helper.py").write_text("import time\ncount = 0\nvalue = time.time()\nclass Thing: pass\ntime.sleep(1)\n")
    lines, _, _ = run({"one": source, "two": source}, args={"one": ["a"], "two": ["b", "c"]})
    assert lines == [
        "__main__ ['a'] True 1 1735689600.0 True", "__main__ ['b', 'c'] True 1 1735689600.0 True",
        "[Point(x=2), <Kind.A: 1>]", "[Point(x=2), <Kind.A: 1>]",
    ] or lines == [
        "__main__ ['a'] True 1 1735689600.0 True", "[Point(x=2), <Kind.A: 1>]",
        "__main__ ['b', 'c'] True 1 1735689600.0 True", "[Point(x=2), <Kind.A: 1>]",
    ]  # fmt: skip
    assert {name: sys.modules.get(name) for name in before} == before
    assert [vars(module) for module in (socket, threading, time, queue)] == kept
