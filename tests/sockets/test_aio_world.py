"""asyncio in virtual time: loops on several hosts, exact timers, digests, and what goes wrong."""

import asyncio
import functools
import os
import subprocess
import sys

import pytest

import usnet
import usnet.aio
from tests.sockets.aio_kit import Far, answer
from tests.sockets.test_aio_agreement import CASES
from tests.sources import ROOT
from usnet.lab.programs import NoProgress, sleep


@pytest.fixture
def world():
    with usnet.World(seed=1) as made:
        yield made


@pytest.fixture
def host(world):
    a, b = world.host("a", "10.0.0.1/24"), world.host("b", "10.0.0.2/24")
    world.link(a, b, delay="10ms")
    return a


def result(host, main):
    """What the coroutine function returns, run by asyncio.run() on the host."""
    program = host.run(lambda: asyncio.run(main()))
    host.world.run_programs()
    return program.value


def test_time_is_virtual_and_timers_go_off_to_the_nanosecond(host):
    async def main():
        loop = asyncio.get_running_loop()
        went_off = []
        for ns in (1, 10, 999, 1_000_001, 3_600_000_000_000):
            loop.call_later(ns / 1e9, lambda: went_off.append(host.world.now))
        await asyncio.sleep(3601)
        for _ in range(10):
            await asyncio.sleep(0.1)
        return went_off, host.world.now, loop.time()

    assert result(host, main) == ([1, 10, 999, 1_000_001, 3_600_000_000_000], 3_602_000_000_000, 3602.0)


def test_many_waits_of_a_decimal_fraction_add_up_to_the_nanosecond(host):
    """A float of seconds is a little more or less than the fraction, and so are the differences of such."""

    async def main():
        for n in range(2000):
            await asyncio.sleep((0.0123, 0.1, 0.000007)[n % 3])

    result(host, main)
    assert host.world.now == 667 * (12_300_000 + 100_000_000) + 666 * 7_000


def test_timers_go_off_on_time_after_a_hundred_years(host):
    """Where a float of seconds no longer tells nanoseconds apart."""

    async def main():
        loop = asyncio.get_running_loop()
        await asyncio.sleep(100 * 365 * 86400 + 0.123456789)
        start = loop.time()
        for _ in range(100):
            await asyncio.sleep(0.01)
        return loop.time() - start

    assert result(host, main) == pytest.approx(1, abs=1e-4)


def test_a_coarse_clock_never_lets_a_timer_go_off_early(world):
    host = world.host("coarse", "10.0.0.1/24", granularity="16ms")

    async def main():
        await asyncio.sleep(0.017)
        return world.now

    assert result(host, main) == 32_000_000


def test_a_host_without_a_link_talks_to_itself(world):
    host = world.host("alone", "10.0.0.1/24")

    async def main():
        server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            got = await reader.read()
            writer.close()
            await writer.wait_closed()
        return got

    assert result(host, main) == b"" and world.now < 1_000_000


def test_a_loop_of_callbacks_without_progress_is_an_error_that_names_the_program(host, monkeypatch):
    monkeypatch.setattr("usnet.lab.programs.NO_PROGRESS_LIMIT", 1000)

    async def main():
        while True:
            await asyncio.sleep(0)

    host.run(lambda: asyncio.run(main()), name="a:spin")
    with pytest.raises(NoProgress, match="program 'a:spin'"):
        host.world.run_programs()


def test_what_a_thread_would_do_is_a_program_and_its_waiting_is_virtual(host):
    def slow(seconds):
        sleep(f"{seconds}s")
        return usnet.current() is host.stack

    async def main():
        async with asyncio.timeout(6):
            answers = await asyncio.gather(*[asyncio.to_thread(slow, n) for n in (5, 3, 4)])
        with pytest.raises(ZeroDivisionError):
            await asyncio.get_running_loop().run_in_executor(None, lambda: 1 // 0)
        return answers, host.world.now

    assert result(host, main) == ([True] * 3, 5_000_000_000)


def test_the_run_does_not_end_before_the_executors_functions(host):
    async def main():
        asyncio.get_running_loop().run_in_executor(None, sleep, "5s")

    result(host, main)
    assert host.world.now == 5_000_000_000


def test_a_coroutine_that_blocks_stops_its_own_loop_and_no_other(world, host):
    """Each program has its own running loop, task and hooks, wherever it gives way."""
    other = world.hosts["b"]
    noted = []

    async def main(host, blocks):
        loop, task = asyncio.get_running_loop(), asyncio.current_task()

        async def ticks():
            try:
                while True:
                    yield
                    await asyncio.sleep(0.01)
            finally:
                noted.append((host.name, asyncio.get_running_loop() is loop))

        count = 0
        async for _ in ticks():
            count += 1
            if count == 3:
                if blocks:
                    sleep("1s")
                assert asyncio.get_running_loop() is loop and asyncio.current_task() is task
            if world.now >= 100_000_000:
                return count

    programs = [h.run(lambda h=h: asyncio.run(main(h, h is host))) for h in (host, other)]
    world.run_programs()
    assert [program.value for program in programs] == [3, 11]
    assert sorted(noted) == [("a", True), ("b", True)]


def test_a_program_that_is_killed_leaves_the_killers_loop_alone(world, host):
    ended = []

    async def forever():
        try:
            await asyncio.sleep(1e6)
        finally:
            ended.append(world.now)

    victim = world.hosts["b"].run(lambda: asyncio.run(forever()), daemon=True)

    async def main():
        loop = asyncio.get_running_loop()
        await asyncio.sleep(1)
        victim.kill()
        assert asyncio.get_running_loop() is loop
        await asyncio.sleep(1)

    result(host, main)
    assert ended == [1_000_000_000] and not victim.alive


def test_old_ways_to_a_loop_lead_to_the_programs_own(world, host):
    def program():
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        sleep("1s")  # the other one sets its own
        assert asyncio.get_event_loop() is loop
        assert isinstance(loop, usnet.aio.EventLoop) and loop.stack is usnet.current()
        try:
            return loop.run_until_complete(asyncio.sleep(1, "slept"))
        finally:
            loop.close()

    programs = [h.run(program) for h in world.hosts.values()]
    world.run_programs()
    assert [p.value for p in programs] == ["slept", "slept"]
    with asyncio.Runner() as outside:
        assert not isinstance(outside.get_loop(), usnet.aio.EventLoop)


def test_a_world_runs_inside_a_coroutine_of_an_ordinary_loop(host):
    async def inside():
        await asyncio.sleep(5)
        return asyncio.get_running_loop().time()

    async def outside():
        loop = asyncio.get_running_loop()
        got = result(host, inside)
        assert asyncio.get_running_loop() is loop
        return got

    assert asyncio.run(outside()) == 5.0


DIGEST = """
from tests.sockets.aio_kit import Far
from tests.sockets.test_aio_agreement import CASES
place = Far()
print(place.run(next(case for case in CASES if case.__name__ == "two_hundred_clients"))[1].count(True), place.digest)
"""


def test_two_hosts_with_a_loop_each_repeat_to_the_byte_under_loss():
    """In processes with hashes and addresses of their own."""
    run = functools.partial(subprocess.run, [sys.executable, "-c", DIGEST], cwd=ROOT, capture_output=True, text=True, check=True)
    said = {run(env={**os.environ, "PYTHONHASHSEED": str(n)}).stdout for n in range(3)}
    assert len(said) == 1 and said.pop().startswith("200 ")


ORDERS = """
import asyncio, usnet
ended = []
async def end(n):
    try:
        await asyncio.sleep(1000)
    finally:
        ended.append(n)
async def count(n):
    try:
        while True:
            yield n
            await asyncio.sleep(0)
    finally:
        ended.append(n)
async def main():
    done, _ = await asyncio.wait([asyncio.create_task(asyncio.sleep(1, n)) for n in range(20)])
    print([task.result() for task in done])
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(end(n), name=str(n)) for n in range(20)]
            await asyncio.sleep(0)
            print([task.get_name() for task in asyncio.all_tasks() if task.get_name().isdigit()])
            raise KeyError
    except* KeyError:
        pass
    hosts = [f"10.0.0.{n}" for n in range(1, 9)]
    server = await asyncio.start_server(print, hosts, 80)
    print([sock.getsockname()[0] for sock in server.sockets] == hosts)
    server.close()
    generators = [count(n) for n in range(20)]
    for generator in generators:
        await anext(generator)
    loop = asyncio.get_running_loop()
    for n in range(20):
        loop.create_task(end(n))
    await asyncio.sleep(0)
    loop.kept = generators
with usnet.World(seed=1) as world:
    host = world.host("a", *[f"10.0.0.{n}/24" for n in range(1, 9)])
    for n in range(8):
        world.link(host, world.host(f"b{n}", f"10.0.{n + 1}.2/24"))
    host.run(lambda: asyncio.run(main()))
    world.run_programs()
print(ended)
"""


def test_what_asyncio_keeps_in_sets_is_in_its_order():
    """Results of wait(), the tasks of a group that is broken off, hosts of a server; at the end of run(): what is cancelled, and generators."""
    done = subprocess.run([sys.executable, "-c", ORDERS], cwd=ROOT, capture_output=True, text=True, check=True)
    order = list(range(20))
    assert done.stdout.splitlines() == [str(order), str([str(n) for n in order]), "True", str(order * 3)]


def test_a_world_repeats_to_the_byte_whatever_ran_before_it():
    digests = set()
    case = next(case for case in CASES if case.__name__ == "a_group_of_tasks_ends_with_the_first_that_fails")
    for _ in range(3):
        place = Far()
        place.run(case)
        digests.add(place.digest)
        Far().run(CASES[0])
    assert len(digests) == 1


@pytest.mark.parametrize("seed", range(5))
def test_other_losses_change_nothing_of_what_programs_say(seed):
    place = Far()
    place.seed = 100 + seed
    case = next(case for case in CASES if case.__name__ == "a_large_transfer_both_ways")
    assert answer(place, case) == ([600_000], True)
