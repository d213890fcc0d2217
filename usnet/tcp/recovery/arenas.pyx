"""Arenas of scoreboards, times of sending and trials."""
from libc.errno cimport ENOMEM
from libc.stdint cimport uint32_t

from usnet.memory.arena cimport NONE, arena_free, arena_give, arena_init, arena_reset
from usnet.tcp.recovery.flight cimport flight, flight_give
from usnet.tcp.recovery.scoreboard cimport scoreboard
from usnet.tcp.recovery.trial cimport trial, trial_end


cdef int recovery_init(tcp_state *t, uint32_t max_connections) noexcept nogil:
    return -ENOMEM if (arena_init(&t.boards, sizeof(scoreboard), max_connections, 8) or arena_init(&t.flights, sizeof(flight), max_connections, 8)
                       or arena_init(&t.trials, sizeof(trial), max_connections, 8)) else 0


cdef void recovery_free(tcp_state *t) noexcept nogil:
    arena_free(&t.boards)
    arena_free(&t.flights)
    arena_free(&t.trials)


cdef void recovery_reset(tcp_state *t) noexcept nogil:
    arena_reset(&t.boards)
    arena_reset(&t.flights)
    arena_reset(&t.trials)


cdef void recovery_drop(tcp_state *t, tcb *k) noexcept nogil:
    if k.board != NONE:
        arena_give(&t.boards, k.board)
        k.board = NONE
    flight_give(t, k)
    trial_end(t, k)
