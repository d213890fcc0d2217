"""The standard library's selectors over usnet's sockets: `usnet.selectors.DefaultSelector` in place of `selectors.DefaultSelector`."""

from selectors import EVENT_READ, EVENT_WRITE, BaseSelector, SelectorKey

from usnet.sockets.selector import EpollSelector

__all__ = ["EVENT_READ", "EVENT_WRITE", "BaseSelector", "DefaultSelector", "EpollSelector", "SelectorKey"]

DefaultSelector = EpollSelector
