"""Private memory mappings: address space for a whole capacity, of which only what is touched becomes memory."""
from libc.stdint cimport uint64_t

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

cdef enum:
    PAGE_BYTES = 4096       # arrays that share a mapping start at multiples of it
    MADV_POPULATE_WRITE = 23    # Linux 5.14; C libraries do not all know it


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
    """Of n bytes at p, the start of a page: asks for huge pages, and for the first `touched` bytes to be there from now on. A system that does neither
    gives small pages, and gives them when they are first written."""
    if huge:
        madvise(p, n, MADV_HUGEPAGE)
    if touched:
        madvise(p, page_round(touched if touched < n else n), MADV_POPULATE_WRITE)
