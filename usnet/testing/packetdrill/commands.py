"""Commands of a script's host, understood instead of executed: settings, and questions about connections."""

import re
import shlex
from typing import Any

from usnet.sockets.fastopen import forget_servers
from usnet.testing.packetdrill.packets import Unsupported
from usnet.testing.packetdrill.profiles import Profile
from usnet.testing.packetdrill.waiting import Wrong

SETTING = re.compile(r"([a-z0-9_./]+)=(.*)", re.DOTALL)
SOCKSTAT_STATES = {"SYN_RECEIVED": "SYN_RCVD"}
WITHOUT_EFFECT = ("tc", "nstat", "ip", "true", "ethtool", "echo", "export", "cd", ":")
COUNTERS = {"TcpExtOutOfWindowIcmps": "icmp"}
LINUX_STATES = {
    "ESTABLISHED": 1, "SYN_SENT": 2, "SYN_RECEIVED": 3, "FIN_WAIT_1": 4, "FIN_WAIT_2": 5, "TIME_WAIT": 6, "CLOSED": 7, "CLOSE_WAIT": 8,
    "LAST_ACK": 9, "LISTEN": 10, "CLOSING": 11,
}  # fmt: skip
SPLIT = re.compile(r"\n|;|&&")


def reversed_hex(address: str) -> str:
    return bytes(reversed([int(part) for part in address.split(".")])).hex().upper() if "." in address else "0" * 8


class Host:
    """The machine that a script believes to be on."""

    def __init__(self, profile: Profile, stack: Any):
        self.profile, self.stack = profile, stack
        self.files: dict[str, bytes] = {}

    def run(self, text: str) -> None:
        """Wrong when the command says no; Unsupported for one that is not understood."""
        for line in SPLIT.split(text.replace("\\\n", " ")):
            line = line.split("#")[0].strip()
            if line:
                self.alternatives(line.split("||"))

    def alternatives(self, lines: list[str]) -> None:
        """The first of them that there is on such a machine."""
        for i, line in enumerate(lines):
            try:
                return self.line(line.strip())
            except Unsupported:
                if i == len(lines) - 1:
                    raise

    def line(self, line: str) -> None:
        stages = [shlex.split(stage) for stage in line.split("|")]
        first = [word for word in stages[0] if word not in (">", "&>", "/dev/null", "2>&1", ">/dev/null")]
        if not first:
            raise Unsupported(f"the command {line}")
        name = first[0].rpartition("/")[2]
        if name in self.profile.scripts:
            return self.sysctl(list(self.profile.scripts[name]))
        if name in ("defaults.sh", "sh", "bash") or name.startswith("sysctl_restore"):
            return
        if first[:2] == ["ip", "tcp_metrics"]:
            return forget_servers(self.stack)
        if name == "sysctl":
            self.sysctl(first[1:])
        elif name == "set_sysctls.py":
            self.sysctl([word.replace("/proc/sys/", "") for word in first[1:]])
        elif name == "rm":
            for word in first[1:]:
                self.files.pop(word, None)
        elif name == "dd":
            self.zeros(dict(word.split("=", 1) for word in first[1:] if "=" in word))
        elif name == "tcpdrop":
            self.tcpdrop(first[1:])
        elif name == "sockstat":
            self.sockstat(first[1:], stages[1:], line)
        elif name == "nstat" and len(stages) > 1:
            self.filter(self.counters(), stages[1:], line)
        elif name == "grep" and set(first[2:]) <= {"/proc/net/tcp", "/proc/net/tcp6"} and len(first) > 2:
            self.filter(self.proc_net_tcp(), [["grep", first[1]], *stages[1:]], line)
        elif name not in WITHOUT_EFFECT or len(stages) > 1:
            raise Unsupported(f"the command {name}")

    def zeros(self, given: dict[str, str]) -> None:
        """dd if=/dev/zero of=...: a file that exists for the script alone."""
        if given.get("if") != "/dev/zero" or "of" not in given:
            raise Unsupported(f"dd {given}")
        self.files[given["of"]] = bytes(int(given.get("bs", "512")) * int(given.get("count", "0")))

    def sysctl(self, words: list[str]) -> None:
        for word in words:
            if word.startswith("-"):
                continue
            match = SETTING.fullmatch(word)
            if match is None:
                raise Unsupported(f"sysctl {word}")
            name, value = match[1].replace("/", "."), match[2].strip()
            if name in self.profile.actions:
                self.profile.actions[name](self.stack, value)
            elif name in self.profile.sysctls:
                self.stack.configure(**self.profile.sysctls[name](value))
            elif not name.startswith(self.profile.ignored):
                raise Unsupported(f"the sysctl {name}")

    def sockstat(self, words: list[str], filters: list[list[str]], line: str) -> None:
        """The connections, a line each, through the greps behind it."""
        port = words[words.index("-p") + 1] if "-p" in words else None
        self.filter([text for text in self.connections() if port is None or f":{port} " in text], filters, line)

    def counters(self) -> list[str]:
        """Those of Linux's that usnet has under other names, as far as they are not zero."""
        drops = self.stack.statistics()["tcp_drops"]
        return [f"{name} {drops[mine]} 0.0" for name, mine in COUNTERS.items() if drops[mine]]

    def filter(self, lines: list[str], filters: list[list[str]], line: str) -> None:
        """Through these greps; the last one must find something."""
        for words in filters:
            words = [word for word in words if word not in (">", "/dev/null")]
            pattern = re.compile(words[-1])
            if words[0] != "grep":
                raise Unsupported(f"the command {words[0]}")
            lines = [text for text in lines if pattern.search(text)]
            if "-c" in words:
                lines = [str(len(lines))]
        if not lines:
            raise Wrong(f"`{line}` finds nothing: {lines}")

    def proc_net_tcp(self) -> list[str]:
        """As Linux's /proc/net/tcp begins its lines."""
        ones = [self.stack.core.snapshot(number) for number in self.stack.core.connections()]
        return [
            f"{i:4}: {reversed_hex(one['laddr'])}:{one['lport']:04X} {reversed_hex(one['raddr'])}:{one['rport']:04X} "
            f"{LINUX_STATES[one['state'].replace('-', '_')]:02X} "
            for i, one in enumerate(ones)
        ]

    def tcpdrop(self, words: list[str]) -> None:
        """-s STATE: every connection in it ends, with a RST to its peer."""
        if len(words) != 2 or words[0] != "-s":
            raise Unsupported(f"tcpdrop {' '.join(words)}")
        core = self.stack.core
        for number in core.connections():
            if core.snapshot(number)["state"].replace("-", "_") == words[1]:
                core.abort(number)

    def connections(self) -> list[str]:
        core = self.stack.core
        found = []
        for number in core.connections():
            one = core.snapshot(number)
            state = SOCKSTAT_STATES.get(one["state"].replace("-", "_"), one["state"].replace("-", "_"))
            owner = "packetdril" if one["owner"] != 0xFFFFFFFF else "?"
            found.append(f"root {owner} tcp4 {one['laddr']}:{one['lport']} {one['raddr']}:{one['rport']} {state}")
        return found
