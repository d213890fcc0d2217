"""asyncio over usnet: streams, protocols, servers, datagrams and TLS, on every backend and in virtual time.

    with usnet.Stack("tap:tap0", "10.9.0.2/24"):
        usnet.aio.run(main())

A loop of the standard library's own can drive a stack as well, through usnet.epoll.fileno().
"""

from usnet.sockets.aio import EventLoop, new_event_loop, run
from usnet.sockets.aio_policy import EventLoopPolicy, installed

__all__ = ["EventLoop", "EventLoopPolicy", "installed", "new_event_loop", "run"]
