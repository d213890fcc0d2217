"""`ssl` of one script: TLS over its sockets, by the standard library's SSLObject. What OpenSSL draws by chance is no world's."""

import ssl as std
from socket import SOCK_STREAM
from typing import Any

ROOM = 1 << 16
ASKED = (
    "getpeercert", "cipher", "shared_ciphers", "compression", "version", "selected_alpn_protocol", "selected_npn_protocol", "get_channel_binding",
    "get_verified_chain", "get_unverified_chain", "verify_client_post_handshake",
)  # fmt: skip
"""What is asked of the SSLObject."""


_Plain: Any = object  # for the type checker: the script's socket.socket stands behind it


class Secured(_Plain):
    """What makes ssl.SSLSocket of a script's socket.socket, the next class; made by SSLContext.wrap_socket()."""

    _unsent = b""  # records that the socket has not taken yet

    def __init__(self, *args, **kwargs):
        raise TypeError("SSLSocket does not have a public constructor. Instances are returned by SSLContext.wrap_socket().")

    @classmethod
    def _create(cls, sock, context, server_side, do_handshake_on_connect, suppress_ragged_eofs, server_hostname, session):
        if sock.type != SOCK_STREAM:
            raise NotImplementedError("only stream sockets are supported")
        if server_side and server_hostname:
            raise ValueError("server_hostname can only be specified in client mode")
        if context.check_hostname and not server_hostname and not server_side:
            raise ValueError("check_hostname requires server_hostname")
        family, kind, proto, timeout = sock.family, sock.type, sock.proto, sock.gettimeout()
        self = cls.__new__(cls)
        super(Secured, self).__init__(family, kind, proto, sock.detach())
        self.settimeout(timeout)
        self._context, self.server_side, self.server_hostname, self._session = context, server_side, server_hostname, session
        self.do_handshake_on_connect, self.suppress_ragged_eofs = do_handshake_on_connect, suppress_ragged_eofs
        self._sslobj = None
        try:
            self.getpeername()
        except OSError:
            return self  # a listener, or connected later
        try:
            self._begin()
        except BaseException:
            self.close()
            raise
        return self

    def _begin(self):
        self._incoming, self._outgoing = std.MemoryBIO(), std.MemoryBIO()
        self._sslobj = self._context.wrap_bio(self._incoming, self._outgoing, self.server_side, self.server_hostname, self._session)
        if self.do_handshake_on_connect:
            if self.gettimeout() == 0:
                raise ValueError("do_handshake_on_connect should not be specified for non-blocking sockets")
            self.do_handshake()

    # Records between the socket and TLS

    def _flush(self):
        self._unsent += self._outgoing.read()
        while self._unsent:
            try:
                self._unsent = self._unsent[super().send(self._unsent):]
            except BlockingIOError:
                raise std.SSLWantWriteError(std.SSL_ERROR_WANT_WRITE, "The operation did not complete (write)") from None

    def _drive(self, function, *args):
        """function(*args), as often as it wants records that have not come."""
        while True:
            try:
                result = function(*args)
            except std.SSLWantReadError:
                self._flush()
                try:
                    data = super().recv(ROOM)
                except BlockingIOError:
                    raise std.SSLWantReadError(std.SSL_ERROR_WANT_READ, "The operation did not complete (read)") from None
                if data:
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
                continue
            except std.SSLError:
                if self._outgoing.pending:  # an alert that says why
                    self._flush()
                raise
            self._flush()
            return result

    def _require(self):
        if self._sslobj is None:
            raise ValueError("No SSL wrapper around " + str(self))
        return self._sslobj

    # As the standard library's

    @property
    def context(self):
        return self._context

    @context.setter
    def context(self, context):
        self._context = self._require().context = context

    @property
    def session(self):
        return self._sslobj and self._sslobj.session

    @property
    def session_reused(self):
        return self._sslobj and self._sslobj.session_reused

    def do_handshake(self, block=False):
        self._drive(self._require().do_handshake)

    def read(self, len=1024, buffer=None):
        args = (len,) if buffer is None else (len, buffer)
        try:
            return self._drive(self._require().read, *args)
        except std.SSLEOFError:
            if not self.suppress_ragged_eofs:
                raise
            return b"" if buffer is None else 0
        except std.SSLZeroReturnError:
            return b"" if buffer is None else 0

    def write(self, data):
        return self._drive(self._require().write, data)

    def recv(self, buflen=1024, flags=0):
        if self._sslobj is None:
            return super().recv(buflen, flags)
        self._no_flags("recv", flags)
        return self.read(buflen)

    def recv_into(self, buffer, nbytes=None, flags=0):
        if self._sslobj is None:
            return super().recv_into(buffer, nbytes or 0, flags)
        self._no_flags("recv_into", flags)
        view = memoryview(buffer).cast("B")
        return self.read(nbytes or view.nbytes or 1024, view)

    def send(self, data, flags=0):
        if self._sslobj is None:
            return super().send(data, flags)
        self._no_flags("send", flags)
        return self.write(data)

    def sendall(self, data, flags=0):
        if self._sslobj is None:
            return super().sendall(data, flags)
        self._no_flags("sendall", flags)
        view = memoryview(data).cast("B")
        while view.nbytes:
            view = view[self.write(view):]
        return None

    def _no_flags(self, name, flags):
        if flags:
            raise ValueError(f"non-zero flags not allowed in calls to {name}() on {self.__class__}")

    def sendfile(self, file, offset=0, count=None):
        return self._sendfile_use_send(file, offset, count)

    def _not_in_tls(self, *args, **kwargs):
        raise ValueError("datagrams and messages are not allowed on instances of SSLSocket")

    sendto = recvfrom = recvfrom_into = sendmsg = recvmsg = recvmsg_into = _not_in_tls

    def pending(self):
        return self._sslobj.pending() if self._sslobj is not None else 0

    def connect(self, addr):
        super().connect(addr)
        self._begin()

    def connect_ex(self, addr):
        code = super().connect_ex(addr)
        if code == 0:
            self._begin()
        return code

    def accept(self):
        made, addr = super().accept()
        return self._context.wrap_socket(
            made, server_side=True, do_handshake_on_connect=self.do_handshake_on_connect, suppress_ragged_eofs=self.suppress_ragged_eofs,
        ), addr  # fmt: skip

    def unwrap(self):
        self._drive(self._require().unwrap)
        self._sslobj = None
        return self

    def shutdown(self, how):
        self._sslobj = None
        super().shutdown(how)


def _asks(name):
    def ask(self, *args, **kwargs):
        return getattr(self._sslobj, name)(*args, **kwargs) if self._sslobj is not None else None

    ask.__name__ = name
    return ask


def socket_class(plain):
    """ssl.SSLSocket over `plain`, the script's socket.socket."""
    return type("SSLSocket", (Secured, plain), {"__module__": "ssl", **{name: _asks(name) for name in ASKED if hasattr(std.SSLObject, name)}})


def mend(module):
    """Gives the script's `ssl` sockets over the script's own."""
    cls = module.SSLSocket = socket_class(module.socket)

    class SSLContext(std.SSLContext):
        """The interpreter's SSLContext, which asyncio takes; its sockets are the script's."""

        sslsocket_class = cls

        def wrap_socket(
            self, sock, server_side=False, do_handshake_on_connect=True, suppress_ragged_eofs=True, server_hostname=None, session=None
        ):
            return cls._create(sock, self, server_side, do_handshake_on_connect, suppress_ragged_eofs, server_hostname, session)

        def load_default_certs(self, purpose=std.Purpose.SERVER_AUTH):
            super().load_default_certs(std.Purpose[purpose.name])  # it may be that of the script's own `ssl`

    module.SSLContext, module.SSLObject = SSLContext, std.SSLObject
