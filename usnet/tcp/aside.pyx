"""Rare things of a connection: where they are kept; marks and notes. Urgent data: tcp/urgent."""
from libc.errno cimport EAGAIN, ENOBUFS, ENOMEM
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset

from usnet.memory.arena cimport NONE, arena_free, arena_give, arena_init, arena_reset, arena_take
from usnet.memory.mapping cimport map_release, map_reserve, page_round
from usnet.tcp.state cimport tcp_state
from usnet.tcp.tables cimport tcp_notify
from usnet.tcp.tcb cimport TF_ASIDE, TF_MARKS, tcb
from usnet.wire.seq cimport seq_ge, seq_gt, seq_le

cdef enum:
    PER_CONNECTION = 4          # marks and notes, on average


cdef inline uint64_t map_bytes(const tcp_state *t) noexcept nogil:
    return page_round(<uint64_t>t.asides.capacity * sizeof(uint32_t))


cdef int asides_init(tcp_state *t, uint32_t max_connections) noexcept nogil:
    cdef uint32_t several = max_connections * PER_CONNECTION if max_connections < 1 << 28 else max_connections
    if (arena_init(&t.asides, sizeof(aside), max_connections, 8) or arena_init(&t.marks, sizeof(mark), several, 8)
            or arena_init(&t.notes, sizeof(note), several, 8)):
        return -ENOMEM
    t.aside_of = <uint32_t *>map_reserve(map_bytes(t))
    return -ENOMEM if t.aside_of == NULL else 0


cdef void asides_free(tcp_state *t) noexcept nogil:
    if t.aside_of != NULL:
        map_release(t.aside_of, map_bytes(t))
    arena_free(&t.asides)
    arena_free(&t.marks)
    arena_free(&t.notes)


cdef void asides_reset(tcp_state *t) noexcept nogil:
    """Before the connections go."""
    memset(t.aside_of, 0, t.records.used * sizeof(uint32_t))
    arena_reset(&t.asides)
    arena_reset(&t.marks)
    arena_reset(&t.notes)


cdef inline mark *mark_at(tcp_state *t, uint32_t i) noexcept nogil:
    return <mark *>arena_at(&t.marks, i)


cdef inline note *note_at(tcp_state *t, uint32_t i) noexcept nogil:
    return <note *>arena_at(&t.notes, i)


cdef aside *aside_need(tcp_state *t, tcb *k) noexcept nogil:
    cdef uint32_t i
    cdef aside *a
    if k.flags & TF_ASIDE:
        return aside_at(t, k)
    i = arena_take(&t.asides)
    if i == NONE:
        return NULL
    t.aside_of[k.id] = i + 1
    k.flags |= TF_ASIDE
    a = aside_at(t, k)
    memset(a, 0, sizeof(aside))
    a.peek_off = -1
    a.marks = a.last_mark = a.notes = a.last_note = NONE
    return a


cdef void aside_drop(tcp_state *t, tcb *k) noexcept nogil:
    cdef aside *a
    cdef uint32_t i
    if not k.flags & TF_ASIDE:
        return
    a = aside_at(t, k)
    while a.marks != NONE:
        i = a.marks
        a.marks = mark_at(t, i).next
        arena_give(&t.marks, i)
    while a.notes != NONE:
        i = a.notes
        a.notes = note_at(t, i).next
        arena_give(&t.notes, i)
    arena_give(&t.asides, t.aside_of[k.id] - 1)
    t.aside_of[k.id] = 0
    k.flags &= ~<uint32_t>(TF_ASIDE | TF_MARKS)


cdef void aside_inherit(tcp_state *t, tcb *k, const tcb *parent) noexcept nogil:
    cdef aside *a
    cdef const aside *of
    if not parent.flags & TF_ASIDE:
        return
    a = aside_need(t, k)
    if a == NULL:
        return
    of = aside_at(t, parent)
    a.notsent_lowat = of.notsent_lowat
    a.rcvlowat = of.rcvlowat
    a.window_clamp = of.window_clamp
    a.whole_rcvbuf = of.whole_rcvbuf
    a.stamps = of.stamps
    a.defer = of.defer
    a.syn_count = of.syn_count
    a.oob_inline = of.oob_inline
    a.stamp_base = k.iss + 1


cdef void aside_end(tcp_state *t, tcb *k) noexcept nogil:
    cdef aside *a = aside_if(t, k)
    cdef uint32_t i
    if a == NULL:
        return
    while a.marks != NONE:
        i = a.marks
        if mark_at(t, i).kind & MARK_ZEROCOPY:
            tell_copied(t, k, a, mark_at(t, i).key)
        a.marks = mark_at(t, i).next
        arena_give(&t.marks, i)
    a.last_mark = NONE
    settle(k, a)


cdef void settle(tcb *k, const aside *a) noexcept nogil:
    if a.marks == NONE and not a.sends_urgent:
        k.flags &= ~<uint32_t>TF_MARKS


# --- Notes ------------------------------------------------------------------------------------------------------------------

cdef note *add_note(tcp_state *t, tcb *k, aside *a) noexcept nogil:
    """NULL: there are too many, and this one is lost, as where a socket's buffer is full."""
    cdef uint32_t i = arena_take(&t.notes)
    if i == NONE:
        return NULL
    note_at(t, i).next = NONE
    if a.notes == NONE:
        a.notes = i
    else:
        note_at(t, a.last_note).next = i
    a.last_note = i
    return note_at(t, i)


cdef void tell_copied(tcp_state *t, tcb *k, aside *a, uint32_t number) noexcept nogil:
    """A zero-copy send is through. Its number joins the range of the last note, if it is the next."""
    cdef note *last = note_at(t, a.last_note) if a.notes != NONE else NULL
    if last == NULL or last.origin != ORIGIN_ZEROCOPY or last.data + 1 != number:
        last = add_note(t, k, a)
        if last == NULL:
            return
        last.origin = ORIGIN_ZEROCOPY
        last.time = 0
        last.info = number
    last.data = number
    a.told = 1
    tcp_notify(t, k)


cdef void tell_time(tcp_state *t, tcb *k, aside *a, const mark *m, uint32_t which, int64_t now) noexcept nogil:
    cdef note *n = add_note(t, k, a)
    if n == NULL:
        return
    n.origin = ORIGIN_TIMESTAMPING
    n.time = now
    n.info = which
    n.data = m.key if a.stamps & SOF_OPT_ID else 0
    a.told = 1
    tcp_notify(t, k)


cdef int note_take(tcp_state *t, uint32_t c, note *out) noexcept nogil:
    cdef uint32_t i
    cdef aside *a
    if t.aside_of[c] == 0:
        return -EAGAIN
    a = <aside *>arena_at(&t.asides, t.aside_of[c] - 1)
    i = a.notes
    if i == NONE:
        return -EAGAIN
    out[0] = note_at(t, i)[0]
    a.notes = out.next
    if a.notes == NONE:
        a.last_note = NONE
    arena_give(&t.notes, i)
    return 0


# --- Marks ------------------------------------------------------------------------------------------------------------------

cdef int mark_end(tcp_state *t, tcb *k, uint32_t kind, int64_t now) noexcept nogil:
    cdef aside *a = aside_need(t, k)
    cdef uint32_t i = arena_take(&t.marks) if a != NULL else NONE
    cdef mark *m
    if i == NONE:
        return -ENOBUFS
    m = mark_at(t, i)
    m.seq = k.snd_una + k.snd.span + (k.snd_una == k.iss)
    m.kind = <unsigned char>kind
    m.next = NONE
    m.key = m.seq - 1 - a.stamp_base
    if kind & MARK_ZEROCOPY:
        m.key = a.next_copy
        a.next_copy += 1
    if a.marks == NONE:
        a.marks = i
    else:
        mark_at(t, a.last_mark).next = i
    a.last_mark = i
    k.flags |= TF_MARKS
    if seq_ge(k.snd_nxt, m.seq):
        marks_sent(t, k, k.snd_nxt, now)
    marks_acked(t, k, now)
    return 0


cdef uint32_t marks_room(tcp_state *t, const tcb *k, uint32_t seq, uint32_t n) noexcept nogil:
    cdef const aside *a = aside_at(t, k)
    cdef uint32_t i = a.marks
    cdef const mark *m
    while i != NONE:
        m = mark_at(t, i)
        if m.kind & MARK_EOR and seq_gt(m.seq, seq):
            return n if m.seq - seq > n else m.seq - seq
        i = m.next
    return n


cdef bint marks_end_at(tcp_state *t, const tcb *k, uint32_t seq) noexcept nogil:
    cdef uint32_t i = aside_at(t, k).marks
    while i != NONE:
        if mark_at(t, i).seq == seq and mark_at(t, i).kind & MARK_EOR:
            return True
        i = mark_at(t, i).next
    return False


cdef void marks_sent(tcp_state *t, tcb *k, uint32_t seq, int64_t now) noexcept nogil:
    cdef aside *a = aside_at(t, k)
    cdef uint32_t i = a.marks
    cdef mark *m
    while i != NONE and seq_le(mark_at(t, i).seq, seq):
        m = mark_at(t, i)
        if m.kind & MARK_STAMP and not m.kind & MARK_SENT:
            m.kind |= MARK_SENT
            if a.stamps & SOF_TX_SCHED:
                tell_time(t, k, a, m, STAMP_SCHED, now)
            if a.stamps & SOF_TX_SOFTWARE:
                tell_time(t, k, a, m, STAMP_SND, now)
        i = m.next


cdef void marks_acked(tcp_state *t, tcb *k, int64_t now) noexcept nogil:
    cdef aside *a = aside_at(t, k)
    cdef uint32_t i
    cdef mark *m
    while a.marks != NONE and seq_le(mark_at(t, a.marks).seq, k.snd_una):
        i = a.marks
        m = mark_at(t, i)
        if m.kind & MARK_ZEROCOPY:
            tell_copied(t, k, a, m.key)
        if m.kind & MARK_STAMP and a.stamps & SOF_TX_ACK:
            tell_time(t, k, a, m, STAMP_ACK, now)
        a.marks = m.next
        arena_give(&t.marks, i)
    if a.marks == NONE:
        a.last_mark = NONE
    if a.sends_urgent and seq_le(a.snd_up, k.snd_una):
        a.sends_urgent = 0
    settle(k, a)
