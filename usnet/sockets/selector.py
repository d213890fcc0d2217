"""The standard library's selectors over usnet's sockets. Public in `usnet.selectors`."""

from collections.abc import Mapping
from selectors import EVENT_READ, EVENT_WRITE, BaseSelector, SelectorKey

from usnet.sockets.epoll import epoll

_IN, _OUT = 0x1, 0x4  # EPOLLIN, EPOLLOUT


def _descriptor(fileobj):
    """As the standard library's: the number that `fileobj` is or has."""
    if isinstance(fileobj, epoll):
        fd = fileobj.descriptor
    elif isinstance(fileobj, int):
        fd = fileobj
    else:
        try:
            fd = int(fileobj.fileno())
        except (AttributeError, TypeError, ValueError):
            raise ValueError(f"Invalid file object: {fileobj!r}") from None
    if fd < 0:
        raise ValueError(f"Invalid file descriptor: {fd}")
    return fd


def _mask(events):
    return (_IN if events & EVENT_READ else 0) | (_OUT if events & EVENT_WRITE else 0)


class _Map(Mapping):
    """What is registered: keys by file object."""

    def __init__(self, selector):
        self._selector = selector

    def __len__(self):
        return len(self._selector._keys)

    def __getitem__(self, fileobj):
        fd = self._selector._lookup(fileobj)
        try:
            return self._selector._keys[fd]
        except KeyError:
            raise KeyError(f"{fileobj!r} is not registered") from None

    def get(self, fileobj, default=None):
        return self._selector._keys.get(self._selector._lookup(fileobj), default)

    def __iter__(self):
        return iter(self._selector._keys)


class EpollSelector(BaseSelector):
    """Waits for sockets of one stack (the current one, or `stack`); select() drives it."""

    def __init__(self, *, stack=None):
        self._keys = {}
        self._map: _Map | None = _Map(self)
        self._epoll = epoll(stack=stack)

    def _lookup(self, fileobj):
        """Its descriptor, found even when it has been closed since."""
        try:
            return _descriptor(fileobj)
        except ValueError:
            for key in self._keys.values():
                if key.fileobj is fileobj:
                    return key.fd
            raise

    def register(self, fileobj, events, data=None):
        """KeyError when it is registered already; ValueError for wrong events or objects."""
        if not events or events & ~(EVENT_READ | EVENT_WRITE):
            raise ValueError(f"Invalid events: {events!r}")
        key = SelectorKey(fileobj, self._lookup(fileobj), events, data)
        if key.fd in self._keys:
            raise KeyError(f"{fileobj!r} (FD {key.fd}) is already registered")
        self._epoll.register(key.fd, _mask(events))
        self._keys[key.fd] = key
        return key

    def unregister(self, fileobj):
        """KeyError when it is not registered."""
        try:
            key = self._keys.pop(self._lookup(fileobj))
        except KeyError:
            raise KeyError(f"{fileobj!r} is not registered") from None
        try:
            self._epoll.unregister(key.fd)
        except (OSError, ValueError):
            pass  # closed since, or its stack
        return key

    def modify(self, fileobj, events, data=None):
        key = self.get_key(fileobj)
        if not events or events & ~(EVENT_READ | EVENT_WRITE):
            raise ValueError(f"Invalid events: {events!r}")
        if events != key.events:
            try:
                self._epoll.modify(key.fd, _mask(events))
            except OSError:
                del self._keys[key.fd]
                raise
        key = self._keys[key.fd] = key._replace(events=events, data=data)
        return key

    def select(self, timeout=None):
        """[(key, events)] of those that are ready; `timeout` in seconds, None: for ever, 0 or less: at once."""
        return self._found(self._epoll.poll(None if timeout is None else max(timeout, 0), max(len(self._keys), 1)))

    def select_until(self, deadline):
        """select() up to a reading of the stack's clock, ns; a time that has passed: at once."""
        return self._found(self._epoll.poll_until(deadline, max(len(self._keys), 1)))

    def _found(self, events_by_descriptor):
        ready = []
        for fd, bits in events_by_descriptor:
            events = (EVENT_WRITE if bits & ~_IN else 0) | (EVENT_READ if bits & ~_OUT else 0)
            key = self._keys.get(fd)
            if key is not None and events & key.events:
                ready.append((key, events & key.events))
        return ready

    def wake(self):
        """Has a select() that waits, or the next one, return at once (usnet.epoll.wake)."""
        self._epoll.wake()

    def get_map(self):
        return self._map

    def get_key(self, fileobj):
        if self._map is None:
            raise RuntimeError("Selector is closed")
        return self._map[fileobj]

    def fileno(self):
        """A real descriptor that is readable while there is something to do (usnet.epoll.fileno)."""
        return self._epoll.fileno()

    def close(self):
        self._epoll.close()
        self._keys.clear()
        self._map = None
