"""usnet's asyncio loop beside what asyncio promises: sockets, threads, signals, policies, ends. On a stack without ports, in real time."""

import asyncio
import contextlib
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

import usnet
import usnet.aio
from tests.sockets.kit import Net, Usnet
from tests.sources import ROOT


@pytest.fixture
def stack():
    with usnet.Stack(None) as made:
        yield made
        assert made.statistics()["memory"]["descriptors"] == 0


def open_files():
    return sorted(os.listdir("/proc/self/fd"), key=int)


async def nothing():
    return "done"


# --- Sockets that are not the stack's ---

TAKES_A_SOCKET = {
    "sock_recv": lambda loop, s: loop.sock_recv(s, 1),
    "sock_recv_into": lambda loop, s: loop.sock_recv_into(s, bytearray(1)),
    "sock_recvfrom": lambda loop, s: loop.sock_recvfrom(s, 1),
    "sock_recvfrom_into": lambda loop, s: loop.sock_recvfrom_into(s, bytearray(1)),
    "sock_sendall": lambda loop, s: loop.sock_sendall(s, b"x"),
    "sock_sendto": lambda loop, s: loop.sock_sendto(s, b"x", ("127.0.0.1", 9)),
    "sock_connect": lambda loop, s: loop.sock_connect(s, ("127.0.0.1", 9)),
    "sock_accept": lambda loop, s: loop.sock_accept(s),
    "sock_sendfile": lambda loop, s: loop.sock_sendfile(s, None),
    "create_connection": lambda loop, s: loop.create_connection(asyncio.Protocol, sock=s),
    "create_server": lambda loop, s: loop.create_server(asyncio.Protocol, sock=s),
    "create_datagram_endpoint": lambda loop, s: loop.create_datagram_endpoint(asyncio.DatagramProtocol, sock=s),
    "connect_accepted_socket": lambda loop, s: loop.connect_accepted_socket(asyncio.Protocol, s),
    "add_reader": lambda loop, s: loop.add_reader(s, print),
    "add_writer": lambda loop, s: loop.add_writer(s, print),
}


@pytest.mark.parametrize("name", TAKES_A_SOCKET)
def test_sockets_of_the_kernels_and_of_other_stacks_are_refused(stack, name):
    async def call(loop, sock):
        await TAKES_A_SOCKET[name](loop, sock)

    async def main():
        loop = asyncio.get_running_loop()
        with usnet.Stack(None) as other, socket.socket() as kernels, other.socket() as others:
            for sock, error, words in ((kernels, TypeError, r"usnet\.socket"), (others, ValueError, "another stack")):
                sock.setblocking(False)
                with pytest.raises(error, match=words):
                    await call(loop, sock)

    usnet.aio.run(main())


@pytest.mark.parametrize("fd", [0, 1, 2, 99])
def test_descriptors_that_no_socket_of_the_stack_has_are_refused(stack, fd):
    async def main():
        with pytest.raises(OSError, match="Bad file descriptor"):
            asyncio.get_running_loop().add_reader(fd, print)

    usnet.aio.run(main())


# --- What there is not ---


@pytest.mark.parametrize(("call", "words"), [
    (lambda loop: asyncio.create_subprocess_exec("true"), "processes"),
    (lambda loop: asyncio.create_subprocess_shell("true"), "processes"),
    (lambda loop: asyncio.open_unix_connection("nowhere"), "unix"),
    (lambda loop: asyncio.start_unix_server(print, "nowhere"), "unix"),
    (lambda loop: loop.connect_read_pipe(asyncio.Protocol, sys.stdin), "pipes"),
    (lambda loop: loop.connect_write_pipe(asyncio.Protocol, sys.stdout), "pipes"),
])  # fmt: skip
def test_what_is_not_offered_says_so(stack, call, words):
    async def main():
        with pytest.raises(NotImplementedError, match=words):
            await call(asyncio.get_running_loop())

    usnet.aio.run(main())


def test_a_loop_needs_a_stack_and_its_thread():
    with pytest.raises(RuntimeError, match="no stack is in use"):
        usnet.aio.new_event_loop()
    with usnet.Stack(None) as stack:
        said = []

        def elsewhere():
            try:
                usnet.aio.new_event_loop(stack)
            except RuntimeError as error:
                said.append(str(error))

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
    assert said == ["a stack belongs to the thread that made it"]


# --- Ends ---


def test_a_loop_takes_no_descriptor_of_the_systems_and_leaves_none(stack):
    before = open_files()

    async def main():
        assert open_files() == before
        server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
        await asyncio.sleep(0.01)
        assert open_files() == before

    for _ in range(3):
        usnet.aio.run(main())
    assert open_files() == before
    assert stack.statistics()["memory"]["descriptors"] == 0


LEFT_OPEN = """
import asyncio, gc, sys, usnet, usnet.aio
async def main():
    server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    await asyncio.sleep(0.01)
    server.close()
with usnet.Stack(None):
    loop = {}.new_event_loop()
    loop.run_until_complete(main())
    del loop
    gc.collect()
"""


def test_what_is_left_open_is_a_warning_as_on_the_kernels_loop():
    warned = []
    for whose in ("asyncio", "usnet.aio"):
        command = [sys.executable, "-W", "always", "-c", LEFT_OPEN.format(whose)]
        said = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True).stderr
        warned.append(sorted(re.findall(r"ResourceWarning: (unclosed (?:event loop|transport|<StreamWriter)|loop is closed)", said)))
    assert warned[0] == warned[1] and len(warned[0]) >= 3


def test_a_loop_may_be_closed_after_its_stack():
    with usnet.Stack(None) as stack:
        loop = usnet.aio.new_event_loop(stack)
        server = loop.run_until_complete(asyncio.start_server(print, "127.0.0.1", 0))
    server.close()
    loop.call_soon_threadsafe(print)
    loop.close()
    loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        loop.call_soon_threadsafe(print)
    stack.close()


def test_run_returns_raises_and_gives_its_stack_to_the_coroutine():
    async def fail():
        raise KeyError("x")

    async def where():
        return usnet.current(), asyncio.get_running_loop().stack

    with usnet.Stack(None) as stack, contextlib.ExitStack() as outside:
        outside.enter_context(usnet.use(None))
        assert usnet.aio.run(where(), stack=stack) == (stack, stack)
        with pytest.raises(KeyError):
            usnet.aio.run(fail(), stack=stack)
        assert usnet.aio.run(nothing(), stack=stack, debug=True) == "done"


# --- Threads ---


def test_another_thread_wakes_a_loop_that_waits(stack):
    async def main():
        loop = asyncio.get_running_loop()
        heard = []

        def speak():
            for n in range(100):
                time.sleep(0.001)
                loop.call_soon_threadsafe(heard.append, n)
            loop.call_soon_threadsafe(done.set_result, None)

        done = loop.create_future()
        thread = threading.Thread(target=speak)
        thread.start()
        async with asyncio.timeout(30):
            await done
        thread.join()
        return heard

    assert usnet.aio.run(main()) == list(range(100))


def test_functions_run_in_threads_which_may_not_use_the_stack(stack):
    async def main():
        assert await asyncio.to_thread(threading.current_thread) is not threading.current_thread()
        with pytest.raises(RuntimeError, match="belongs to the thread"):
            await asyncio.to_thread(usnet.socket)
        assert await asyncio.gather(*[asyncio.to_thread(time.sleep, 0.01) for _ in range(10)]) == [None] * 10

    usnet.aio.run(main())


def test_without_programs_functions_run_at_once_in_virtual_time():
    net = Net(Usnet())
    with contextlib.closing(net):
        async def main():
            loop = asyncio.get_running_loop()
            got = [await loop.run_in_executor(None, threading.current_thread)]
            await asyncio.sleep(1e6)
            return got, loop.time()

        assert usnet.aio.run(main(), stack=net.client) == ([threading.current_thread()], 1_000_001)


# --- Waking ---


def test_wake_ends_a_poll_that_waits_and_the_next_one(stack):
    with stack.epoll() as ep:
        ep.wake()
        ep.wake()
        assert ep.poll() == []
        assert ep.poll(0.01) == []
        threading.Timer(0.05, ep.wake).start()
        assert ep.poll() == []
    ep.wake()


def test_wake_reaches_a_program_that_waits_in_a_world():
    with usnet.World(seed=1) as world:
        host = world.host("a", "10.0.0.1/24")
        made = []

        def wait():
            with usnet.epoll() as ep:
                made.append(ep)
                return ep.poll(), world.now

        def wake():
            usnet.lab.programs.sleep("3s")
            made[0].wake()

        waiting = host.run(wait)
        host.run(wake)
        world.run_programs()
        assert waiting.value == ([], 3_000_000_000)


def test_a_blocking_call_goes_on_waiting_when_a_loop_is_woken(stack):
    async def main():
        with usnet.socket(usnet.AF_INET, usnet.SOCK_DGRAM) as sock:
            sock.settimeout(0.2)
            loop = asyncio.get_running_loop()
            threading.Timer(0.05, loop.call_soon_threadsafe, [print]).start()
            start = loop.time()
            with pytest.raises(TimeoutError):
                sock.recv(10)
            return loop.time() - start

    assert usnet.aio.run(main()) >= 0.2


# --- Signals ---


def test_signals_are_callbacks(stack):
    before = open_files()

    async def main():
        loop = asyncio.get_running_loop()
        caught = loop.create_future()
        loop.add_signal_handler(signal.SIGUSR1, caught.set_result, "caught")
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        async with asyncio.timeout(30):
            assert await caught == "caught"
        assert loop.remove_signal_handler(signal.SIGUSR1)
        assert not loop.remove_signal_handler(signal.SIGUSR1)
        assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL
        loop.add_signal_handler(signal.SIGUSR1, print)

    usnet.aio.run(main())
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL and open_files() == before


def test_signals_that_cannot_be_handled_are_refused(stack):
    async def main():
        loop = asyncio.get_running_loop()
        for sig, handler, error in (
            (signal.SIGKILL, print, RuntimeError), (12345, print, ValueError), ("SIGUSR1", print, TypeError), (signal.SIGUSR1, nothing, TypeError),
        ):
            with pytest.raises(error):
                loop.add_signal_handler(sig, handler)

    before = open_files()
    usnet.aio.run(main())
    assert open_files() == before


def test_no_signal_reaches_a_host_of_a_world():
    with usnet.World(seed=1) as world:
        async def main():
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGUSR1, print)
            return signal.getsignal(signal.SIGUSR1), loop.remove_signal_handler(signal.SIGUSR1)

        program = world.host("a", "10.0.0.1/24").run(lambda: asyncio.run(main()))
        world.run()
        assert program.value == (signal.SIG_DFL, False)


SERVER = """
import asyncio, sys, usnet, usnet.aio
async def main():
    try:
        async with await asyncio.start_server(print, "127.0.0.1", 0) as server:
            print("waits", flush=True)
            await server.serve_forever()
    finally:
        print("cleans up", flush=True)
with usnet.Stack(None):
    usnet.aio.run(main())
"""


def test_ctrl_c_ends_a_server_in_good_order():
    process = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, text=True)
    assert process.stdout.readline() == "waits\n"
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=60)
    assert out == "cleans up\n" and error.rstrip().endswith("KeyboardInterrupt") and process.returncode in (1, 130, -signal.SIGINT)


# --- Whose loop asyncio makes ---


def test_installed_holds_inside_and_here_alone(stack):
    async def which():
        return type(asyncio.get_running_loop())

    elsewhere = []
    with usnet.aio.installed():
        assert asyncio.run(which()) is usnet.aio.EventLoop
        thread = threading.Thread(target=lambda: elsewhere.append(asyncio.run(which())))
        thread.start()
        thread.join()
        for make in (asyncio.new_event_loop, asyncio.SelectorEventLoop):
            loop = make()
            assert loop.stack is stack
            loop.close()
    assert asyncio.run(which()) is elsewhere[0] is not usnet.aio.EventLoop
    asyncio.SelectorEventLoop(selectors.SelectSelector()).close()


def test_loops_make_sockets_of_the_class_that_is_installed(stack):
    class Mine(usnet.socket):
        pass

    async def main():
        server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
        loop = asyncio.get_running_loop()
        endpoint, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        made = [type(s._sock) for s in (server.sockets[0], endpoint.get_extra_info("socket"), writer.get_extra_info("socket"))]
        endpoint.close()
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()
        return made

    with usnet.aio.installed(socket=Mine):
        assert asyncio.run(main()) == [Mine] * 3


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="missing: event loop policies without a warning (Python 3.13 and older)")
def test_a_policy_may_be_set_for_the_process(stack):
    before = asyncio.get_event_loop_policy()
    asyncio.set_event_loop_policy(usnet.aio.EventLoopPolicy(stack))
    try:
        assert asyncio.run(nothing()) == "done"
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        assert isinstance(loop, usnet.aio.EventLoop) and asyncio.get_event_loop() is loop
        loop.close()
    finally:
        asyncio.set_event_loop(None)
        asyncio.set_event_loop_policy(before)


@pytest.mark.parametrize("debug", [False, True])
def test_the_usual_ways_to_run_a_loop_work(stack, debug, capfd):
    loop = usnet.aio.new_event_loop()
    loop.set_debug(debug)
    loop.call_later(0.01, loop.stop)
    loop.run_forever()
    assert loop.run_until_complete(nothing()) == "done"
    assert not loop.is_running() and not loop.is_closed()
    loop.close()
    assert loop.is_closed()
    with asyncio.Runner(loop_factory=usnet.aio.new_event_loop, debug=debug) as runner:
        assert runner.run(nothing()) == "done"
        assert runner.run(asyncio.sleep(0.001, "slept")) == "slept"
    assert capfd.readouterr() == ("", "")


def test_timers_are_never_early_in_real_time(stack):
    async def main():
        loop = asyncio.get_running_loop()
        late = []
        for ns in (1, 1000, 100_000, 1_000_000, 3_333_333):
            start = stack.clock.now()
            await asyncio.sleep(ns / 1e9)
            late.append(stack.clock.now() - start - ns)
        assert loop.time() == pytest.approx(time.monotonic(), abs=5)
        return late

    assert min(usnet.aio.run(main())) >= 0


def test_a_task_factory_is_used(stack):
    made = []

    async def main():
        loop = asyncio.get_running_loop()

        def factory(loop, coroutine, **options):
            made.append(options.get("context"))
            return asyncio.Task(coroutine, loop=loop, **options)

        loop.set_task_factory(factory)
        assert loop.get_task_factory() is factory
        return await asyncio.create_task(nothing())

    assert usnet.aio.run(main()) == "done" and len(made) >= 1
