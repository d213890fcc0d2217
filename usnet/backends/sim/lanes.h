/* The long part of a feed of the digest: sixteen lanes of 64 bits, which do not wait for each other. Cython cannot say vectors; one body serves each width that
   the processor may have, and which one runs is decided at run time (sim/digest). All of them give the same.

   A lane takes a word of the stripe with an addition, a shift with exclusive or, and a shift with addition: each is a bijection of the lane for a given word, and of the word
   for a given lane. The last stripe ends where the bytes end, and overlaps the one before. */
#ifndef USNET_SIM_LANES_H
#define USNET_SIM_LANES_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define USNET_STRIPE 128

/* `n`: at least one stripe. `out`: what the lanes have in the end, the second eight taken into the first. */
typedef void (*usnet_lanes_fn)(const uint8_t *p, size_t n, uint64_t out[8]);

/* Where the lanes begin: the fractional parts of the square roots of the first sixteen odd primes. */
static const uint64_t usnet_lanes_start[16] = {
    0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1, 0x510e527fade682d1,
    0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179, 0xcbbb9d5dc1059ed8,
    0x629a292a367cd507, 0x9159015a3070dd17, 0x152fecd8f70e5939, 0x67332667ffc00b31,
    0x8eb44a8768581511, 0xdb0c2e0d64f98fa7, 0x47b5481dbefa4fa4, 0xae5f9156e7b6d99b,
};

static void usnet_lanes_scalar(const uint8_t *p, size_t n, uint64_t out[8])
{
    uint64_t lane[16], word;
    const uint8_t *last = p + n - USNET_STRIPE;
    memcpy(lane, usnet_lanes_start, sizeof lane);
    for (;; p = p + USNET_STRIPE < last ? p + USNET_STRIPE : last) {
        for (int i = 0; i < 16; i++) {
            memcpy(&word, p + 8 * i, 8);
            lane[i] += le64toh(word);
            lane[i] ^= lane[i] >> 29;
            lane[i] += lane[i] << 17;
        }
        if (p == last)
            break;
    }
    for (int i = 0; i < 8; i++) {
        lane[i] += lane[i + 8];
        lane[i] ^= lane[i] >> 29;
        out[i] = lane[i] + (lane[i] << 17);
    }
}

#define USNET_LANES_WIDTH(bits, target)                                                                            \
    typedef uint64_t usnet_lane##bits __attribute__((vector_size(bits / 8)));                                      \
    target static inline usnet_lane##bits usnet_lane_step##bits(usnet_lane##bits lane, usnet_lane##bits word)      \
    {                                                                                                              \
        lane += word;                                                                                              \
        lane ^= lane >> 29;                                                                                        \
        return lane + (lane << 17);                                                                                \
    }                                                                                                              \
    target static void usnet_lanes##bits(const uint8_t *p, size_t n, uint64_t out[8])                              \
    {                                                                                                              \
        enum { VECTORS = 1024 / bits };                                                                            \
        usnet_lane##bits lane[VECTORS], word;                                                                      \
        const uint8_t *last = p + n - USNET_STRIPE;                                                                \
        for (int i = 0; i < VECTORS; i++)                                                                          \
            memcpy(&lane[i], usnet_lanes_start + i * (bits / 64), bits / 8);                                       \
        for (;; p = p + USNET_STRIPE < last ? p + USNET_STRIPE : last) {                                           \
            for (int i = 0; i < VECTORS; i++) {                                                                    \
                memcpy(&word, p + i * (bits / 8), bits / 8);                                                       \
                lane[i] = usnet_lane_step##bits(lane[i], word);                                                    \
            }                                                                                                      \
            if (p == last)                                                                                         \
                break;                                                                                             \
        }                                                                                                          \
        for (int i = 0; i < VECTORS / 2; i++)                                                                      \
            lane[i] = usnet_lane_step##bits(lane[i], lane[i + VECTORS / 2]);                                       \
        for (int i = 0; i < VECTORS / 2; i++)                                                                      \
            memcpy(out + i * (bits / 64), &lane[i], bits / 8);                                                     \
    }

#if defined(__GNUC__) && __BYTE_ORDER == __LITTLE_ENDIAN
#define USNET_LANES_VECTORS 1
USNET_LANES_WIDTH(128, )
#if defined(__x86_64__)
USNET_LANES_WIDTH(256, __attribute__((target("avx2"))))
USNET_LANES_WIDTH(512, __attribute__((target("avx512f"))))
#endif
#endif

struct usnet_lanes {
    const char *name;
    usnet_lanes_fn run;
};

/* The widths that this processor has, the best one last: how many. */
static int usnet_lanes_widths(struct usnet_lanes out[4])
{
    int n = 0;
    out[n++] = (struct usnet_lanes){"scalar", usnet_lanes_scalar};
#if defined(USNET_LANES_VECTORS)
    out[n++] = (struct usnet_lanes){"128 bits", usnet_lanes128};
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2"))
        out[n++] = (struct usnet_lanes){"256 bits", usnet_lanes256};
    if (__builtin_cpu_supports("avx512f"))
        out[n++] = (struct usnet_lanes){"512 bits", usnet_lanes512};
#endif
#endif
    return n;
}
#endif
