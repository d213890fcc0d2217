"""The same asyncio programs on the kernel's loop and on usnet's: they must say the same, in every place."""

import asyncio

import pytest

from tests.sockets.aio_kit import PLACES, Place, answer, said

CASES = []


def case(function):
    CASES.append(function)
    return function


def pattern(n, start=0):
    """n bytes that tell their position."""
    return b"".join((start + i).to_bytes(4, "big") for i in range((n + 3) // 4))[:n]


def listening(net, handle, **options):
    """A server coroutine that serves with `handle` until the client has finished; it returns what handle returned, in the order of ending."""

    async def serve():
        said_by_handlers = []

        async def handler(reader, writer):
            try:
                said_by_handlers.append(await handle(reader, writer))
            except OSError as error:
                said_by_handlers.append(said(error))
            finally:
                writer.close()

        server = await asyncio.start_server(handler, net.any, 0, **options)
        async with server:
            net.started(server.sockets[0].getsockname()[1])
            await net.end()
        await server.wait_closed()
        return said_by_handlers

    return serve


async def echo(reader, writer):
    total = 0
    while data := await reader.read(65536):
        total += len(data)
        writer.write(data)
        await writer.drain()
    return total


async def ask(net, data, **options):
    """All that the server answers to `data` and its end."""
    reader, writer = await asyncio.open_connection(*await net.where(), **options)
    try:
        sending = asyncio.create_task(send(writer, data))
        got = await reader.read()
        await sending
        return got
    finally:
        writer.close()
        await writer.wait_closed()


async def send(writer, data):
    for at in range(0, len(data), 50_000):
        writer.write(data[at:at + 50_000])
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


@case
def streams(net):
    async def client():
        return await ask(net, b"hello")

    return listening(net, echo), client


@case
def a_large_transfer_both_ways(net):
    async def client():
        data = pattern(600_000)
        return await ask(net, data) == data

    return listening(net, echo), client


@case
def an_answer_after_the_end_of_the_question(net):
    async def answer_at_the_end(reader, writer):
        question = await reader.read()
        writer.write(b"got " + str(len(question)).encode())
        await writer.drain()

    async def client():
        return await ask(net, bytes(100_000))

    return listening(net, answer_at_the_end), client


@case
def two_hundred_clients(net):
    async def client():
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(ask(net, pattern(1000 + n))) for n in range(200)]
        return [task.result() == pattern(1000 + n) for n, task in enumerate(tasks)]

    async def server():
        return sorted(await listening(net, echo, backlog=250)())

    return server, client


@case
def tls(net):
    for_server, for_client = net.tls()

    async def lines(reader, writer):
        async for line in reader:
            writer.write(line.upper())
        return writer.get_extra_info("cipher") is not None

    async def client():
        reader, writer = await asyncio.open_connection(*await net.where(), ssl=for_client, server_hostname="server")
        writer.writelines([b"one\n", b"two\n", pattern(40_000).replace(b"\n", b".") + b"\n"])
        got = [await reader.readline() for _ in range(2)] + [len(await reader.readexactly(40_001))]
        certificate = writer.get_extra_info("peercert")
        writer.close()
        await writer.wait_closed()
        return got, certificate["subject"], writer.get_extra_info("ssl_object").version()

    return listening(net, lines, ssl=for_server), client


@pytest.fixture(scope="module")
def of_the_kernel():
    """What cases said on the kernel's loop, each once."""
    known = {}

    def ask_for(case):
        if case not in known:
            known[case] = answer(Place(), case)
        return known[case]

    return ask_for


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_programs_say_the_same_on_the_kernels_loop_and_on_usnets(case, place, of_the_kernel):
    assert answer(place(), case) == of_the_kernel(case)
