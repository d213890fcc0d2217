"""`time` and `datetime` of one script: the world's clock. A run begins at EPOCH, and computing takes no time."""

import datetime as std_datetime
import time as std

from usnet.lab.programs import current
from usnet.lab.script_modules import face
from usnet.sockets.host import seconds_to_ns

SECOND = 10**9  # an int: dividing by it rounds once
EPOCH = 1_735_689_600 * SECOND
"""time.time_ns() at the beginning of each world: 1 January 2025, 0:00 UTC. Local time is UTC."""


def pause(seconds):
    """time.sleep(): lets the world's time pass."""
    if not isinstance(seconds, int | float) and not hasattr(seconds, "__float__"):
        raise TypeError(f"'{type(seconds).__name__}' object cannot be interpreted as an integer")
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    program = current()
    if program is None:
        raise RuntimeError("time.sleep() outside of the script's threads")
    deadline = program.env.now + seconds_to_ns(seconds)
    program._block("time.sleep", deadline)
    while program.env.now < deadline:
        program._block("time.sleep", deadline)


def live_module():
    """The `time` module of a script in real time: only its sleep() is another."""
    return face("time", std, sleep=pause)


class Clock:
    """The readings of a world's clock; each counts, so that a loop of nothing else is found out. The time of day is that of `host`."""

    def __init__(self, env, host=None):
        self.env = env
        self.host = host

    def wall(self):
        """The time of day, ns since 1970."""
        return EPOCH + self.look() + (self.host.wall if self.host is not None else 0)

    def look(self):
        program = current()
        if program is not None:
            program._count_wait()
        return self.env.now

    def clock_gettime_ns(self, clock):
        if clock == getattr(std, "CLOCK_REALTIME", 0):
            return self.wall()
        if clock in (getattr(std, name, None) for name in ("CLOCK_PROCESS_CPUTIME_ID", "CLOCK_THREAD_CPUTIME_ID")):
            return self.look() * 0
        return self.look()

    def seconds(self, given):
        return self.wall() / SECOND if given is None else given

    def module(self, script):
        """The `time` module."""
        look = self.look
        utc = std.gmtime(0).tm_zone
        readings = {}
        for name, pace in (("monotonic", 1), ("perf_counter", 1), ("process_time", 0), ("thread_time", 0)):
            readings[name] = lambda pace=pace: look() * pace / SECOND
            readings[f"{name}_ns"] = lambda pace=pace: look() * pace
        for name in ("clock_settime", "clock_settime_ns", "pthread_getcpuclockid"):
            readings[name] = script.refuse(f"time.{name}", "the world's clock, which nobody sets")
        return face(
            "time", std, **readings, sleep=pause,
            time=lambda: self.wall() / SECOND, time_ns=self.wall,
            clock_gettime=lambda clock: self.clock_gettime_ns(clock) / SECOND, clock_gettime_ns=self.clock_gettime_ns,
            gmtime=lambda seconds=None, /: std.gmtime(self.seconds(seconds)),
            localtime=lambda seconds=None, /: std.gmtime(self.seconds(seconds)),
            ctime=lambda seconds=None, /: std.asctime(std.gmtime(self.seconds(seconds))),
            asctime=lambda t=None, /: std.asctime(std.gmtime(self.seconds(None)) if t is None else t),
            strftime=lambda form, t=None, /: std.strftime(form, std.gmtime(self.seconds(None)) if t is None else t),
            mktime=lambda t, /: float(_timegm(t)), timezone=0, altzone=0, daylight=0, tzname=(utc, utc), tzset=lambda: None,
        )  # fmt: skip


def _timegm(t):
    days = std_datetime.date(t[0], 1, 1).toordinal() + (t[7] - 1 if t[7] > 0 else 0)
    if t[1] and t[2]:
        days = std_datetime.date(t[0], t[1], 1).toordinal() + t[2] - 1
    return (days - std_datetime.date(1970, 1, 1).toordinal()) * 86400 + t[3] * 3600 + t[4] * 60 + t[5]


class _Kind(type):
    """Lets objects of the interpreter's own classes count as instances."""

    def __instancecheck__(cls, instance):
        return isinstance(instance, cls.__dict__["std"]) if "std" in cls.__dict__ else super().__instancecheck__(instance)

    def __subclasscheck__(cls, subclass):
        return issubclass(subclass, cls.__dict__["std"]) if "std" in cls.__dict__ else super().__subclasscheck__(subclass)


def datetime_module(clock):
    """The `datetime` module: now(), today() and utcnow() are the world's, and local time is UTC."""

    class date(std_datetime.date, metaclass=_Kind):  # noqa: N801
        std = std_datetime.date

        @classmethod
        def today(cls):
            return cls.fromtimestamp(clock.seconds(None))

        @classmethod
        def fromtimestamp(cls, timestamp, /):
            found = std_datetime.datetime.fromtimestamp(timestamp, std_datetime.UTC)
            return cls(found.year, found.month, found.day)

        def __reduce_ex__(self, protocol):
            return std_datetime.date, (self.year, self.month, self.day)

    class datetime(std_datetime.datetime, metaclass=_Kind):  # noqa: N801
        std = std_datetime.datetime

        @classmethod
        def now(cls, tz=None):
            now = clock.wall()
            found = cls(1970, 1, 1, tzinfo=std_datetime.UTC) + std_datetime.timedelta(microseconds=now // 1000)
            return found.replace(tzinfo=None) if tz is None else found.astimezone(tz)

        @classmethod
        def utcnow(cls):
            return cls.now()

        @classmethod
        def today(cls):
            return cls.now()

        @classmethod
        def fromtimestamp(cls, timestamp, tz=None):
            found = super().fromtimestamp(timestamp, std_datetime.UTC)
            return found.replace(tzinfo=None) if tz is None else found.astimezone(tz)

        def timestamp(self):
            return self.replace(tzinfo=std_datetime.UTC).timestamp() if self.tzinfo is None else super().timestamp()

        def date(self):
            return date(self.year, self.month, self.day)

        def __reduce_ex__(self, protocol):
            plain = std_datetime.datetime.combine(std_datetime.date(self.year, self.month, self.day), self.timetz())
            return plain.__reduce_ex__(protocol)

    for cls in (date, datetime):
        cls.__module__, cls.__qualname__ = "datetime", cls.__name__
    return face("datetime", std_datetime, date=date, datetime=datetime)
