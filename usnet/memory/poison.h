/* Free items of an arena, and free chunks, lie in one mapping with live ones, where AddressSanitizer cannot tell them apart by itself: it is told here.
   Without the sanitizer these are nothing. */
#ifndef USNET_MEMORY_POISON_H
#define USNET_MEMORY_POISON_H

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
