"""For tests of programs on usnet, and of usnet itself: networks, faults and peers in virtual time.

    with usnet.testing.pair(loss=0.02) as net:
        net.server.run(serve)
        assert net.call(fetch) == b"..."

What stands here is public; it is imported when it is first used. docs/testing.md shows how it goes with pytest.
"""

import importlib

_WHERE = {
    "CheckFailed": "usnet.testing.checks",
    "Pair": "usnet.testing.pairs",
    "Setting": "usnet.testing.pairs",
    "given_network": "usnet.testing.given",
    "impairments": "usnet.testing.given",
    "networks": "usnet.testing.given",
    "pair": "usnet.testing.pairs",
    "scenario": "usnet.testing.pairs",
    "usual": "usnet.testing.given",
    "world": "usnet.testing.pairs",
}

__all__ = ["CheckFailed", "Pair", "Setting", "given_network", "impairments", "networks", "pair", "scenario", "usual", "world"]


def __getattr__(name):
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_WHERE[name]), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *__all__})
