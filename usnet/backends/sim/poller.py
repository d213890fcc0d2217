"""Waiting in virtual time: the caller's wait is what runs the network."""
from usnet.backends.poller import Poller
from usnet.backends.sim.host import Alarm

FOREVER = 2**63 - 1


class NetworkPoller(Poller):
    """The poller of a host in a network that nothing else drives: wait() runs the network until a port of this poller
    has news, the doorbell rings, or the time comes and nothing is left to do at it. With nothing left to happen and no
    deadline it returns, as woken for nothing, the first time; RuntimeError the next.
    """

    def __init__(self, network):
        self.network = network
        self.ports = []
        self.woken = False
        self.idle = 0
        self._alarm = Alarm(network.scheduler, self._due)
        self._time_came = False
        self._deadline = FOREVER

    def add_port(self, port):
        if port.network is not self.network:
            raise ValueError(f"{port.name} belongs to another network")
        if not any(known.host is port.host for known in self.ports):
            port.host.add_listener(self._news)
            port.host.add_clock_listener(self._set_alarm)
        self.ports.append(port)

    def remove_port(self, port):
        if port not in self.ports:
            raise KeyError(port)
        self.ports.remove(port)
        if not any(known.host is port.host for known in self.ports):
            port.host.remove_listener(self._news)
            port.host.remove_clock_listener(self._set_alarm)

    def _news(self, now):
        self.woken = True

    def _due(self, now):
        self._time_came = True

    def ring_doorbell(self):
        self.woken = True

    def _touch_hosts(self):
        """Calls may have left a native host something to do, or another deadline."""
        for port in self.ports:
            if port.host.native:
                port.host.touch()

    def _set_alarm(self):
        """For the deadline, which is a time of the host's clock."""
        instant = self.ports[0].host.instant(self._deadline) if self.ports else self._deadline
        self._time_came = instant <= self.network.now
        if self._time_came:
            self._alarm.clear()
        else:
            self._alarm.set(instant)

    def wait(self, deadline_ns):
        self._touch_hosts()
        self._deadline = deadline_ns
        self._set_alarm()
        while not self.woken and not (self._time_came and self.network.peek() != self.network.now):
            if not self.network.step():
                self.idle += 1
                if self.idle > 1:
                    raise RuntimeError("nothing is left to happen, and nothing is waited for with a deadline")
                return True
        self.idle = 0
        woken, self.woken = self.woken, False
        return woken

    def close(self):
        for port in list(self.ports):
            self.remove_port(port)
        self._alarm.clear()
