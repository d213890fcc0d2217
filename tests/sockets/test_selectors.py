"""selectors: the same bodies on the standard library's over the kernel, and on usnet's; and ordinary programs over usnet."""

import http.client
import http.server
import selectors
import socketserver

import pytest

import usnet
from usnet.selectors import EVENT_READ, EVENT_WRITE


@pytest.fixture
def selector(net):
    """For the client's side."""
    with usnet.selectors.DefaultSelector(stack=net.client) if net.name == "usnet" else selectors.DefaultSelector() as made:
        yield made


def ready(net, selector, timeout=0):
    net.settle()
    return sorted((key.data, events) for key, events in selector.select(timeout))


def test_what_is_ready_is_told_with_its_key(net, selector):
    client, server = net.connected()
    key = selector.register(client, EVENT_READ, "mine")
    assert key == (client, client.fileno(), EVENT_READ, "mine")
    assert ready(net, selector) == []
    server.send(b"x")
    assert ready(net, selector) == [("mine", EVENT_READ)]
    assert selector.modify(client, EVENT_READ | EVENT_WRITE, "both").events == EVENT_READ | EVENT_WRITE
    assert ready(net, selector) == [("both", EVENT_READ | EVENT_WRITE)]
    assert selector.modify(client, EVENT_WRITE, "both").data == "both"
    assert ready(net, selector) == [("both", EVENT_WRITE)]
    assert selector.unregister(client).fileobj is client
    assert ready(net, selector) == []


def test_ends_and_errors_are_told_as_what_was_asked_for(net, selector):
    client, server = net.connected()
    selector.register(client, EVENT_READ, 0)
    server.close()
    assert ready(net, selector) == [(0, EVENT_READ)]


def test_the_map_of_what_is_registered(net, selector):
    client, _ = net.connected()
    other = net.tcp()
    selector.register(client, EVENT_READ, 1)
    selector.register(other.fileno(), EVENT_WRITE, 2)
    table = selector.get_map()
    assert len(table) == 2 and set(table) == {client.fileno(), other.fileno()}
    assert table[client].data == 1 and selector.get_key(other).data == 2
    with pytest.raises(KeyError):
        selector.get_key(net.tcp())
    with pytest.raises(KeyError):
        selector.register(client, EVENT_READ)
    with pytest.raises(KeyError):
        selector.unregister(net.tcp())
    with pytest.raises(KeyError):
        selector.modify(net.tcp(), EVENT_READ)
    for events in (0, 4, -1):
        with pytest.raises(ValueError, match="Invalid events"):
            selector.register(net.tcp(), events)
    for thing in ("x", -1, None):
        with pytest.raises(ValueError, match="Invalid file"):
            selector.register(thing, EVENT_READ)


def test_a_socket_that_was_closed_can_still_be_taken_out(net, selector):
    client, _ = net.connected()
    selector.register(client, EVENT_READ)
    client.close()
    assert selector.unregister(client).fileobj is client
    assert len(selector.get_map()) == 0


def test_a_closed_selector_refuses(net, selector):
    selector.close()
    assert selector.get_map() is None
    with pytest.raises(RuntimeError):
        selector.get_key(3)


def test_timeouts(net, selector):
    client, _ = net.connected()
    selector.register(client, EVENT_READ)
    assert selector.select(0.01) == selector.select(-1) == selector.select(0) == []


def test_select_drives_the_stack(us):
    client, server = us.connected()
    with usnet.selectors.DefaultSelector(stack=us.client) as selector:
        selector.register(client, EVENT_READ, "x")
        server.send(b"x")
        assert [(key.data, events) for key, events in selector.select()] == [("x", EVENT_READ)]
        start = us.clock.now()
        client.recv(1)
        assert selector.select(0.25) == []
        assert us.clock.now() - start == 250_000_000


# --- Programs that know nothing of usnet ---


class Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"you asked for {self.path}".encode() * 1000
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Lines(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line.upper())


def two_hosts():
    world = usnet.World(seed=1)
    server, client = world.host("server", "10.9.0.1/24"), world.host("client", "10.9.0.2/24")
    world.link(server, client, rate="100Mbit", delay="1ms")
    return world, server, client


@pytest.fixture
def over_usnet(monkeypatch):
    """The modules that these programs are made of, with usnet in place of socket and selectors."""
    for module in (socketserver, http.server, http.client):
        monkeypatch.setattr(module, "socket", usnet, raising=False)
    monkeypatch.setattr(socketserver, "_ServerSelector", usnet.selectors.DefaultSelector)


def test_the_standard_librarys_http_server_and_client_run_over_usnet(over_usnet):
    world, server, client = two_hosts()
    answers = []

    def serve():
        with http.server.HTTPServer(("10.9.0.1", 80), Pages) as httpd:
            for _ in range(2):
                httpd.handle_request()

    def ask(path):
        connection = http.client.HTTPConnection("10.9.0.1", 80, timeout=10)
        connection.request("GET", path)
        response = connection.getresponse()
        answers.append((response.status, response.read()))
        connection.close()

    def ask_twice():
        ask("/one")
        ask("/two")

    server.run(serve)
    client.run(ask_twice)
    world.run_programs()
    assert answers == [(200, b"you asked for /one" * 1000), (200, b"you asked for /two" * 1000)]


def test_a_socketserver_runs_over_usnet_until_it_is_told_to_stop(over_usnet):
    world, server, client = two_hosts()
    said = []

    def serve():
        with socketserver.TCPServer(("10.9.0.1", 7), Lines) as made:
            made.service_actions = lambda: setattr(made, "_BaseServer__shutdown_request", bool(said))
            made.serve_forever(0.05)

    def talk():
        with usnet.create_connection(("10.9.0.1", 7)) as sock, sock.makefile("rwb") as file:
            file.write(b"hello\nworld\n")
            file.flush()
            said.extend([file.readline(), file.readline()])

    server.run(serve)
    client.run(talk)
    world.run_programs()
    assert said == [b"HELLO\n", b"WORLD\n"]
