"""The same asyncio programs on the kernel's loop and on usnet's: they must say the same, in every place."""

import asyncio
import io
import socket
import ssl
import tempfile

import pytest

from tests.sockets.aio_kit import PLACES, Place, answer, collected, said

CASES = []


def case(function):
    CASES.append(function)
    return function


def pattern(n, start=0):
    """n bytes that tell their position."""
    return b"".join((start + i).to_bytes(4, "big") for i in range((n + 3) // 4))[:n]


def listening(net, handle, *place, **options):
    """A server coroutine that serves with `handle` until the client has finished; it returns what handle returned, in the order of ending.
    `place`: None for a socket that is given."""

    async def serve():
        said_by_handlers = []
        begun = 0

        async def handler(reader, writer):
            nonlocal begun
            begun += 1
            try:
                said_by_handlers.append(await handle(reader, writer))
            except OSError as error:
                said_by_handlers.append(said(error))
            finally:
                writer.close()

        server = await asyncio.start_server(handler, *(place or (net.any, 0)), **options)
        async with server:
            net.started(server.sockets[0].getsockname()[1])
            await net.end()
            await asyncio.sleep(0.05)
            while begun > len(said_by_handlers):
                await asyncio.sleep(0.01)
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


@case
def lines_and_exact_reads_and_their_errors(net):
    async def serve(reader, writer):
        writer.write(b"one\ntwo\n" + bytes(100) + b"0123456789")
        await writer.drain()

    async def client():
        reader, writer = await asyncio.open_connection(*await net.where(), limit=64)
        got = [await reader.readline(), await reader.readuntil(b"o\n")]
        try:
            await reader.readuntil(b"\n")
        except asyncio.LimitOverrunError as error:
            got.append(said(error))
        got.append(await reader.readexactly(100))
        try:
            await reader.readexactly(20)
        except asyncio.IncompleteReadError as error:
            got.append((error.partial, error.expected))
        got += [await reader.read(), reader.at_eof()]
        writer.close()
        await writer.wait_closed()
        return got

    return listening(net, serve), client


@case
def nobody_listens(net):
    async def server():
        free = net.socket()
        free.bind((net.any, 0))
        net.started(free.getsockname()[1])
        await net.end()
        free.close()

    async def client():
        try:
            await asyncio.open_connection(*await net.where())
        except OSError as error:
            return said(error), error.errno is not None

    return server, client


@case
def names_that_nobody_knows(net):
    async def server():
        return None

    async def client():
        got = []
        for host, port in (("no-such-host.invalid", 1), ("127.0.0.1", "no-such-service")):
            try:
                await asyncio.open_connection(host, port)
            except OSError as error:
                got.append(type(error).__name__)
        return got, [f[4] for f in await asyncio.get_running_loop().getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)]

    return server, client


@case
def a_reset_while_reading_and_writing_after_it(net):
    async def abort(reader, writer):
        await reader.readexactly(1)
        await asyncio.sleep(0.2)
        writer.transport.abort()        # with bytes that nobody read: a reset

    async def client():
        reader, writer = await asyncio.open_connection(*await net.where())
        writer.write(bytes(1_000_000))
        try:
            await reader.read()
        except OSError as error:
            first = said(error)
        try:
            writer.write(b"more")
            await writer.drain()
        except OSError as error:
            second = said(error)
        writer.close()
        try:
            await writer.wait_closed()
        except OSError as error:
            return first, second, said(error)
        return first, second

    return listening(net, abort, limit=1000), client


@case
def time_outs_and_cancellation_leave_the_connection_usable(net):
    async def client():
        reader, writer = await asyncio.open_connection(*await net.where())
        got = []
        try:
            async with asyncio.timeout(0.02):
                await reader.read(10)
        except TimeoutError as error:
            got.append(said(error))
        try:
            await asyncio.wait_for(reader.readline(), 0.02)
        except TimeoutError as error:
            got.append(said(error))
        reading = asyncio.create_task(reader.read(10))
        await asyncio.sleep(0.02)
        reading.cancel()
        try:
            await reading
        except asyncio.CancelledError:
            got.append("cancelled")
        writer.write(b"still here")
        got.append(await reader.readexactly(10))
        writer.close()
        await writer.wait_closed()
        return got

    return listening(net, echo), client


@case
def connecting_is_given_up_in_time(net):
    """Cancelled in the midst of the handshake: nothing is left open."""

    async def server():
        with net.socket() as full:
            full.bind((net.any, 0))
            full.listen(0)
            net.started(full.getsockname()[1])
            await net.end()

    async def client():
        where = await net.where()
        waiting = []
        try:
            async with asyncio.timeout(0.3):
                for _ in range(4):
                    waiting.append(await asyncio.open_connection(*where))
        except TimeoutError as error:
            return said(error)
        finally:
            for _, writer in waiting:
                writer.close()
            await asyncio.sleep(0.01)

    return server, client


@case
def a_group_of_tasks_ends_with_the_first_that_fails(net):
    async def client():
        ended = []

        async def wait(reader, n):
            try:
                await reader.read()
            finally:
                ended.append(n)

        connections = [await asyncio.open_connection(*await net.where()) for _ in range(10)]
        try:
            async with asyncio.TaskGroup() as group:
                for n, (reader, _) in enumerate(connections):
                    group.create_task(wait(reader, n))
                await asyncio.sleep(0.01)
                group.create_task(asyncio.open_connection("127.0.0.1", 1))
        except ExceptionGroup as error:
            got = said(error)
        for _, writer in connections:
            writer.close()
            await writer.wait_closed()
        return got, sorted(ended)

    return listening(net, echo), client


class Recorder(asyncio.Protocol):
    """Notes what it is told."""

    def __init__(self, keep_open=False):
        self.told = []
        self.keep_open = keep_open
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.told.append("made")
        self.transport = transport

    def data_received(self, data):
        if self.told[-1] != "data":
            self.told.append("data")

    def eof_received(self):
        self.told.append("eof")
        if self.keep_open:
            asyncio.get_running_loop().call_later(0.05, self.transport.close)
        return self.keep_open

    def pause_writing(self):
        self.told.append("pause")

    def resume_writing(self):
        self.told.append("resume")

    def connection_lost(self, error):
        self.told.append(("lost", said(error) if error else None))
        self.lost.set_result(self.told)


@case
def what_protocols_are_told(net):
    async def server():
        loop = asyncio.get_running_loop()
        protocols = [Recorder(), Recorder(keep_open=True)]
        made = iter(protocols)
        server = await loop.create_server(lambda: next(made), net.any, 0)
        net.started(server.sockets[0].getsockname()[1])
        told = [await protocol.lost for protocol in protocols]
        server.close()
        await server.wait_closed()
        return told

    async def client():
        loop = asyncio.get_running_loop()
        told = []
        for _ in range(2):
            transport, protocol = await loop.create_connection(Recorder, *await net.where())
            transport.write(b"some")
            transport.writelines([b"th", memoryview(b"ing")])
            await asyncio.sleep(0.03)
            transport.write_eof()
            told.append(await protocol.lost)
        return told

    return server, client


@case
def flow_control_pauses_and_resumes(net):
    async def slow(reader, writer):
        writer.transport.pause_reading()
        await asyncio.sleep(0.05)
        reading = writer.transport.is_reading()
        writer.transport.resume_reading()
        total = 0
        while data := await reader.read(100_000):
            total += len(data)
        return reading, total

    async def client():
        transport, protocol = await asyncio.get_running_loop().create_connection(Recorder, *await net.where())
        transport.set_write_buffer_limits(high=100_000, low=10_000)
        transport.write(bytes(8_000_000))
        held = transport.get_write_buffer_size() > 100_000
        while protocol.told[-1] != "resume":
            await asyncio.sleep(0.01)
        limits = transport.get_write_buffer_limits(), transport.get_write_buffer_size() <= 10_000
        transport.close()
        return held, limits, await protocol.lost

    return listening(net, slow), client


@case
def closing_sends_what_was_written(net):
    async def count(reader, writer):
        return len(await reader.read())

    async def client():
        _, writer = await asyncio.open_connection(*await net.where())
        writer.write(bytes(3_000_000))
        writer.close()
        await writer.wait_closed()

    return listening(net, count), client


class Buffered(asyncio.BufferedProtocol):
    def __init__(self):
        self.room = bytearray(1000)
        self.got = bytearray()
        self.ended = asyncio.get_running_loop().create_future()

    def get_buffer(self, sizehint):
        return self.room

    def buffer_updated(self, n):
        self.got += self.room[:n]

    def connection_lost(self, error):
        self.ended.set_result(bytes(self.got))


@case
def protocols_with_buffers_of_their_own(net):
    async def say(reader, writer):
        writer.write(pattern(50_000))
        await writer.drain()

    async def client():
        _, protocol = await asyncio.get_running_loop().create_connection(Buffered, *await net.where())
        return await protocol.ended == pattern(50_000)

    return listening(net, say), client


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self):
        self.got = asyncio.Queue()

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        self.got.put_nowait(data)

    def error_received(self, error):
        self.got.put_nowait(said(error))


class EchoDatagrams(Datagrams):
    def datagram_received(self, data, address):
        self.transport.sendto(data.upper(), address)


@case
def datagrams(net):
    async def server():
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(EchoDatagrams, local_addr=(net.any, 0))
        net.started(transport.get_extra_info("sockname")[1])
        await net.end()
        transport.close()

    async def ask_for(endpoint, *address):
        """Until an answer comes: datagrams may be lost."""
        transport, protocol = endpoint
        while True:
            transport.sendto(b"question", *address)
            try:
                return await asyncio.wait_for(protocol.got.get(), 0.3)
            except TimeoutError:
                continue

    async def client():
        loop = asyncio.get_running_loop()
        where = await net.where()
        connected = await loop.create_datagram_endpoint(Datagrams, remote_addr=where)
        free = await loop.create_datagram_endpoint(Datagrams, local_addr=("0.0.0.0", 0), allow_broadcast=True)
        got = [await ask_for(connected), await ask_for(free, where)]
        try:
            connected[0].sendto(b"x", ("127.0.0.1", 1))
        except ValueError as error:
            got.append(said(error))
        taken = free[0].get_extra_info("sockname")[1]
        try:
            await loop.create_datagram_endpoint(Datagrams, local_addr=("0.0.0.0", taken))
        except OSError as error:
            got.append(said(error))
        for transport, _ in (connected, free):
            transport.close()
        return got

    return server, client


@case
def a_datagram_to_a_closed_port_comes_back_as_an_error(net):
    async def server():
        with net.socket(socket.SOCK_DGRAM) as free:
            free.bind((net.any, 0))
            net.started(free.getsockname()[1])
        await net.end()

    async def client():
        transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(Datagrams, remote_addr=await net.where())
        while True:
            transport.sendto(b"x")
            try:
                return await asyncio.wait_for(protocol.got.get(), 0.3)
            except TimeoutError:
                continue
            finally:
                transport.close()

    return server, client


@case
def calls_on_sockets(net):
    async def server():
        loop = asyncio.get_running_loop()
        with net.socket() as listener:
            listener.bind((net.any, 0))
            listener.listen()
            net.started(listener.getsockname()[1])
            connection, _ = await loop.sock_accept(listener)
            with connection:
                room = bytearray(20)
                n = await loop.sock_recv_into(connection, room)
                await loop.sock_sendall(connection, pattern(1_000_000))
                return connection.gettimeout(), bytes(room[:n]), await loop.sock_recv(connection, 10)

    async def client():
        loop = asyncio.get_running_loop()
        with net.socket() as sock:
            await loop.sock_connect(sock, await net.where())
            await loop.sock_sendall(sock, b"go on")
            got = b""
            while len(got) < 1_000_000:
                got += await loop.sock_recv(sock, 100_000)
            return got == pattern(1_000_000)

    return server, client


@case
def files(net):
    async def client():
        loop = asyncio.get_running_loop()
        got = []
        with tempfile.TemporaryFile() as file:
            file.write(pattern(300_000))
            reader, writer = await asyncio.open_connection(*await net.where())
            got.append(await loop.sendfile(writer.transport, file, 1000, 200_000))
            got.append(await reader.readexactly(200_000) == pattern(201_000)[1000:])
            got.append(file.tell())
            sending = asyncio.create_task(loop.sendfile(writer.transport, file, 0))
            await asyncio.sleep(0)
            try:
                writer.write(b"between")
            except RuntimeError as error:
                got.append(str(error))
            got.append((await asyncio.gather(sending, reader.readexactly(300_000)))[1] == pattern(300_000))
            writer.close()
            await writer.wait_closed()
            with net.socket() as sock:
                await loop.sock_connect(sock, await net.where())
                got.append(await loop.sock_sendfile(sock, file, 299_990))
                got.append(await loop.sock_recv(sock, 100))
                got.append(await loop.sock_sendfile(sock, io.BytesIO(b"not a file"), 4))
                got.append(await loop.sock_recv(sock, 100))
                try:
                    await loop.sock_sendfile(sock, io.BytesIO(b"x"), fallback=False)
                except RuntimeError as error:
                    got.append(said(error))
        return got

    return listening(net, echo), client


@case
def sockets_that_are_handed_over(net):
    async def server():
        listener = net.socket()
        listener.bind((net.any, 0))
        return await listening(net, echo, None, sock=listener)()

    async def client():
        loop = asyncio.get_running_loop()
        where = await net.where()
        sock = net.socket()
        await loop.sock_connect(sock, where)
        reader, writer = await asyncio.open_connection(sock=sock)
        other = net.socket()
        await loop.sock_connect(other, where)
        transport, protocol = await loop.connect_accepted_socket(Recorder, other)
        transport.write(b"abc")
        writer.write(b"def")
        got = [await reader.readexactly(3)]
        while len(protocol.told) < 2:
            await asyncio.sleep(0.01)
        transport.close()
        writer.close()
        await writer.wait_closed()
        return got, await protocol.lost

    return server, client


@case
def what_transports_know(net):
    async def server():
        seen = []

        async def look(reader, writer):
            info = writer.get_extra_info
            sock = info("socket")
            seen.append((
                info("sockname")[0] == info("socket").getsockname()[0], len(info("peername")), sock.family, sock.type, sock.proto,
                sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0, info("nothing", "none"),
                writer.transport.get_protocol() is not None, writer.can_write_eof(), sock.gettimeout(),
            ))
            await echo(reader, writer)

        return await listening(net, look)(), seen

    async def client():
        where = await net.where()
        _, writer = await asyncio.open_connection(*where, local_addr=("0.0.0.0", 0), happy_eyeballs_delay=0.1)
        got = writer.get_extra_info("peername") == where
        writer.close()
        await writer.wait_closed()
        return got, writer.is_closing()

    return server, client


@case
def servers_start_and_stop(net):
    async def server():
        connected, ended = asyncio.Event(), asyncio.Event()

        async def handle(reader, writer):
            connected.set()
            await echo(reader, writer)
            writer.close()
            await writer.wait_closed()
            ended.set()

        server = await asyncio.start_server(handle, net.any, 0, start_serving=False)
        before = server.is_serving(), len(server.sockets)
        await server.start_serving()
        port = server.sockets[0].getsockname()[1]
        try:
            await asyncio.start_server(handle, net.any, port)
        except OSError as error:
            taken = said(error)
        net.started(port)
        await connected.wait()
        server.close()
        await ended.wait()
        return before, taken, server.is_serving(), server.sockets

    async def client():
        where = await net.where()
        reader, writer = await asyncio.open_connection(*where)
        writer.write(b"x")
        got = [await reader.readexactly(1)]
        try:
            await asyncio.open_connection(*where)       # the listener is gone, the connection is not
        except OSError as error:
            got.append(said(error))
        writer.write(b"y")
        got.append(await reader.readexactly(1))
        writer.close()
        await writer.wait_closed()
        return got

    return server, client


@case
def readers_and_writers_of_descriptors(net):
    async def client():
        loop = asyncio.get_running_loop()
        with net.socket() as sock:
            await loop.sock_connect(sock, await net.where())
            writable, readable = loop.create_future(), loop.create_future()
            loop.add_writer(sock, writable.set_result, None)
            await writable
            got = [loop.remove_writer(sock), loop.remove_writer(sock)]
            sock.send(b"abc")
            loop.add_reader(sock.fileno(), readable.set_result, None)
            await readable
            return [*got, loop.remove_reader(sock.fileno()), sock.recv(10)]

    return listening(net, echo), client


@case
def tls_from_the_middle_of_a_connection(net):
    for_server, for_client = net.tls()

    async def upgrade(reader, writer):
        writer.write(b"plain " + await reader.readexactly(5))
        await writer.drain()
        await asyncio.sleep(0)
        await writer.start_tls(for_server)
        writer.write(b"secret " + await reader.readline())
        await writer.drain()

    async def client():
        reader, writer = await asyncio.open_connection(*await net.where())
        writer.write(b"start")
        got = [await reader.readexactly(11)]
        await writer.start_tls(for_client, server_hostname="server")
        writer.write(b"line\n")
        got += [await reader.readline(), writer.get_extra_info("peername")[0] == net.host]
        writer.close()
        await writer.wait_closed()
        return got

    return listening(net, upgrade), client


@case
def tls_refuses_a_certificate_that_it_does_not_know(net):
    for_server, _ = net.tls()

    async def server():
        errors = []
        with collected(errors):
            return await listening(net, echo, ssl=for_server)()

    async def client():
        try:
            await asyncio.open_connection(*await net.where(), ssl=ssl.create_default_context())
        except ssl.SSLError as error:
            return said(error), error.reason

    return server, client


@case
def functions_in_a_thread(net):
    async def server():
        return None

    async def client():
        loop = asyncio.get_running_loop()
        called = loop.create_future()
        await asyncio.to_thread(lambda: loop.call_soon_threadsafe(called.set_result, "called"))
        got = [await called, await loop.run_in_executor(None, sum, (1, 2))]
        try:
            await asyncio.to_thread(int, "x")
        except ValueError as error:
            got.append(said(error))
        return got

    return server, client


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
