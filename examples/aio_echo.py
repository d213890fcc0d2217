"""An asyncio echo server, and clients for it, that know nothing of usnet: main() alone says where they run.

python examples/aio_echo.py sim:                                      server and clients in one simulated network
python examples/aio_echo.py tap:tap0 --address 10.9.0.2/24            serves on a TAP device, until Ctrl-C
python examples/aio_echo.py tap:tap0 --address 10.9.0.2/24 --ask 10.9.0.1       asks a server there
"""

import argparse
import asyncio
import contextlib

import usnet
import usnet.aio

PORT = 7


async def serve(most=None):
    """Echoes what each connection sends; ends after `most` connections."""
    served, enough = 0, asyncio.Event()

    async def echo(reader, writer):
        nonlocal served
        print("connected:", *writer.get_extra_info("peername"))
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()
        served += 1
        if served == most:
            enough.set()

    async with await asyncio.start_server(echo, "0.0.0.0", PORT):
        await enough.wait()


async def ask(host, *lines):
    async with asyncio.timeout(60):
        reader, writer = await asyncio.open_connection(host, PORT)
        for line in lines:
            writer.write(line.encode() + b"\n")
            print("came back:", (await reader.readline()).decode().strip())
            await asyncio.sleep(0.5)
        writer.close()
        await writer.wait_closed()


def simulate(clients):
    with usnet.World(seed=1) as world:
        hub = world.switch("hub")
        server = world.host("server", "10.9.0.1/24")
        world.link(server, hub, rate="100Mbit", delay="5ms")
        server.run(lambda: asyncio.run(serve(clients)))
        for n in range(clients):
            client = world.host(f"client{n}", f"10.9.0.{n + 2}/24")
            world.link(client, hub, rate="10Mbit", delay="10ms", loss=0.05)
            client.run(lambda n=n: asyncio.run(ask("10.9.0.1", f"hello from client {n}", "and good-bye")))
        world.run_programs()
        print(f"{world.now / 1e9:.3f} s of virtual time, digest {world.digest()}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", help='"sim:" or the name of a port, as "tap:tap0"')
    parser.add_argument("--address", default="10.9.0.2/24", help="address of the stack")
    parser.add_argument("--gateway")
    parser.add_argument("--ask", metavar="HOST", help="be a client of the server there")
    parser.add_argument("--clients", type=int, default=3, help="clients of the simulation")
    options = parser.parse_args()
    if options.port == "sim:":
        simulate(options.clients)
        return
    with usnet.Stack(options.port, options.address, gateway=options.gateway):
        try:
            usnet.aio.run(ask(options.ask, "hello") if options.ask else serve())
        except KeyboardInterrupt:
            print("bye")


if __name__ == "__main__":
    main()
