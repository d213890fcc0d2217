"""What AddressSanitizer is told about memory that is free inside a mapping; nothing in other builds."""

cdef extern from "poison.h" nogil:
    void poison "usnet_poison" (void *p, size_t n)          # whoever reads or writes it from now on is reported; whole groups of 8 bytes only
    void unpoison "usnet_unpoison" (void *p, size_t n)
    bint poisons "usnet_poisons" ()                         # whether this build does
