"""What TCP's settings (tcp_config in state.pxd) may be, beyond what their types say."""

from typing import Any

from usnet.tcp.congestion.ops import names
from usnet.tcp.congestion.registry import number_of

MOST_BUF = 1 << 30  # bytes: the largest window of RFC 7323
RANGES = {"delack_small": (1, 8), "option_layout": (0, 1), "quick_acks": (0, 63), "window_scale": (0, 14), "syncookies": (0, 2),
          "error_rules": (0, 2), "hystart": (0, 2), "cwnd_validation": (0, 3), "fixed_window": (0, MOST_BUF)}


def numbers(settings: dict[str, Any]) -> dict[str, Any]:
    """The same, with the congestion controller by its number, which may be given by its name. ValueError where there is none of that name."""
    if isinstance(settings.get("congestion"), str):
        return {**settings, "congestion": number_of(settings["congestion"])}
    return settings


def check(settings: dict[str, int]) -> None:
    """ValueError for what cannot be."""
    if max(settings["sndbuf"], settings["rcvbuf"]) > MOST_BUF:
        raise ValueError(f"a buffer has at most {MOST_BUF} bytes")
    if not settings["congestion"] < len(names()):
        raise ValueError(f"the congestion controllers are {', '.join(names())}")
    for name, (least, most) in RANGES.items():
        if not least <= settings[name] <= most:
            raise ValueError(f"{name} lies between {least} and {most}")
