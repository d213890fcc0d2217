"""What AddressSanitizer is told about memory that is free inside a mapping, where it cannot tell free items from live ones by itself; nothing in other
builds."""

cdef extern from *:
    """
    #ifndef USNET_MEMORY_POISON
    #define USNET_MEMORY_POISON
    #if defined(__SANITIZE_ADDRESS__)
    #define USNET_ASAN 1
    #elif defined(__has_feature)
    #if __has_feature(address_sanitizer)
    #define USNET_ASAN 1
    #endif
    #endif

    #ifdef USNET_ASAN
    #include <sanitizer/asan_interface.h>
    #define usnet_poison(p, n) __asan_poison_memory_region((p), (n))
    #define usnet_unpoison(p, n) __asan_unpoison_memory_region((p), (n))
    #define usnet_poisons() 1
    #else
    #define usnet_poison(p, n) ((void)(p), (void)(n))
    #define usnet_unpoison(p, n) ((void)(p), (void)(n))
    #define usnet_poisons() 0
    #endif
    #endif
    """
    void poison "usnet_poison" (void *p, size_t n) noexcept nogil       # whoever reads or writes it from now on is reported; whole groups of 8 bytes only
    void unpoison "usnet_unpoison" (void *p, size_t n) noexcept nogil
    bint poisons "usnet_poisons" () noexcept nogil                      # whether this build does
