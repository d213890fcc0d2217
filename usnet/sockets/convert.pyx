"""Between Python's values and the core's. errno becomes OSError here and only here."""
import functools
import os
import socket as std

from libc.stdint cimport int64_t, uint8_t, uint16_t
from libc.string cimport memset

from usnet.wire.addr cimport addr_bytes, addr_is_any, addr_is_v4, addr_set_v4, ip_addr


words_of = functools.lru_cache(256)(os.strerror)        # a program that polls meets the same error again and again


cdef object os_error(int64_t status):
    """The OSError of a negative status; Python picks the subclass."""
    return OSError(-status, words_of(-status))


cdef int parse_address(object address, str caller, object hosts, ip_addr *addr, uint16_t *port) except -1:
    """("10.9.0.2", 80) in the core's form; "" is any address, other names stand in the stack's table. Errors as the
    standard library's.
    """
    cdef bytes four
    if not isinstance(address, tuple):
        raise TypeError(f"{caller}(): AF_INET address must be tuple, not {type(address).__name__}")
    if len(address) != 2:
        raise TypeError(f"{caller}(): AF_INET address must be a pair (host, port)")
    host, number = address
    if not isinstance(number, int):
        raise TypeError(f"'{type(number).__name__}' object cannot be interpreted as an integer")
    if not 0 <= number <= 0xffff:
        raise OverflowError(f"{caller}(): port must be 0-65535.")
    if isinstance(host, (bytes, bytearray)):
        host = bytes(host).decode("ascii", "replace")
    if not isinstance(host, str):
        raise TypeError(f"str, bytes or bytearray expected, not {type(host).__name__}")
    port[0] = number
    if host == "":
        memset(addr, 0, sizeof(ip_addr))
        return 0
    if host == "<broadcast>":
        four = b"\xff\xff\xff\xff"
    else:
        try:
            four = std.inet_pton(std.AF_INET, host)
        except OSError:
            four = std.inet_aton(hosts.resolve(host)[0])
    addr_set_v4(addr, <const uint8_t *>four)
    if addr_is_any(addr):
        memset(addr, 0, sizeof(ip_addr))
    return 0


cdef object format_address(ip_addr *addr, uint16_t port):
    cdef uint8_t *p = addr_bytes(addr)
    if addr_is_v4(addr):
        return f"{p[12]}.{p[13]}.{p[14]}.{p[15]}", port
    return "0.0.0.0", port                      # all zero: not bound
