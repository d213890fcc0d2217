"""What to do with bytes: read them all, compare many of them."""


def read_all(sock) -> bytes:
    parts = []
    while part := sock.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def difference(got: bytes, wanted: bytes) -> str:
    """Where they differ, in a line; "" when they do not. For bytes of which nobody wants to see megabytes."""
    if got == wanted:
        return ""
    pairs = zip(got, wanted, strict=False)
    at = next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(got), len(wanted)))
    here, there = got[at:at + 16].hex(), wanted[at:at + 16].hex()
    return f"{len(got)} bytes instead of {len(wanted)}, other ones from {at} on: {here} instead of {there}"
