"""A call of a program of steps, while it lasts. There are many of them, in each example of a property test."""
from libc.stdint cimport int64_t

from usnet.backends.sim.network cimport Network

from usnet.lab.scenario_ledger import Did, error_name

cdef object new_tuple = tuple.__new__


cdef class Doing:
    """Writes a call down in the ledger (and the digest) when it returns, and that it has not until then. Called with its result, if that is not 0. An
    OSError is its result, and goes no further."""
    cdef object ledger
    cdef Network network
    cdef tuple end
    cdef str call
    cdef object asked
    cdef object result
    cdef int64_t began

    def __init__(self, ledger, Network network not None, tuple end, str call, asked):
        self.ledger, self.network, self.end, self.call, self.asked = ledger, network, end, call, asked
        self.began = network.scheduler.s.now
        self.result = 0

    def __call__(self, result):
        self.result = result

    cdef object did(self, int64_t ended, object result):
        return new_tuple(Did, (self.end, self.call, self.asked, self.began, ended, result))

    def __enter__(self):
        self.ledger.pending[self.end] = self.did(self.began, "")
        return self

    def __exit__(self, kind, error, traceback):
        if error is not None:
            if not isinstance(error, OSError):
                return False                # the program was ended where it waits
            self.result = error_name(error)
        del self.ledger.pending[self.end]
        self.ledger.calls.append(self.did(self.network.scheduler.s.now, self.result))
        self.network.digest_update(repr((self.end[0], self.call, self.result)).encode())
        return True
