"""Tells callgrind what to count. Without callgrind each call is nothing."""

cdef extern from *:
    """
    #include <valgrind/callgrind.h>
    static void counting_start(void) { CALLGRIND_START_INSTRUMENTATION; CALLGRIND_ZERO_STATS; }
    static void counting_stop(const char *name) { CALLGRIND_DUMP_STATS_AT(name); CALLGRIND_STOP_INSTRUMENTATION; }
    """
    void counting_start()
    void counting_stop(const char *name)


def start():
    """From here on."""
    counting_start()


def stop(name):
    """To here: a file is written, which says `name`."""
    counting_stop(name.encode())
