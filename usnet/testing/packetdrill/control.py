"""Messages of scripts with what comes beside their data: recvmsg with control messages, the error queue."""

import socket
import struct
from collections.abc import Callable
from typing import Any

from usnet.testing.packetdrill.language import ScriptError
from usnet.testing.packetdrill.packets import Unsupported
from usnet.testing.packetdrill.waiting import Prepared, Wrong

SCM_TIMESTAMPING, IP_RECVERR, TCP_CM_INQ, MSG_ERRQUEUE = 37, 11, 36, 0x2000
ROOM = 1024  # bytes for control messages
SECOND = 1_000_000_000
TOLERANCE = 4_000_000  # ns
NAMES = {
    "CMSG_LEVEL_IP": 0, "CMSG_TYPE_RECVERR": IP_RECVERR, "SCM_TIMESTAMPING": SCM_TIMESTAMPING, "TCP_CM_INQ": TCP_CM_INQ,
    "SO_EE_ORIGIN_TIMESTAMPING": 4, "SO_EE_ORIGIN_ZEROCOPY": 5, "SO_EE_CODE_ZEROCOPY_COPIED": 1,
    "SCM_TSTAMP_SND": 0, "SCM_TSTAMP_SCHED": 1, "SCM_TSTAMP_ACK": 2, "SO_ZEROCOPY": 60, "SO_TIMESTAMPING": 37,
    "MSG_ZEROCOPY": 0x4000000, "MSG_ERRQUEUE": MSG_ERRQUEUE,
    **{f"SOF_TIMESTAMPING_{name}": 1 << bit for bit, name in enumerate(
        "TX_HARDWARE TX_SOFTWARE RX_HARDWARE RX_SOFTWARE SOFTWARE SYS_HARDWARE RAW_HARDWARE OPT_ID TX_SCHED TX_ACK OPT_CMSG OPT_TSONLY "
        "OPT_STATS OPT_PKTINFO OPT_TX_SWHW BIND_PHC OPT_ID_TCP".split())},
}  # fmt: skip
FIELDS = ("ee_errno", "ee_origin", "ee_type", "ee_code", "ee_info", "ee_data")


class Control:
    """Part of Calls."""

    of: Callable[[Any], Any]
    value: Callable[[Any], Any]
    number: Callable[[Any], int]
    lengths: Callable[[Any], int]
    receiver: Callable[[Any, int, int], Prepared]
    may_block: Callable[..., bool]
    start: int

    def call_recvmsg(self, fd: Any, message: Any, flags: Any) -> Prepared:
        size, how = self.lengths(part(message, "msg_iov")), self.number(flags)
        wanted = part(message, "msg_control", None)
        if wanted is None:
            return self.receiver(fd, size, how)

        def received() -> int:
            data, told, found, _ = self.of(fd).recvmsg(size, ROOM, how & ~socket.MSG_DONTWAIT)
            if "msg_flags" in message and self.value(message["msg_flags"]) != found:
                raise Wrong(f"recvmsg() gives the flags {found:#x}, not {self.value(message['msg_flags']):#x}")
            if len(told) != len(wanted):
                raise Wrong(f"recvmsg() gives {told}, not {len(wanted)} control messages")
            for seen, one in zip(told, wanted, strict=True):
                self.compare(one, *seen)
            return len(data)

        return received, self.may_block((fd,), how | (socket.MSG_DONTWAIT if how & MSG_ERRQUEUE else 0))

    def compare(self, wanted: Any, level: int, kind: int, data: bytes) -> None:
        """A control message beside what the script says of it."""
        if (level, kind) != (self.value(wanted["cmsg_level"]), self.value(wanted["cmsg_type"])):
            raise Wrong(f"a control message of level {level}, type {kind}, not {wanted['cmsg_level']}, {wanted['cmsg_type']}")
        said = wanted["cmsg_data"]
        if not isinstance(said, dict):
            if int.from_bytes(data[:4], "little") != self.number(said):
                raise Wrong(f"{wanted['cmsg_type']} says {int.from_bytes(data[:4], 'little')}, not {self.number(said)}")
        elif kind == SCM_TIMESTAMPING:
            sec, nsec = struct.unpack_from("=qq", data)
            time = sec * SECOND + nsec - self.start
            if abs(time - self.number(said["scm_sec"]) * SECOND - self.number(said["scm_nsec"])) > TOLERANCE:
                raise Wrong(f"a timestamp of {time / 1e9:.6f} s")
        elif kind == IP_RECVERR:
            errno_, origin, type_, code, _, info, number = struct.unpack_from("=IBBBBII", data)
            found = dict(zip(FIELDS, (errno_, origin, type_, code, info, number), strict=True))
            if found != {name: self.number(said[name]) for name in FIELDS}:
                raise Wrong(f"the error queue tells {found}")
        else:
            raise Unsupported(f"the control message {wanted['cmsg_type']}")


def part(message: Any, name: str, *default: Any) -> Any:
    """A field of a structure."""
    if isinstance(message, dict) and name in message:
        return message[name]
    if default:
        return default[0]
    raise ScriptError(f"a message without {name}")
