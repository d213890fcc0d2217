"""What opening a port may raise beside ValueError."""


class BackendUnavailable(OSError):  # noqa: N818
    """The backend cannot work here: a device, a module or a permission is missing. The text says which, and what to
    do."""
