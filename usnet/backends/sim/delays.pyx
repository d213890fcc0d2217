"""Delays by chance. The tables (quantiles.h, written by tests/sim/quantiles.py) hold quantiles at each 1024th; between them lines are drawn."""
from libc.stdint cimport int32_t

from usnet.backends.keyed cimport keyed_below

cdef extern from "quantiles.h" nogil:
    const int32_t usnet_quantiles_normal[1025]
    const int32_t usnet_quantiles_pareto[1025]
    const int32_t usnet_quantiles_paretonormal[1025]

cdef enum:
    POINT = 16                  # bits of a quantile behind the point


cdef int64_t quantile(const int32_t *table, uint64_t draw, int64_t spread) noexcept nogil:
    cdef uint32_t i = <uint32_t>(draw >> 54)
    cdef int64_t part = <int64_t><uint32_t>(draw >> 22)
    cdef int64_t value = <int64_t>table[i] * (1 << POINT) + ((<int64_t>(table[i + 1] - table[i]) * part) >> (32 - POINT))
    cdef int64_t whole = spread // 65536
    return (whole * value >> POINT) + ((spread - whole * 65536) * value >> (2 * POINT))


cdef int64_t delays_of(const delays *m, uint64_t draw, uint64_t index) noexcept nogil:
    if m.kind == DELAYS_TRACE:
        return m.values[index % m.n]
    if m.kind == DELAYS_UNIFORM:
        return <int64_t>keyed_below(draw, 2 * <uint64_t>m.spread + 1) - m.spread
    if m.kind == DELAYS_NORMAL:
        return quantile(usnet_quantiles_normal, draw, m.spread)
    if m.kind == DELAYS_PARETO:
        return quantile(usnet_quantiles_pareto, draw, m.spread)
    return quantile(usnet_quantiles_paretonormal, draw, m.spread)
