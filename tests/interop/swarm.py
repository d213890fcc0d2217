"""swarm.py HOST PORT CONNECTIONS ECHOES: so many connections at once, each with so many echoes of its own bytes."""
import asyncio
import random
import sys


async def converse(host: str, port: int, number: int, echoes: int, all_there: asyncio.Barrier) -> int:
    draw = random.Random(number)
    reader, writer = await asyncio.open_connection(host, port)
    await all_there.wait()
    for _ in range(echoes):
        data = draw.randbytes(draw.choice((1, 100, 1460, 1461, 5000, 20000)))
        writer.write(data)
        back = await reader.readexactly(len(data))
        assert back == data, f"connection {number} got other bytes than it sent"
    writer.write_eof()
    assert await reader.read() == b"", f"connection {number} got more than it sent"
    writer.close()
    await writer.wait_closed()
    return echoes


async def main(host: str, port: int, connections: int, echoes: int) -> None:
    all_there = asyncio.Barrier(connections)
    done = await asyncio.gather(*(converse(host, port, n, echoes, all_there) for n in range(connections)))
    print(f"{connections} connections at once, {sum(done)} echoes")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], *map(int, sys.argv[2:])))
