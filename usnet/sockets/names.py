"""Names of hosts and services: a table of the stack's own, in place of the network's and the machine's.

A stack asks nobody: what it knows is its table (`Stack(hosts=...)`, a dict or a file of the form of /etc/hosts), numeric addresses,
and localhost. Services are those of the standard library. Errors are the standard library's gaierror and herror.
"""

import os
import socket as std
from collections.abc import Mapping

from usnet.sockets.context import current

_KINDS = ((std.SOCK_STREAM, std.IPPROTO_TCP), (std.SOCK_DGRAM, std.IPPROTO_UDP))
_WORDS = {
    std.EAI_NONAME: "Name or service not known",
    std.EAI_SERVICE: "Servname not supported for ai_socktype",
    std.EAI_FAMILY: "ai_family not supported",
    std.EAI_SOCKTYPE: "ai_socktype not supported",
    std.EAI_ADDRFAMILY: "Address family for hostname not supported",
    std.EAI_BADFLAGS: "Bad value for ai_flags",
}
_FLAGS = std.AI_PASSIVE | std.AI_CANONNAME | std.AI_NUMERICHOST | std.AI_NUMERICSERV | std.AI_ADDRCONFIG | std.AI_V4MAPPED | std.AI_ALL


def _error(code):
    return std.gaierror(code, _WORDS[code])


def _numeric(host):
    """The address in its usual form ("127.1" too), or None where it is a name."""
    try:
        return None if any(c.isspace() for c in host) else std.inet_ntoa(std.inet_aton(host))
    except (OSError, UnicodeEncodeError):
        return None


class Hosts:
    """Names and their addresses, IPv4. Letters' case does not matter; the first address is the preferred one.

    table: None, {"server": "10.9.0.1", "both": ["10.9.0.1", "10.8.0.1"]}, or the path of a file like /etc/hosts.
    """

    def __init__(self, table=None):
        self._addresses = {"localhost": ["127.0.0.1"]}
        if isinstance(table, str | os.PathLike):
            self.read(table)
        elif isinstance(table, Hosts):
            self._addresses.update({name: list(known) for name, known in table._addresses.items()})
        elif isinstance(table, Mapping):
            for name, addresses in table.items():
                self.add(name, *([addresses] if isinstance(addresses, str) else addresses))
        elif table is not None:
            raise TypeError(f"hosts are a dict of names or the path of a file, not {type(table).__name__}")

    def add(self, name, *addresses):
        """Adds addresses to a name. ValueError for what is not an IPv4 address."""
        for address in addresses:
            if _numeric(address) != address:
                raise ValueError(f"{address!r} is not an IPv4 address")
            known = self._addresses.setdefault(name.lower(), [])
            if address not in known:
                known.append(address)

    def read(self, path):
        """Adds what stands in a file: an address, then its names, a line; `#` begins a comment. IPv6 lines are passed over."""
        with open(path, encoding="utf-8") as file:
            for line in file:
                address, *names = line.partition("#")[0].split() or [""]
                if ":" in address:
                    continue
                for name in names:
                    self.add(name, address)

    def resolve(self, host):
        """Addresses of a name, or the numeric address that it is. gaierror (EAI_NONAME) when it is not known."""
        address = _numeric(host)
        if address is not None:
            return [address]
        try:
            return list(self._addresses[host.lower().rstrip(".")])
        except KeyError:
            raise _error(std.EAI_NONAME) from None

    def names_of(self, address):
        """Names that have the address, in the order in which they came."""
        return [name for name, known in self._addresses.items() if address in known]

    def __repr__(self):
        return f"<usnet.Hosts {self._addresses}>"


def _text(host):
    return host.decode("ascii") if isinstance(host, bytes | bytearray) else host


def _service(port, kind, flags):
    if port is None:
        return 0
    if isinstance(port, int):
        return port & 0xFFFF
    if not isinstance(port, str | bytes):
        raise OSError("Int or String expected")
    port = _text(port)
    if port.isdecimal():
        return int(port) & 0xFFFF
    if flags & std.AI_NUMERICSERV:
        raise _error(std.EAI_NONAME)
    try:
        return std.getservbyname(port, "tcp" if kind == std.SOCK_STREAM else "udp")
    except OSError:
        raise _error(std.EAI_SERVICE) from None


def _kinds(kind, proto):
    """(socket type, protocol) pairs that are asked for."""
    if kind not in (0, std.SOCK_STREAM, std.SOCK_DGRAM):
        raise _error(std.EAI_SOCKTYPE)
    found = [(k, p) for k, p in _KINDS if kind in (0, k) and proto in (0, p)]
    if not found:
        raise _error(std.EAI_SERVICE if kind == 0 else std.EAI_SOCKTYPE)
    return found


def getaddrinfo(host, port, family=0, type=0, proto=0, flags=0, *, stack=None):
    """(family, type, proto, canonical name, (address, port)) of each address and kind of socket, from the stack's table."""
    if family not in (std.AF_UNSPEC, std.AF_INET):
        raise _error(std.EAI_ADDRFAMILY if family == std.AF_INET6 else std.EAI_FAMILY)
    if flags & ~_FLAGS or (flags & std.AI_CANONNAME and host is None):
        raise _error(std.EAI_BADFLAGS)
    if host is None and port is None:
        raise _error(std.EAI_NONAME)
    kinds = _kinds(type, proto)
    if host is None:
        addresses = ["0.0.0.0" if flags & std.AI_PASSIVE else "127.0.0.1"]
    else:
        host = _text(host)
        if flags & std.AI_NUMERICHOST and _numeric(host) is None:
            raise _error(std.EAI_NONAME)
        addresses = (stack or current()).hosts.resolve(host)
    found = []
    for kind, number in kinds:
        try:
            place = _service(port, kind, flags)
        except std.gaierror as e:
            if e.errno != std.EAI_SERVICE or len(kinds) == 1:
                raise
            continue  # the other kind may know the service
        found += [(kind, number, address, place) for address in addresses]
    if not found:
        raise _error(std.EAI_SERVICE)
    found.sort(key=lambda f: addresses.index(f[2]))
    canonical = host if flags & std.AI_CANONNAME else ""
    return [(std.AF_INET, kind, number, canonical if i == 0 else "", (address, place)) for i, (kind, number, address, place) in enumerate(found)]


def gethostbyname(hostname, *, stack=None):
    """The preferred address of a name."""
    return gethostbyname_ex(hostname, stack=stack)[2][0]


def gethostbyname_ex(hostname, *, stack=None):
    """(name, other names: none, addresses)"""
    hostname = _text(hostname)
    if hostname == "":
        return "", [], ["0.0.0.0"]
    return hostname, [], (stack or current()).hosts.resolve(hostname)


def gethostbyaddr(ip_address, *, stack=None):
    """(name, other names, [address]) of an address in the table; herror when it has no name there."""
    hosts = (stack or current()).hosts
    address = hosts.resolve(_text(ip_address))[0]
    names = hosts.names_of(address)
    if not names:
        raise std.herror(1, "Unknown host")
    return names[0], names[1:], [address]


def getnameinfo(sockaddr, flags, *, stack=None):
    """(host, service) of an address, by names where the table and the services have some."""
    if not isinstance(sockaddr, tuple):
        raise TypeError("getnameinfo() argument 1 must be a tuple")
    host, port = sockaddr[:2]
    if _numeric(host) is None:
        raise _error(std.EAI_NONAME)
    names = [] if flags & std.NI_NUMERICHOST else (stack or current()).hosts.names_of(host)
    if flags & std.NI_NAMEREQD and not names:
        raise _error(std.EAI_NONAME)
    service = str(port)
    if not flags & std.NI_NUMERICSERV:
        try:
            service = std.getservbyport(port, "udp" if flags & std.NI_DGRAM else "tcp")
        except OSError:
            pass
    return (names[0] if names else host), service


def getfqdn(name="", *, stack=None):
    """The first name with a dot that the table has for a host, or its first, or what was given."""
    name = _text(name).strip()
    if name in ("", "0.0.0.0"):
        name = "localhost"
    try:
        first, others, _ = gethostbyaddr(name, stack=stack)
    except OSError:
        return name
    return next((n for n in [first, *others] if "." in n), first)
