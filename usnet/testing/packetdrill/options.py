"""The options of a script: which there are, and what each may be."""

import ipaddress
from collections.abc import Callable

Check = Callable[[str], str]
"""What is wrong with a value, in words; nothing if it is good."""


def number(least: float, most: float) -> Check:
    def check(text: str) -> str:
        try:
            fits = least <= float(text) <= most and (isinstance(least, float) or (text.isascii() and text.isdigit()))
        except ValueError:
            fits = False
        return "" if fits else f"a number from {least:g} to {most:g} is expected"

    return check


def address(text: str) -> str:
    """IPv6 is the runner's to refuse."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return "an address is expected"
    return "" if found.version == 6 or not (found.is_unspecified or found.is_multicast) else "the address of a host is expected"


def definition(text: str) -> str:
    return "" if "=" in text and text.partition("=")[0].isidentifier() else "NAME=VALUE is expected"


def anything(text: str) -> str:
    return ""


ENDLESS = 1_000_000_000
KNOWN: dict[str, Check] = {
    "local_ip": address, "remote_ip": address, "mtu": number(68, 65535), "bind_port": number(1, 65535), "connect_port": number(1, 65535),
    "tolerance_usecs": number(0, ENDLESS), "tolerance_percent": number(0.0, 100.0), "define": definition, "udp_encapsulation": anything,
    "ip_version": lambda text: "" if text in ("ipv4", "ipv6", "ip4", "ip6", "ipv4-mapped-ipv6") else "ipv4 or ipv6 is expected",
} | dict.fromkeys(
    # Taken, and of no effect here: other checks stand in their place, or they are about the machine that runs the original.
    """strict_segments gateway_ip netmask_ip speed mss tcp_ts_tick_usecs tcp_ts_ecr_scaled non_fatal init_scripts is_anyip send_omit_free
    code_command code_format code_sockopt so_filename so_flags dry_run verbose debug wire_client wire_server wire_server_ip wire_server_port
    wire_client_device wire_server_device psp_udp_port tcp_md5_secret""".split(), anything,
)  # fmt: skip


def wrong(name: str, value: str) -> str:
    """What is wrong with --name=value, in words; nothing if it is good."""
    if name not in KNOWN:
        return f"there is no option --{name}"
    problem = KNOWN[name](value)
    return f"--{name}: {problem}" if problem else ""
