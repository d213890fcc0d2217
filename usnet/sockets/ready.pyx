"""Readiness: who is told what, and when.

A level-triggered registration goes back to the end of its ready list for as long as it stays ready, so those with
little to say are not starved by one that always has something. An edge-triggered one is told of what is new: a bit that
was not set at the last news, or more to read than then.
"""
from libc.errno cimport EBADF, EEXIST, EINVAL, ELOOP, ENOENT, ENOMEM, ENOSPC
from libc.stdint cimport uint32_t, uint64_t

from usnet.ip.state cimport READY_ERR, READY_HUP, READY_IN, READY_OUT, READY_RDHUP
from usnet.ip.udp cimport udp_pcb, udp_ready
from usnet.memory.arena cimport NONE, arena_at, arena_give, arena_take
from usnet.memory.idset cimport idset, idset_peek, idset_pop
from usnet.memory.prefetch cimport PREFETCH_FROM, prefetch
from usnet.sockets.table cimport (
    KIND_EPOLL, KIND_TCP, KIND_UDP, SF_SHUT_RD, SF_SHUT_WR, ep, ep_at, ep_item, fd_give, fd_take, item_at, net,
    sock, sock_at, waiter, waiter_at,
)
from usnet.tcp.calls cimport tcb_ready, tcp_ready
from usnet.tcp.rare cimport rare_news
from usnet.tcp.state cimport listener_at, record_at, tcb_awake
from usnet.tcp.tcb cimport TCPS_LISTEN, tcb

cdef enum:
    NEWS_MOST = 64              # descriptors whose state is asked for at once
    # beside which events EXCLUSIVE may stand
    EXCLUSIVE_MAY = READY_IN | READY_OUT | READY_ERR | READY_HUP | EV_ET | EV_EXCLUSIVE


cdef uint32_t other_ready(net *n, const sock *so) noexcept nogil:
    """What is not TCP's."""
    cdef uint32_t bits
    if so.kind == KIND_UDP:
        bits = udp_ready(&n.s.ip, so.pcb)
        if so.flags & SF_SHUT_RD:
            bits |= READY_IN | READY_RDHUP
            if so.flags & SF_SHUT_WR:
                bits |= READY_HUP
        return bits
    if so.kind == KIND_EPOLL:
        return READY_IN if ep_has_ready(n, so.pcb) else 0
    return 0


cdef inline uint32_t sock_ready(net *n, const sock *so) noexcept nogil:
    return tcp_ready(&n.s.tcp, so.pcb) if so.kind == KIND_TCP else other_ready(n, so)


cdef uint32_t fd_ready(net *n, uint32_t fd) noexcept nogil:
    return sock_ready(n, &n.socks[fd])


cdef uint32_t read_mark(net *n, const sock *so) noexcept nogil:
    """A number that changes when more can be read than before (sock.mark)."""
    cdef const tcb *c
    if so.kind == KIND_TCP:
        c = tcb_awake(&n.s.tcp, so.pcb)
        if c == NULL:
            return record_at(&n.s.tcp, so.pcb).rcv_nxt
        if c.state == TCPS_LISTEN and c.listener != NONE:
            return listener_at(&n.s.tcp, c.listener).n_ready
        return c.rcv_nxt
    return (<udp_pcb *>arena_at(&n.s.ip.udp, so.pcb)).n_queued if so.kind == KIND_UDP else 0


cdef inline uint32_t wanted(uint32_t events) noexcept nogil:
    """The READY_* that a registration is told of. One that ONESHOT has switched off is told of nothing."""
    cdef uint32_t mask = events & ~<uint32_t>(EV_PRIVATE | EV_QUEUED)
    if events & EV_OFF:
        return 0
    if mask & EV_RDNORM:
        mask |= READY_IN
    if mask & EV_WRNORM:
        mask |= READY_OUT
    return mask | READY_ERR | READY_HUP


cdef inline uint32_t told(uint32_t ready, uint32_t events) noexcept nogil:
    """What ep_wait says: the ready bits that are wanted, under the names that were asked for."""
    cdef uint32_t out
    if not events & (EV_OFF | EV_RDNORM | EV_WRNORM):
        return ready & (events | READY_ERR | READY_HUP)
    out = ready & wanted(events)
    if out & READY_IN:
        out = (out & ~<uint32_t>READY_IN) | (events & (READY_IN | EV_RDNORM))
    if out & READY_OUT:
        out = (out & ~<uint32_t>READY_OUT) | (events & (READY_OUT | EV_WRNORM))
    return out


# --- news ---

cdef void news_warm(net *n) noexcept nogil:
    """The next descriptors with news, and their registrations, into the cache side by side."""
    cdef idset *q = &n.s.notify
    cdef uint32_t i, most = q.count if q.count < NEWS_MOST else NEWS_MOST, registration
    for i in range(most):
        prefetch(&n.socks[idset_peek(q, i)])
    for i in range(most):
        registration = n.socks[idset_peek(q, i)].items
        if registration != NONE:
            prefetch(item_at(n, registration))


cdef void news_drain(net *n) noexcept nogil:
    cdef uint32_t fd, near = 0
    while True:
        if near == 0 and n.n_socks >= PREFETCH_FROM:
            news_warm(n)
            near = NEWS_MOST
        near -= 1
        fd = idset_pop(&n.s.notify)
        if fd == NONE:
            break
        news_of(n, fd)


cdef void news_of(net *n, uint32_t fd) noexcept nogil:
    cdef sock *so = sock_at(n, <int>fd)
    cdef uint32_t ready, fresh, mark, i
    cdef ep_item *item
    cdef const tcb *c
    if so == NULL or so.kind == KIND_EPOLL:     # an instance's news come with item_ready
        return                                  # closed since; the number may be another's by now
    if so.items == NONE and so.waiters == NONE:
        return                                  # nobody asks; whoever comes later looks for himself
    c = tcb_awake(&n.s.tcp, so.pcb) if so.kind == KIND_TCP else NULL
    if c != NULL and c.state != TCPS_LISTEN:
        ready = tcb_ready(&n.s.tcp, c)
        mark = c.rcv_nxt
    else:
        ready = sock_ready(n, so)
        mark = read_mark(n, so)
    fresh = ready & ~<uint32_t>so.seen
    if mark != so.mark:
        fresh |= ready & READY_IN
    if fresh & (READY_RDHUP | READY_HUP | READY_ERR) or (ready & READY_ERR and so.kind == KIND_TCP and rare_news(&n.s.tcp, so.pcb)):
        fresh = ready                           # Linux tells everybody when a connection's state changes
    so.mark = mark
    so.seen = <unsigned short>ready
    i = so.items
    while i != NONE:
        item = item_at(n, i)
        if fresh & wanted(item.events):
            item_ready(n, i)
            if item.events & EV_EXCLUSIVE and sleeper(n, item.ep):
                break                           # one of those that share it is enough; they stand behind all others
        elif ready & wanted(item.events) and not item.events & EV_ET:
            ready_append(n, i)                  # nothing new, but it holds
            wake(n, &n.socks[ep_at(n, item.ep).fd], READY_IN)
        i = item.sock_next
    if so.waiters != NONE:
        wake(n, so, ready)


cdef bint sleeper(net *n, uint32_t ep_index) noexcept nogil:
    """Whether a program sleeps in that instance."""
    return n.socks[ep_at(n, ep_index).fd].waiters != NONE


cdef inline void item_ready(net *n, uint32_t i) noexcept nogil:
    """A registration has something to tell: its instance does then, and those that the instance is registered in."""
    cdef uint32_t fd = ep_at(n, item_at(n, i).ep).fd
    ready_append(n, i)
    if n.socks[fd].waiters != NONE or n.socks[fd].items != NONE:
        instance_ready(n, fd)


cdef void instance_ready(net *n, uint32_t fd) noexcept nogil:
    cdef uint32_t outer = n.socks[fd].items
    cdef ep_item *item
    wake(n, &n.socks[fd], READY_IN)
    while outer != NONE:
        item = item_at(n, outer)
        if READY_IN & wanted(item.events):
            item_ready(n, outer)                # at most EP_DEPTH deep
        outer = item.sock_next


cdef void news_used(net *n, uint32_t fd, uint32_t bits) noexcept nogil:
    cdef sock *so = &n.socks[fd]
    if bits & ~sock_ready(n, so):
        so.seen &= <unsigned short>~bits


cdef void wake(net *n, sock *so, uint32_t ready) noexcept nogil:
    cdef uint32_t i = so.waiters
    cdef waiter *w
    while i != NONE:
        w = waiter_at(n, i)
        if not w.woken and w.mask and ready & (w.mask | READY_ERR | READY_HUP):
            w.woken = 1
            n.n_woken += 1
        i = w.next


cdef void waiters_wake(net *n, uint32_t fd) noexcept nogil:
    cdef uint32_t i = n.socks[fd].waiters
    while i != NONE:
        if not waiter_at(n, i).woken:
            waiter_at(n, i).woken = 1
            n.n_woken += 1
        i = waiter_at(n, i).next


cdef uint32_t waiter_add(net *n, uint32_t fd, uint32_t mask) noexcept nogil:
    cdef uint32_t i = arena_take(&n.waiters)
    cdef waiter *w
    if i == NONE:
        return NONE
    w = waiter_at(n, i)
    w.fd = fd
    w.mask = mask
    w.next = n.socks[fd].waiters
    n.socks[fd].waiters = i
    if mask == 0:
        n.n_any += 1
    return i


cdef void waiter_drop(net *n, uint32_t w) noexcept nogil:
    cdef waiter *me = waiter_at(n, w)
    cdef uint32_t *link
    if me.woken:
        n.n_woken -= 1
    if me.mask == 0:
        n.n_any -= 1
    if me.fd != NONE:
        link = &n.socks[me.fd].waiters
        while link[0] != w:
            link = &waiter_at(n, link[0]).next
        link[0] = me.next
    arena_give(&n.waiters, w)


# --- ready lists ---

cdef inline void ready_append(net *n, uint32_t i) noexcept nogil:
    cdef ep_item *item = item_at(n, i)
    cdef ep *e = ep_at(n, item.ep)
    if item.events & EV_QUEUED:
        return
    item.events |= EV_QUEUED
    item.ready_next = NONE
    item.ready_prev = e.ready_tail
    if e.ready_tail == NONE:
        e.ready_head = i
    else:
        item_at(n, e.ready_tail).ready_next = i
    e.ready_tail = i
    e.n_ready += 1


cdef inline void ready_remove(net *n, uint32_t i) noexcept nogil:
    cdef ep_item *item = item_at(n, i)
    cdef ep *e = ep_at(n, item.ep)
    if not item.events & EV_QUEUED:
        return
    item.events &= ~<uint32_t>EV_QUEUED
    if item.ready_prev == NONE:
        e.ready_head = item.ready_next
    else:
        item_at(n, item.ready_prev).ready_next = item.ready_next
    if item.ready_next == NONE:
        e.ready_tail = item.ready_prev
    else:
        item_at(n, item.ready_next).ready_prev = item.ready_prev
    e.n_ready -= 1


cdef bint ep_has_ready(net *n, uint32_t ep_index) noexcept nogil:
    """Drops entries from the front that are ready no longer, as epoll's own poll does."""
    cdef ep *e = ep_at(n, ep_index)
    cdef ep_item *item
    while e.ready_head != NONE:
        item = item_at(n, e.ready_head)
        if told(fd_ready(n, item.fd), item.events):
            return True
        ready_remove(n, e.ready_head)
    return False


# --- the instance ---

cdef int ep_create(net *n) noexcept nogil:
    cdef int fd = fd_take(n, KIND_EPOLL)
    cdef uint32_t i
    cdef ep *e
    if fd < 0:
        return fd
    i = arena_take(&n.epolls)
    if i == NONE:
        fd_give(n, fd)
        return -ENOMEM
    e = ep_at(n, i)
    e.fd = fd
    e.items = NONE
    e.ready_head = e.ready_tail = NONE
    n.socks[fd].pcb = i
    return fd


cdef void item_free(net *n, uint32_t i) noexcept nogil:
    """Takes a registration out of its three lists."""
    cdef ep_item *item = item_at(n, i)
    cdef ep *e = ep_at(n, item.ep)
    cdef uint32_t *link = &n.socks[item.fd].items
    ready_remove(n, i)
    while link[0] != i:
        link = &item_at(n, link[0]).sock_next
    link[0] = item.sock_next
    if item.ep_prev == NONE:
        e.items = item.ep_next
    else:
        item_at(n, item.ep_prev).ep_next = item.ep_next
    if item.ep_next != NONE:
        item_at(n, item.ep_next).ep_prev = item.ep_prev
    arena_give(&n.items, i)


cdef void join_socket(net *n, uint32_t i, uint32_t fd) noexcept nogil:
    """Into the descriptor's list: those that share (EXCLUSIVE) last, in the order in which they came."""
    cdef uint32_t *link = &n.socks[fd].items
    if item_at(n, i).events & EV_EXCLUSIVE:
        while link[0] != NONE:
            link = &item_at(n, link[0]).sock_next
    item_at(n, i).sock_next = link[0]
    link[0] = i


cdef int item_add(net *n, uint32_t ep_index, uint32_t fd, uint32_t events, uint64_t data) noexcept nogil:
    cdef uint32_t i = arena_take(&n.items)
    cdef ep *e = ep_at(n, ep_index)
    cdef ep_item *item
    if i == NONE:
        return -ENOSPC
    item = item_at(n, i)
    item.fd = fd
    item.ep = ep_index
    item.events = events
    item.data = data
    join_socket(n, i, fd)
    item.ep_prev = NONE
    item.ep_next = e.items
    if e.items != NONE:
        item_at(n, e.items).ep_prev = i
    e.items = i
    if fd_ready(n, fd) & wanted(events):
        item_ready(n, i)
    return 0


cdef uint32_t depth_below(net *n, uint32_t ep_index, uint32_t target, uint32_t left) noexcept nogil:
    """How many instances deep the one goes, itself counted; more than EP_DEPTH if `target` is among them."""
    cdef uint32_t i = ep_at(n, ep_index).items, deepest = 0, d
    cdef ep_item *item
    if ep_index == target or left == 0:
        return EP_DEPTH + 1
    while i != NONE:
        item = item_at(n, i)
        if n.socks[item.fd].kind == KIND_EPOLL:
            d = depth_below(n, n.socks[item.fd].pcb, target, left - 1)
            if d > deepest:
                deepest = d
        i = item.ep_next
    return deepest + 1


cdef uint32_t height_above(net *n, uint32_t fd, uint32_t left) noexcept nogil:
    """How many instances the one stands in, at most, itself counted."""
    cdef uint32_t i = n.socks[fd].items, highest = 0, h
    while i != NONE and left > 0:
        h = height_above(n, ep_at(n, item_at(n, i).ep).fd, left - 1)
        if h > highest:
            highest = h
        i = item_at(n, i).sock_next
    return highest + 1


cdef int may_nest(net *n, int outer, sock *inner) noexcept nogil:
    """0, or -ELOOP: an instance would be inside itself, or too deep."""
    cdef uint32_t depth = depth_below(n, inner.pcb, n.socks[outer].pcb, EP_DEPTH)
    return -ELOOP if depth + height_above(n, <uint32_t>outer, EP_DEPTH) > EP_DEPTH else 0


cdef int ep_add(net *n, int epfd, int fd, uint32_t events, uint64_t data) noexcept nogil:
    cdef sock *so = &n.socks[fd]
    cdef int status
    if events & EV_EXCLUSIVE and (so.kind == KIND_EPOLL or events & ~<uint32_t>EXCLUSIVE_MAY):
        return -EINVAL
    if so.kind == KIND_EPOLL:
        status = may_nest(n, epfd, so)
        if status < 0:
            return status
    news_of(n, fd)                              # so that what is reported at once is not news again
    if so.items == NONE:
        so.seen = <unsigned short>fd_ready(n, fd)
        so.mark = read_mark(n, so)
    return item_add(n, n.socks[epfd].pcb, fd, events, data)


cdef int ep_ctl(net *n, int epfd, int op, int fd, uint32_t events, uint64_t data) noexcept nogil:
    cdef sock *me = sock_at(n, epfd)
    cdef sock *so = sock_at(n, fd)
    cdef uint32_t i
    cdef ep_item *item
    if me == NULL or so == NULL:
        return -EBADF
    if me.kind != KIND_EPOLL or me == so or op < CTL_ADD or op > CTL_MOD:
        return -EINVAL
    events &= ~<uint32_t>(EV_QUEUED | EV_OFF | EV_WAKEUP)
    i = so.items
    while i != NONE and item_at(n, i).ep != me.pcb:
        i = item_at(n, i).sock_next
    if op == CTL_ADD:
        return -EEXIST if i != NONE else ep_add(n, epfd, fd, events, data)
    if op == CTL_MOD and events & EV_EXCLUSIVE:
        return -EINVAL
    if i == NONE:
        return -ENOENT
    if op == CTL_DEL:
        item_free(n, i)
        return 0
    item = item_at(n, i)
    if item.events & EV_EXCLUSIVE:
        return -EINVAL                          # as it was registered, it stays
    news_of(n, fd)
    item.events = events | (item.events & EV_QUEUED)
    item.data = data
    if fd_ready(n, fd) & wanted(events) and not item.events & EV_QUEUED:
        item_ready(n, i)
    return 0


cdef inline void ready_turn(net *n, ep *e, uint32_t last) noexcept nogil:
    """Those up to `last` of the ready list have had their turn: they stand behind all others now, in their order."""
    cdef uint32_t first = e.ready_head, rest = item_at(n, last).ready_next
    if rest == NONE:
        return                              # there are no others
    e.ready_head = rest
    item_at(n, rest).ready_prev = NONE
    item_at(n, e.ready_tail).ready_next = first
    item_at(n, first).ready_prev = e.ready_tail
    item_at(n, last).ready_next = NONE
    e.ready_tail = last


cdef int ep_wait(net *n, int epfd, usn_epoll_event *events, int max_events) noexcept nogil:
    cdef sock *me = sock_at(n, epfd)
    cdef ep *e
    cdef ep_item *item
    cdef uint32_t i, following, kept = NONE, bits
    cdef int count = 0
    if me == NULL:
        return -EBADF
    if me.kind != KIND_EPOLL or max_events <= 0:
        return -EINVAL
    e = ep_at(n, me.pcb)
    i = e.ready_head
    while i != NONE and count < max_events:     # each once; level-triggered ones stay where they are until all have been looked at
        item = item_at(n, i)
        following = item.ready_next
        bits = told(sock_ready(n, &n.socks[item.fd]), item.events)
        if bits:
            events[count].events = bits
            events[count].fd = <int>item.fd
            events[count].data = item.data
            count += 1
        if bits and not item.events & (EV_ONESHOT | EV_ET):
            kept = i
        else:
            ready_remove(n, i)
            if bits and item.events & EV_ONESHOT:
                item.events |= EV_OFF           # until CTL_MOD
        i = following
    if kept != NONE:
        ready_turn(n, e, kept)
    return count


cdef void ep_free(net *n, uint32_t ep_index) noexcept nogil:
    cdef ep *e = ep_at(n, ep_index)
    while e.items != NONE:
        item_free(n, e.items)
    arena_give(&n.epolls, ep_index)


cdef void fd_forget(net *n, uint32_t fd) noexcept nogil:
    cdef sock *so = &n.socks[fd]
    cdef waiter *w
    while so.items != NONE:
        item_free(n, so.items)
    while so.waiters != NONE:
        w = waiter_at(n, so.waiters)
        so.waiters = w.next
        w.fd = NONE
        if not w.woken:
            w.woken = 1
            n.n_woken += 1
