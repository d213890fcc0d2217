"""Programs for scenarios of the tests, as `python:tests.scenarios.hooks:NAME`."""

import socket


def connects_and_leaves(app):
    """Ends its own stream at once, so that the server ends too, and keeps the descriptor."""
    sock = app.connect()
    app.shut(sock)
    app.drain(sock)
    sock.detach()
    app.sleep("90s")  # TIME-WAIT is over, but the descriptor is not closed


def connects_and_keeps_alive(app):
    sock = app.connect()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)
    sock.detach()


def accepts_and_leaves(app):
    with app.listen() as listener:
        listener.accept()[0].detach()


def sends_wrong_bytes(app):
    sock = app.connect()
    data = bytearray(app.streams[id(sock)][0].pattern.at(0, 1000))
    data[700] ^= 0xFF
    sock.sendall(data)
    app.streams[id(sock)][0].written += 1000
    app.finish(sock)
