"""What a switch does for a frame between ports of unlike virtio-net headers: finishes checksums and cuts what carries several segments."""
from libc.stdint cimport uint32_t

from usnet.backends.netmap.standin.adapter cimport kring
from usnet.backends.netmap.standin.vale cimport fwd_slot, vale_port

# Moves the frame that begins at f, of f.frags slots, to slots [j, ..) of k, of which it may use `room`. How many it used: 0 for a frame that is
# dropped, whose slots may have been written to
cdef uint32_t offload_deliver(const vale_port *source, const vale_port *target, const fwd_slot *f, kring *k, uint32_t j, uint32_t room) noexcept nogil
