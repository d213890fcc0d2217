"""netmap's control calls, whichever of its two interfaces the kernel has: NIOCCTRL (API 14 and 15) or NIOCREGIF (11 to 13)."""
from libc.stdint cimport uint16_t, uint32_t

from usnet.backends.netmap.abi cimport nmreq_header, nmreq_legacy, nmreq_option, nmreq_register
from usnet.backends.netmap.device cimport Device

cdef enum:
    NETMAP_BDG_HOST = 1         # nmreq_legacy.nr_arg1
    LEGACY_VNET_HDR_GET = 12    # nmreq_legacy.nr_cmd

# A request ready to be made. `name` is cut at 63 bytes
cdef void nm_header(nmreq_header *h, int kind, const char *name, void *body, nmreq_option *options) noexcept nogil
# Makes it, with version 14 or, where the kernel takes that no more, 15: h.nr_version says which. 0 or -errno; -ENOSYS: the kernel knows no NIOCCTRL
cdef int nm_control(Device device, int fd, nmreq_header *h) noexcept nogil
# Registers: by NIOCCTRL, else by NIOCREGIF with versions 13 to 11. version[0]: what it was answered with. 0 or -errno.
# With the old call: no names over 15 bytes, no options (-EOPNOTSUPP), one pair of host rings, pipes with numbers for names
cdef int nm_register(Device device, int fd, const char *name, nmreq_register *body, nmreq_option *options, uint32_t *version) noexcept nogil
# Bytes of virtio-net header of the port; 0 where the kernel cannot tell. 0 or -errno
cdef int nm_port_hdr(Device device, int fd, const char *name, uint32_t version, uint32_t *length) noexcept nogil
# The device to use where none is given: the kernel's
cdef Device kernel()
