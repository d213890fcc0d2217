import asyncio

import uvicorn
from hypothesis.strategies import integers

from usnet.testing import given_network


async def echo(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    while (message := await receive())["type"] == "http.request":
        await send({**message, "type": "http.response.body"})


@given_network(size=integers(0, 14_000))
async def test_an_upload_comes_back_whole(net, size):
    net.server.run(uvicorn.Server(uvicorn.Config(echo, "0.0.0.0", 80, http="h11", lifespan="off", log_level="critical", date_header=False)).serve)
    reader, writer = await asyncio.open_connection("server", 80)
    writer.write(b"POST / HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
    returned = (await reader.read()).count(b"x")
    writer.close()
    assert returned == size
