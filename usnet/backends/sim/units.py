"""Rates, times, sizes and probabilities as people write them: "10Mbit", "20ms", "64KiB", "0.1%". Exact: no number
passes through a float."""
import functools
import operator
import re
from fractions import Fraction

_RATES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_TIMES = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "min": 60 * 10**9, "h": 3600 * 10**9}
_SIZES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_FACTORS = {"rate": _RATES, "time": _TIMES, "size": _SIZES}
_NEVER = Fraction(0)
_NUMBER = re.compile(r"\s*(-?[0-9]+(?:\.[0-9]+)?)\s*([^\s0-9.]*)\s*")


def _split(value, what, example):
    match = _NUMBER.fullmatch(value)
    if match is None:
        raise ValueError(f"{value!r} is not a {what} (such as {example})")
    return Fraction(match[1]), match[2]


def _whole(value, number, what, least):
    if number.denominator != 1:
        raise ValueError(f"{value!r} is not a whole number of {what}")
    if number < least:
        raise ValueError(f"{value!r}: at least {least} {what}")
    return int(number)


def _parse(value, what, unit, example, least):
    if type(value) is int and value >= least:
        return value
    if isinstance(value, str):
        return _parse_text(value, what, unit, example, least)
    try:
        return _whole(value, Fraction(operator.index(value)), unit, least)
    except TypeError:
        raise ValueError(f"{value!r} is not a {what}: an int of {unit}, or a string such as {example}") from None


@functools.lru_cache(4096)
def _parse_text(value, what, unit, example, least):
    number, name = _split(value, what, example)
    factors = _FACTORS[what]
    if name not in factors:
        names = ", ".join(filter(None, factors))
        raise ValueError(f"{value!r}: a {what} ends in one of {names} (such as {example})")
    return _whole(value, number * factors[name], unit, least)


def rate(value):
    """Bits a second: an int, "10Mbit", "1.5Gbit/s", "64kbps". None or 0: no limit (0)."""
    if value is None:
        return 0
    if isinstance(value, str):
        value = re.sub(r"(bit(/s)?|bps)\s*$", "", value) if re.search(r"(bit(/s)?|bps)\s*$", value) else value + "?"
        if value.endswith("?"):
            raise ValueError(f"{value[:-1]!r}: a rate ends in bit, bit/s or bps, with k, M, G or T (such as 10Mbit)")
    return _parse(value, "rate", "bits a second", "10Mbit", 0)


def time(value):
    """Nanoseconds: an int, "20ms", "1.5us", "2min". Never negative."""
    return _parse(value, "time", "nanoseconds", "20ms", 0)


def size(value):
    """Bytes: an int, "1500B", "64KiB", "1MB"."""
    return _parse(value, "size", "bytes", "64KiB", 0)


def probability(value):
    """A Fraction from 0 to 1: 0, 1, 0.01 (as it is written in decimal), "0.1%", a Fraction."""
    if type(value) is int and value == 0:
        return _NEVER
    if type(value) is Fraction and 0 <= value <= 1:
        return value
    if isinstance(value, str):
        number, name = _split(value, "probability", "0.1%")
        if name not in ("", "%"):
            raise ValueError(f"{value!r} is not a probability (such as 0.1%)")
        number = number / 100 if name else number
    elif isinstance(value, float):
        try:
            number = Fraction(repr(value))
        except ValueError:
            raise ValueError(f"{value!r} is not a probability") from None
    else:
        try:
            number = Fraction(value)
        except TypeError:
            raise ValueError(f"{value!r} is not a probability (such as 0.01 or 0.1%)") from None
    if not 0 <= number <= 1:
        raise ValueError(f"{value!r} is not a probability: from 0 to 1")
    return number


def queue(value):
    """(packets, bytes) that may wait, None for no limit: an int of packets, "64KiB" of bytes, {"packets": 50, "bytes":
    "64KiB"}, or None."""
    if value is None:
        return None, None
    if isinstance(value, str):
        return None, size(value)
    if isinstance(value, dict):
        unknown = set(value) - {"packets", "bytes"}
        if unknown:
            raise ValueError(f"a queue has packets and bytes, not {', '.join(sorted(map(str, unknown)))}")
        packets, octets = value.get("packets"), value.get("bytes")
        return (None if packets is None else _count(packets)), (None if octets is None else size(octets))
    return _count(value), None


def _count(value):
    try:
        number = operator.index(value)
    except TypeError:
        raise ValueError(f"{value!r} is not a number of packets") from None
    if number < 0:
        raise ValueError(f"{value!r}: at least 0 packets")
    return number


def mac(value):
    """6 bytes: bytes, or "02:00:00:00:00:01"."""
    if isinstance(value, str):
        if not re.fullmatch(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}", value):
            raise ValueError(f"{value!r} is not a MAC address (such as 02:00:00:00:00:01)")
        return bytes.fromhex(value.replace(":", ""))
    value = bytes(value)
    if len(value) != 6:
        raise ValueError(f"a MAC address has 6 bytes, not {len(value)}")
    return value
