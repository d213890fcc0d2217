"""redis-server on the kernel's end, usnet as its client."""
import time

import pytest

from tests.interop.addresses import KERNEL
from tests.interop.links import BOTH_LINKS
from tests.interop.machine import PATIENCE
from tests.interop.payload import difference
from tests.interop.resp import Redis

pytestmark = pytest.mark.needs("root", "tun", "redis-server")
PORT = 6379
MB = 1_000_000


@pytest.fixture
def redis(machine, stack, tmp_path):
    """redis() is a new connection of usnet's to the server."""
    with (tmp_path / "redis.log").open("w") as log:
        process = machine.start("redis-server", "--port", PORT, "--bind", KERNEL, "--protected-mode", "no", "--save", "",
                                "--appendonly", "no", "--dir", tmp_path, stdout=log, stderr=log)
    deadline = time.monotonic() + PATIENCE
    while True:
        with machine.socket() as probe:
            if probe.connect_ex((KERNEL, PORT)) == 0:
                break
        assert process.poll() is None and time.monotonic() < deadline, (tmp_path / "redis.log").read_text()
        time.sleep(0.01)
    return lambda: Redis(stack.create_connection((KERNEL, PORT), timeout=PATIENCE))


@pytest.mark.needs("tshark")
@BOTH_LINKS
def test_10000_commands_in_a_pipeline_are_answered_in_order(machine, stack, redis):
    with redis() as client:
        client.send(*[("SET", f"key:{n}", f"value {n}") for n in range(5000)],
                    *[("GET", f"key:{n}") for n in range(5000)])
        assert [client.take() for _ in range(5000)] == [b"OK"] * 5000
        assert [client.take() for _ in range(5000)] == [b"value %d" % n for n in range(5000)]
        assert client.call("DBSIZE") == 5000
    assert machine.complaints() == []


@BOTH_LINKS
def test_commands_that_each_wait_for_their_answer(redis):
    """Small segments, where a lost one is repaired by a timeout alone."""
    with redis() as client:
        assert [client.call("INCR", "n") for _ in range(200)] == list(range(1, 201))


@BOTH_LINKS
def test_large_values_come_back_whole(redis, noise):
    with redis() as client:
        for n, size in enumerate((1, 65_535, 65_536, 4 * MB)):
            assert client.call("SET", n, noise(size)) == b"OK"
            assert difference(client.call("GET", n), noise(size)) == ""
        client.send(*[("GET", 2)] * 32)
        for _ in range(32):
            assert difference(client.take(), noise(65_536)) == ""


@BOTH_LINKS
def test_what_is_published_reaches_all_subscribers_in_order(redis, noise):
    subscribers, publisher = [redis() for _ in range(20)], redis()
    for client in subscribers:
        assert client.call("SUBSCRIBE", "news") == [b"subscribe", b"news", 1]
    messages = [b"%d " % n + noise(n * 20) for n in range(100)]
    publisher.send(*[("PUBLISH", "news", message) for message in messages])
    assert [publisher.take() for _ in messages] == [len(subscribers)] * len(messages)
    for client in subscribers:
        assert [client.take() for _ in messages] == [[b"message", b"news", message] for message in messages]
        assert client.call("UNSUBSCRIBE") == [b"unsubscribe", b"news", 0]
        client.close()
    assert publisher.call("PUBLISH", "news", "anyone?") == 0
    publisher.close()


def take_all(client, message):
    """The same one again and again, until the server ends it."""
    while True:
        if client.take() != message:
            pytest.fail("another message")


def test_a_subscriber_that_does_not_read_is_cut_off_by_the_server_alone(redis, noise):
    """redis gives up a subscriber for which more than so much waits; the others do not feel it."""
    with redis() as idle, redis() as publisher:
        assert publisher.call("CONFIG", "SET", "client-output-buffer-limit", f"pubsub {MB} {MB} 0") == b"OK"
        idle.call("SUBSCRIBE", "news")
        while publisher.call("PUBLISH", "news", noise(MB // 4)):
            pass
        with pytest.raises((AssertionError, ConnectionResetError)):       # the end of the stream, in or between messages
            take_all(idle, [b"message", b"news", noise(MB // 4)])
        assert publisher.call("PING") == b"PONG"


def test_a_client_that_waits_for_what_another_sends(redis):
    with redis() as waiting, redis() as other:
        waiting.send(("BLPOP", "queue", PATIENCE))
        while other.call("INFO", "clients").find(b"blocked_clients:1") < 0:
            pass
        assert other.call("RPUSH", "queue", "here") == 1
        assert waiting.take() == [b"queue", b"here"]
        assert waiting.call("BLPOP", "queue", 0.05) is None
