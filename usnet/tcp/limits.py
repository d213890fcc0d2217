"""What TCP's settings (tcp_config in state.pxd) may be, beyond what their types say."""

MOST_BUF = 1 << 30  # bytes: the largest window of RFC 7323
RANGES = {"delack_small": (1, 8), "option_layout": (0, 1), "quick_acks": (0, 63), "window_scale": (0, 14), "syncookies": (0, 2),
          "error_rules": (0, 2)}


def check(settings: dict[str, int]) -> None:
    """ValueError for what cannot be."""
    if max(settings["sndbuf"], settings["rcvbuf"]) > MOST_BUF:
        raise ValueError(f"a buffer has at most {MOST_BUF} bytes")
    for name, (least, most) in RANGES.items():
        if not least <= settings[name] <= most:
            raise ValueError(f"{name} lies between {least} and {most}")
