/* Sums of 32-bit words of this machine, with and without a copy on the way: what Cython cannot say, vectors. One body serves each width that the
   processor may have; which one runs is decided at run time (wire/checksum). Sums count modulo 0xffff, as the Internet checksum does: a 16-bit word may
   be added to either half.

   A lane adds whole 64-bit words, whose carries are lost, and apart from them their upper halves, which cannot overflow. What the lower halves add up to
   follows from these two modulo 2^64, and is less than that. It takes one shift and two additions a vector. */
#ifndef USNET_WIRE_SUM_H
#define USNET_WIRE_SUM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint64_t (*usnet_sum_fn)(const uint8_t *p, size_t n);
typedef uint64_t (*usnet_sum_copy_fn)(uint8_t *dst, const uint8_t *src, size_t n);

static inline uint64_t usnet_sum_tail(const uint8_t *p, size_t n)
{
    uint64_t total = 0, eight;
    uint32_t word;
    uint16_t half;
    uint8_t last[2] = {0, 0};
    for (; n >= 8; p += 8, n -= 8) {
        memcpy(&eight, p, 8);
        total += (uint32_t)eight + (eight >> 32);
    }
    if (n & 4) {
        memcpy(&word, p, 4);
        total += word;
        p += 4;
    }
    if (n & 2) {
        memcpy(&half, p, 2);
        total += half;
        p += 2;
    }
    if (n & 1) {
        last[0] = *p;
        memcpy(&half, last, 2);
        total += half;
    }
    return total;
}

/* The same with a copy; no more than a vector. */
static inline uint64_t usnet_sum_copy_tail(uint8_t *dst, const uint8_t *src, size_t n)
{
    uint64_t total = 0, eight;
    for (; n >= 8; src += 8, dst += 8, n -= 8) {
        memcpy(&eight, src, 8);
        memcpy(dst, &eight, 8);
        total += (uint32_t)eight + (eight >> 32);
    }
    if (n & 4)
        memcpy(dst, src, 4);
    if (n & 2)
        memcpy(dst + (n & 4), src + (n & 4), 2);
    if (n & 1)
        dst[n - 1] = src[n - 1];
    return total + usnet_sum_tail(src, n);
}

/* The twin without vectors. */
static uint64_t usnet_sum_scalar(const uint8_t *p, size_t n)
{
    return usnet_sum_tail(p, n);
}

static uint64_t usnet_sum_copy_scalar(uint8_t *dst, const uint8_t *src, size_t n)
{
    memcpy(dst, src, n);
    return usnet_sum_tail(src, n);
}

#define USNET_SUM_WIDTH(width, bytes, target)                                                            \
    typedef uint64_t usnet_vec##width __attribute__((vector_size(bytes)));                               \
    target static inline uint64_t usnet_lanes##width(usnet_vec##width whole, usnet_vec##width upper)     \
    {                                                                                                    \
        usnet_vec##width lower = whole - (upper << 32);                                                  \
        uint64_t total = 0;                                                                              \
        for (int i = 0; i < bytes / 8; i++)                                                              \
            total += lower[i] + upper[i];                                                                \
        return total;                                                                                    \
    }                                                                                                    \
    target static uint64_t usnet_sum##width(const uint8_t *p, size_t n)                                  \
    {                                                                                                    \
        usnet_vec##width a, b, c, d, whole = {0}, upper = {0};                                           \
        for (; n >= 4 * bytes; p += 4 * bytes, n -= 4 * bytes) {                                         \
            memcpy(&a, p, bytes);                                                                        \
            memcpy(&b, p + bytes, bytes);                                                                \
            memcpy(&c, p + 2 * bytes, bytes);                                                            \
            memcpy(&d, p + 3 * bytes, bytes);                                                            \
            whole += a + b + c + d;                                                                      \
            upper += (a >> 32) + (b >> 32) + (c >> 32) + (d >> 32);                                      \
        }                                                                                                \
        for (; n >= bytes; p += bytes, n -= bytes) {                                                     \
            memcpy(&a, p, bytes);                                                                        \
            whole += a;                                                                                  \
            upper += a >> 32;                                                                            \
        }                                                                                                \
        return usnet_lanes##width(whole, upper) + usnet_sum_tail(p, n);                                  \
    }                                                                                                    \
    target static uint64_t usnet_sum_copy##width(uint8_t *dst, const uint8_t *src, size_t n)             \
    {                                                                                                    \
        usnet_vec##width a, b, c, d, whole = {0}, upper = {0};                                           \
        for (; n >= 4 * bytes; src += 4 * bytes, dst += 4 * bytes, n -= 4 * bytes) {                     \
            memcpy(&a, src, bytes);                                                                      \
            memcpy(&b, src + bytes, bytes);                                                              \
            memcpy(&c, src + 2 * bytes, bytes);                                                          \
            memcpy(&d, src + 3 * bytes, bytes);                                                          \
            memcpy(dst, &a, bytes);                                                                      \
            memcpy(dst + bytes, &b, bytes);                                                              \
            memcpy(dst + 2 * bytes, &c, bytes);                                                          \
            memcpy(dst + 3 * bytes, &d, bytes);                                                          \
            whole += a + b + c + d;                                                                      \
            upper += (a >> 32) + (b >> 32) + (c >> 32) + (d >> 32);                                      \
        }                                                                                                \
        for (; n >= bytes; src += bytes, dst += bytes, n -= bytes) {                                     \
            memcpy(&a, src, bytes);                                                                      \
            memcpy(dst, &a, bytes);                                                                      \
            whole += a;                                                                                  \
            upper += a >> 32;                                                                            \
        }                                                                                                \
        return usnet_lanes##width(whole, upper) + usnet_sum_copy_tail(dst, src, n);                      \
    }

USNET_SUM_WIDTH(16, 16, )
#if defined(__x86_64__) && defined(__GNUC__)
USNET_SUM_WIDTH(32, 32, __attribute__((target("avx2"))))
USNET_SUM_WIDTH(64, 64, __attribute__((target("avx512f"))))
#endif

struct usnet_sums {
    const char *name;
    usnet_sum_fn sum;
    usnet_sum_copy_fn copy;
};

/* The widths that this processor has, the best one last: how many. */
static int usnet_sum_widths(struct usnet_sums *out)
{
    int n = 0;
    out[n++] = (struct usnet_sums){"scalar", usnet_sum_scalar, usnet_sum_copy_scalar};
    out[n++] = (struct usnet_sums){"128 bits", usnet_sum16, usnet_sum_copy16};
#if defined(__x86_64__) && defined(__GNUC__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2"))
        out[n++] = (struct usnet_sums){"256 bits", usnet_sum32, usnet_sum_copy32};
    if (__builtin_cpu_supports("avx512f"))
        out[n++] = (struct usnet_sums){"512 bits", usnet_sum64, usnet_sum_copy64};
#endif
    return n;
}
#endif
