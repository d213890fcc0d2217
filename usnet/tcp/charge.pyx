"""Send buffers by frames, as in Linux: a frame is begun while what is charged is less than the buffer, and then filled whatever it takes."""
from libc.stdint cimport uint32_t, uint64_t

from usnet.tcp.aside cimport aside, aside_at, marks_end_at, notsent_limit
from usnet.tcp.autotune cimport LOCK_SNDBUF
from usnet.tcp.state cimport tcp_state
from usnet.tcp.tables cimport tcp_notify
from usnet.tcp.tcb cimport TF_ASIDE, TF_MARKS, tcb

cdef enum:
    BURST_MOST = 65536                  # bytes of a large frame
    MOST = 65216                # bytes of a large frame: 65,536 less the headers
    SMALL_WINDOW = 536          # up to here the whole window counts
    LEAST_SEGMENTS = 10         # that a buffer holds twice over (RFC 6928)
    PER_SEGMENT = 640           # bytes of headers and bookkeeping
    PER_BUFFER = 256            # ... and of what describes them


cdef uint32_t charge_goal(const tcb *k) noexcept nogil:
    cdef uint32_t most = k.max_window // 2 if k.max_window > SMALL_WINDOW else k.max_window
    if most > MOST or most == 0:
        most = MOST
    return most - most % k.mss if most > k.mss else k.mss


cdef uint32_t charge_take(tcp_state *t, const tcb *k, aside *a, uint32_t n) noexcept nogil:
    cdef uint64_t unsent = k.snd.span - (k.snd_nxt - k.snd_una), limit
    cdef uint32_t goal = charge_goal(k)
    if unsent == 0:
        a.frame_left = 0                    # all that was begun has left
    elif unsent < goal and a.frame_left < goal - unsent and not (k.flags & TF_MARKS and marks_end_at(t, k, k.snd_una + k.snd.span)):
        a.frame_left = goal - <uint32_t>unsent      # ... or the front of the last
    if a.frame_left == 0:
        limit = notsent_limit(t, k)
        if charge_of(t, k, a) >= k.sndbuf or (limit and unsent >= limit):
            return 0
        a.frame_left = goal
    if n > a.frame_left:
        n = a.frame_left
    a.frame_left -= n
    return n


cdef uint32_t charge_frame(tcp_state *t, const tcb *k) noexcept nogil:
    cdef uint32_t goal = charge_goal(k), unsent = k.snd.span - (k.snd_nxt - k.snd_una), last = goal - aside_at(t, k).frame_left
    if unsent <= last or aside_at(t, k).frame_left > goal:
        return unsent
    return (unsent - last) % goal if (unsent - last) % goal else goal


cdef void charge_grow(tcp_state *t, tcb *k) noexcept nogil:
    cdef uint32_t each = 1, segments = k.cc.cwnd // k.mss
    cdef uint64_t wanted
    if not k.flags & TF_ASIDE or k.locked & LOCK_SNDBUF or k.snd_max - k.snd_una >= k.cc.cwnd:
        return
    while each < k.mss + PER_SEGMENT:
        each *= 2
    if segments < LEAST_SEGMENTS:
        segments = LEAST_SEGMENTS
    wanted = 2 * <uint64_t>segments * (each + PER_BUFFER)
    if wanted > t.config.sndbuf_most:
        wanted = t.config.sndbuf_most
    if wanted > k.sndbuf:
        k.sndbuf = <uint32_t>wanted
        tcp_notify(t, k)                    # it may be writable now


cdef uint32_t charge_burst_end(tcp_state *t, const tcb *k, uint32_t room) noexcept nogil:
    """Of `room` bytes behind snd_nxt that may leave now: where the first of Linux's large frames would end, which has at most half of cwnd, what a
    millisecond brings at the pace of cwnd and, on short ways, more, and never fewer than push_bursts segments. snd_nxt: there would be none."""
    cdef uint64_t segments = k.cc.cwnd // k.mss // 2, rtt = <uint64_t>k.srtt // 1000
    cdef uint64_t bytes_ = BURST_MOST
    cdef uint64_t shift = <uint64_t>k.min_rtt // 512000
    if rtt:
        bytes_ = <uint64_t>k.cc.cwnd * (2000 if k.cc.cwnd < k.cc.ssthresh // 2 else 1200) // rtt
        if shift < 32:
            bytes_ += BURST_MOST >> shift
        if bytes_ > BURST_MOST:
            bytes_ = BURST_MOST
    bytes_ //= k.mss
    if bytes_ < t.config.push_bursts:
        bytes_ = t.config.push_bursts
    if bytes_ < segments:
        segments = bytes_
    if t.config.charged_buffers and k.flags & TF_ASIDE:
        room = min(room, charge_frame(t, k))
    if room // k.mss < segments:
        segments = room // k.mss
    return k.snd_nxt + <uint32_t>segments * k.mss if segments > 1 else k.snd_nxt
