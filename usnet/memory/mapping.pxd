"""Private memory mappings: address space for a whole capacity, of which only what is touched becomes memory."""
from libc.stdint cimport uint8_t, uint64_t

cdef extern from "<sys/mman.h>" nogil:
    void *mmap(void *addr, size_t length, int prot, int flags, int fd, long offset)
    int munmap(void *addr, size_t length)
    int madvise(void *addr, size_t length, int advice)
    enum: MADV_HUGEPAGE
    enum: PROT_READ
    enum: PROT_WRITE
    enum: MAP_PRIVATE
    enum: MAP_ANONYMOUS
    enum: MAP_NORESERVE
    void *MAP_FAILED

ctypedef uint8_t volatile_byte "volatile uint8_t"

cdef enum:
    PAGE_BYTES = 4096       # arrays that share a mapping start at multiples of it


cdef inline uint64_t page_round(uint64_t n) noexcept nogil:
    """n rounded up to whole pages, at least one."""
    return (n + PAGE_BYTES - 1) // PAGE_BYTES * PAGE_BYTES if n else PAGE_BYTES


cdef inline void *map_reserve(uint64_t n) noexcept nogil:
    """n bytes that read as zero, aligned to a page; NULL when the system refuses."""
    cdef void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    return NULL if p == MAP_FAILED else p


cdef inline void map_release(void *p, uint64_t n) noexcept nogil:
    if p != NULL:
        munmap(p, n)


cdef inline void map_settle(void *p, uint64_t n, bint huge, uint64_t touched) noexcept nogil:
    """Asks for huge pages, where the system allows them, and takes memory for the first `touched` of n bytes at p now. All of it reads as before."""
    cdef uint64_t at = 0
    if huge:
        madvise(p, n, MADV_HUGEPAGE)        # a wish: without it pages are small
    while at < touched and at < n:
        (<volatile_byte *>p)[at] = (<volatile_byte *>p)[at]
        at += PAGE_BYTES
