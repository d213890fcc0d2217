import numpy

HAPPENING: numpy.dtype
WHAT: tuple[str, ...]
CAUSE: tuple[str, ...]

class EventLog: ...
