"""What all middleboxes share."""


cdef int middlebox_accept(void *ctx, uint32_t number, const uint8_t *p, uint32_t length, int64_t now) noexcept nogil:
    return 0


cdef class Middlebox:
    """Made by Network.middlebox(); the first link that ends at it is its inside, the second its outside."""

    def __cinit__(self, network, str name, *args, **options):
        self.network = network
        self.name = name

    cdef int add_port(self, link_dir *out) except -1:
        """Number of the end that sends into `out`."""
        if self.ends == 2:
            raise ValueError(f"{self.name}: a middlebox has two ends, and both have a link")
        self.out[self.ends] = out
        self.ends += 1
        return <int>self.ends - 1

    cdef void reset(self) noexcept:
        """As new, with the same links."""

    def statistics(self):
        """Its counters, as a dict."""
        return {}

    def __repr__(self):
        return f"<{type(self).__name__} {self.name}>"
