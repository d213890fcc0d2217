"""A link as Python sees it: two directions, `up` from a to b and `down` from b to a."""
from usnet.backends.fates cimport Fates
from usnet.backends.sim.delays cimport delays
from usnet.backends.sim.journal cimport world
from usnet.backends.sim.link cimport link_dir
from usnet.backends.sim.shaper cimport Shaper


cdef class Direction:
    cdef link_dir d
    cdef object keep            # the Network
    cdef dict model             # as it was given, parsed
    cdef dict wanted            # what asks for the long way: its settings by name
    cdef Shaper shaper          # None: the short way
    cdef delays around          # of jitter with a distribution


cdef class Link:
    cdef readonly str name
    cdef readonly int number
    cdef readonly object a      # SimPort, Switch or Middlebox
    cdef readonly object b
    cdef readonly Direction up
    cdef readonly Direction down
    cdef readonly object network
    cdef Fates rules
    cdef int start(self, world *w, dict up, dict down, rules, object seed) except -1
    cdef int connect(self, object end, Direction out, Direction back) except -1
    cdef int show(self) except -1
    cdef int reset(self) except -1
