"""Names: the stack's own table, and the calls that use it."""

import socket

import pytest

import usnet
from usnet.backends.pair import make_pair


@pytest.fixture
def stack():
    hosts = {"server": "10.9.0.1", "Both.Example": ["10.9.0.77", "10.9.0.1"], "alias": "10.9.0.1"}
    with usnet.Stack(make_pair()[0], "10.9.0.1/24", seed=1, hosts=hosts) as made:
        yield made


def test_names_are_found_whatever_their_letters(stack):
    assert usnet.gethostbyname("server") == usnet.gethostbyname("SERVER.") == "10.9.0.1"
    assert usnet.gethostbyname_ex("both.example") == ("both.example", [], ["10.9.0.77", "10.9.0.1"])
    assert usnet.gethostbyname("localhost") == "127.0.0.1"
    assert usnet.gethostbyname("") == "0.0.0.0"
    assert usnet.gethostbyaddr("10.9.0.1") == ("server", ["both.example", "alias"], ["10.9.0.1"])
    assert usnet.getfqdn("10.9.0.1") == "both.example"
    assert usnet.getfqdn("nobody") == "nobody"


def test_getaddrinfo_gives_each_address_for_each_kind(stack):
    found = usnet.getaddrinfo("both.example", 80)
    assert [(f[1], f[4]) for f in found] == [
        (socket.SOCK_STREAM, ("10.9.0.77", 80)),
        (socket.SOCK_DGRAM, ("10.9.0.77", 80)),
        (socket.SOCK_STREAM, ("10.9.0.1", 80)),
        (socket.SOCK_DGRAM, ("10.9.0.1", 80)),
    ]
    assert usnet.getaddrinfo("server", 9, 0, socket.SOCK_DGRAM, 0, socket.AI_CANONNAME) == [
        (socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_UDP, "server", ("10.9.0.1", 9))
    ]


def test_unknown_names_say_so(stack):
    with stack.socket() as sock:
        for call in (usnet.gethostbyname, lambda name: usnet.getaddrinfo(name, 80), lambda name: sock.connect((name, 80))):
            with pytest.raises(usnet.gaierror) as e:
                call("nobody")
            assert e.value.errno == socket.EAI_NONAME
    with pytest.raises(usnet.herror):
        usnet.gethostbyaddr("10.9.0.50")


def test_names_of_addresses(stack):
    assert usnet.getnameinfo(("10.9.0.1", 80), 0) == ("server", "http")
    assert usnet.getnameinfo(("10.9.0.1", 80), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV) == ("10.9.0.1", "80")
    assert usnet.getnameinfo(("10.9.0.50", 65000), 0) == ("10.9.0.50", "65000")
    with pytest.raises(usnet.gaierror):
        usnet.getnameinfo(("10.9.0.50", 80), socket.NI_NAMEREQD)


def test_a_file_of_hosts_is_read(tmp_path):
    file = tmp_path / "hosts"
    file.write_text("# ours\n10.9.0.1  server www.server # both\n::1 six\n\n10.9.0.2\tclient\n")
    with usnet.Stack(seed=1, hosts=str(file)) as stack:
        assert stack.hosts.resolve("www.server") == ["10.9.0.1"]
        assert stack.hosts.resolve("client") == ["10.9.0.2"]
        with pytest.raises(usnet.gaierror):
            stack.hosts.resolve("six")
        stack.hosts.add("later", "10.9.0.3")
        assert usnet.gethostbyname("later") == "10.9.0.3"
    with pytest.raises(ValueError, match="IPv4"):
        usnet.Hosts({"bad": "10.9.0"})
    with pytest.raises(TypeError):
        usnet.Hosts(3)


def test_a_connection_is_tried_to_each_address_in_turn(us):
    us.client.hosts.add("several", us.host)
    us.client.hosts.add("several", "127.0.0.9")
    with us.listener() as listener:
        port = listener.getsockname()[1]
        with us.client.create_connection(("several", port)) as sock:
            assert sock.getpeername() == (us.host, port)
    us.settle()
    with pytest.raises(ConnectionRefusedError):
        us.client.create_connection(("several", port))
    with pytest.raises(ExceptionGroup) as e:
        us.client.create_connection(("several", port), all_errors=True)
    assert [type(error) for error in e.value.exceptions] == [ConnectionRefusedError] * 2
    us.client.hosts.add("second", "127.0.0.9")
    us.client.hosts.add("second", us.host)
    listener = us.tcp("server")
    listener.bind((us.host, port))
    listener.listen()
    with us.client.create_connection(("second", port), timeout=5, source_address=("10.9.0.2", 7777)) as sock:
        assert (sock.getsockname(), sock.getpeername(), sock.gettimeout()) == (("10.9.0.2", 7777), (us.host, port), 5)


def test_sockets_take_names_where_they_take_addresses(us):
    us.client.hosts.add("server", us.host)
    us.server.hosts.add("me", us.host)
    server, client = us.udp("server"), us.udp()
    server.bind(("me", 0))
    client.sendto(b"x", ("server", server.getsockname()[1]))
    us.settle()
    assert server.recv(10) == b"x"


def test_servers_say_what_they_could_not_bind(us):
    with us.server.create_server((us.host, 80)), pytest.raises(OSError, match=r"10\.9\.0\.1.*80") as e:
        us.server.create_server((us.host, 80))
    assert isinstance(e.value, OSError)
    with pytest.raises(ValueError, match="dualstack"):
        us.server.create_server(("", 80), dualstack_ipv6=True)
    assert usnet.has_dualstack_ipv6() is False


def test_a_pair_is_connected_over_the_loopback(stack):
    a, b = usnet.socketpair()
    with a, b:
        a.sendall(b"ping")
        assert b.recv(10) == b"ping"
        b.close()
        assert a.recv(10) == b""
        assert a.getpeername()[0] == "127.0.0.1"
    with pytest.raises(ValueError, match="AF_INET"):
        usnet.socketpair(socket.AF_UNIX)
