"""What befalls frames on their way. The contract is in fates.pxd, the text form in fate.py."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy, memset

from usnet.backends.keyed cimport keyed_below, keyed_draw
from usnet.wire.eth cimport ETH_P_ARP
from usnet.wire.glance cimport frame_glance, glance
from usnet.wire.mangle cimport MANGLE_ECN, ip_mark, tcp_rewrite, tcp_strike
from usnet.wire.tcp cimport TH_ACK, TH_FIN, TH_RST, TH_SYN

from usnet.backends.fate import Fate

cdef enum:
    PROTO_ICMP = 1
    PROTO_ICMPV6 = 58

# Which bit of a frame a rule flips is another draw than whether it does
cdef uint64_t BIT_DRAW = 0x2545f4914f6cdd1d


cdef fate_flow *find_flow(fate_set *s, const frame_glance *g) noexcept nogil:
    cdef uint32_t i
    cdef fate_flow *f
    cdef size_t size = 4 if g.version == 4 else 16
    for i in range(FATE_FLOWS):
        f = &s.flows[i]
        if f.port[0] == g.port[0] and f.port[1] == g.port[1] and f.version == g.version:
            if memcmp(f.addr[0], g.addr[0], size) == 0 and memcmp(f.addr[1], g.addr[1], size) == 0:
                return f
    return NULL


cdef void learn_flow(fate_set *s, const frame_glance *g) noexcept nogil:
    cdef fate_flow *f = find_flow(s, g)
    cdef size_t size = 4 if g.version == 4 else 16
    if f == NULL:
        f = &s.flows[s.next_flow]
        s.next_flow = (s.next_flow + 1) % FATE_FLOWS
        f.version = g.version
        f.port[0] = g.port[0]
        f.port[1] = g.port[1]
        memcpy(f.addr[0], g.addr[0], size)
        memcpy(f.addr[1], g.addr[1], size)
    f.isn = g.seq


cdef bint holds_bytes(fate_set *s, const fate_rule *r, const frame_glance *g) noexcept nogil:
    cdef fate_flow *f
    cdef uint64_t first
    if g.payload == 0:
        return False
    f = find_flow(s, g)
    if f == NULL:
        return False
    first = <uint32_t>(g.seq - f.isn - (0 if g.flags & TH_SYN else 1))
    return first < r.bytes[1] and first + g.payload > r.bytes[0]


cdef bint is_kind(const fate_rule *r, const frame_glance *g) noexcept nogil:
    if r.kind == KIND_DATA:
        return g.tcp and g.payload > 0
    if r.kind == KIND_PURE_ACK:
        return g.tcp and g.payload == 0 and g.flags & (TH_ACK | TH_SYN | TH_FIN | TH_RST) == TH_ACK
    if r.kind == KIND_ARP:
        return g.type == ETH_P_ARP
    if r.kind == KIND_ICMP:
        return (g.version == 4 and g.protocol == PROTO_ICMP) or (g.version == 6 and g.protocol == PROTO_ICMPV6)
    return True


cdef bint rule_matches(fate_set *s, const fate_rule *r, const frame_glance *g, uint32_t length,
                       int64_t now) noexcept nogil:
    if length < r.size_min or length > r.size_max or now < r.time[0] or now >= r.time[1]:
        return False
    if r.ip_version and g.version != r.ip_version:
        return False
    if r.protocol != ANY_PROTOCOL and (g.version == 0 or g.protocol != r.protocol):
        return False
    if not is_kind(r, g):
        return False
    if r.flags_set or r.flags_clear:
        if not g.tcp or g.flags & r.flags_set != r.flags_set or g.flags & r.flags_clear:
            return False
    if r.src_port[0] > 0 or r.src_port[1] < 65535:
        if not g.ports or not r.src_port[0] <= g.port[0] <= r.src_port[1]:
            return False
    if r.dst_port[0] > 0 or r.dst_port[1] < 65535:
        if not g.ports or not r.dst_port[0] <= g.port[1] <= r.dst_port[1]:
            return False
    return not r.has_bytes or holds_bytes(s, r, g)


cdef bint is_nth(const fate_rule *r) noexcept nogil:
    cdef uint32_t i
    if r.matched % r.every:
        return False
    for i in range(r.n_nth):
        if r.nth[i][0] <= r.matched <= r.nth[i][1]:
            return True
    return r.n_nth == 0


cdef void add_bit(fate *out, int64_t bit, uint32_t length) noexcept nogil:
    cdef uint32_t i
    if bit >= <int64_t>length * 8 or out.n_bits == FATE_MAX_BITS:
        return
    for i in range(out.n_bits):
        if out.bits[i] == bit:          # flipped twice is not flipped
            return
    out.bits[out.n_bits] = <uint32_t>bit
    out.n_bits += 1


cdef void add_edit(fate *out, const fate_rule *r, const frame_glance *g) noexcept nogil:
    if not g.tcp or out.n_edits == FATE_MAX_EDITS:
        return
    out.edits[out.n_edits].action = r.action
    out.edits[out.n_edits].what = r.what
    out.edits[out.n_edits].value = r.value
    out.n_edits += 1
    out.transport = g.transport
    out.end = g.end


cdef void apply_rule(fate_set *s, uint32_t number, const frame_glance *g, uint32_t length, uint64_t stream, uint64_t index,
                     fate *out) noexcept nogil:
    cdef fate_rule *r = &s.rules[number]
    cdef uint32_t network = g.network
    cdef uint64_t draw
    if r.action == FATE_DROP:
        if not out.drop:
            out.by = <int32_t>number
        out.drop = True
    elif r.action == FATE_DUP:
        out.copies += r.copies
        if r.ns > out.gap:
            out.gap = r.ns
    elif r.action == FATE_DELAY:
        out.delay += r.ns
    elif r.action == FATE_REORDER:
        if r.later > out.hold:
            out.hold = r.later
            out.hold_ns = r.ns
    elif r.action >= FATE_STRIP:
        add_edit(out, r, g)
    elif network < length and r.bit >= 0:
        add_bit(out, <int64_t>network * 8 + r.bit, length)
    elif network < length:
        draw = keyed_draw(s.seed, stream, r.key ^ BIT_DRAW, index)
        add_bit(out, <int64_t>network * 8 + <int64_t>keyed_below(draw, <uint64_t>(length - network) * 8), length)


cdef void fates_decide(fate_set *s, const uint8_t *frame, uint32_t length, int64_t now, int direction,
                       fate *out) noexcept nogil:
    cdef frame_glance g
    cdef fate_rule *r
    cdef uint32_t i
    cdef uint64_t index = s.frames[direction]
    cdef uint64_t stream = s.stream * 2 + <uint64_t>direction
    s.frames[direction] += 1
    memset(out, 0, sizeof(fate))
    out.by = -1
    if s.n_rules == 0:
        return
    glance(frame, length, &g)
    if s.needs_flows and g.tcp and g.flags & TH_SYN:
        learn_flow(s, &g)
    for i in range(s.n_rules):
        r = &s.rules[i]
        if not r.dirs & (1 << direction) or not rule_matches(s, r, &g, length, now):
            continue
        r.matched += 1
        if not is_nth(r):
            continue
        if not r.always and keyed_draw(s.seed, stream, r.key, index) >= r.chance:
            continue
        r.fired += 1
        apply_rule(s, i, &g, length, stream, index, out)


cdef bint fate_mangle(const fate *f, uint8_t *frame, uint32_t length) noexcept nogil:
    cdef const fate_edit *e
    cdef uint32_t changed = 0
    cdef uint32_t n = f.end - f.transport
    cdef uint32_t i
    if f.n_edits == 0 or f.end > length:
        return False
    for i in range(f.n_edits):
        e = &f.edits[i]
        if e.what == MANGLE_ECN:
            changed += ip_mark(frame, length, e.value)
        elif e.action == FATE_STRIP:
            changed += tcp_strike(frame + f.transport, n, e.what)
        else:
            changed += tcp_rewrite(frame + f.transport, n, e.what, e.value, e.action == FATE_CLAMP)
    return changed > 0


cdef void fate_flip(const fate *f, uint8_t *frame, uint32_t length) noexcept nogil:
    cdef uint32_t i
    for i in range(f.n_bits):
        if f.bits[i] < length * 8:
            frame[f.bits[i] >> 3] ^= <uint8_t>(0x80 >> (f.bits[i] & 7))


cdef object fill_rule(fate_rule *r, dict c, uint64_t key):
    cdef int i
    arguments = c["arguments"]
    r.dirs, r.ip_version, r.protocol, r.kind = c["dirs"], c["ip"], c["protocol"], c["kind"]
    r.flags_set, r.flags_clear = c["flags_set"], c["flags_clear"]
    r.size_min, r.size_max = c["size"]
    r.has_bytes = c["has_bytes"]
    for i in range(2):
        r.src_port[i], r.dst_port[i] = c["src_port"][i], c["dst_port"][i]
        r.bytes[i], r.time[i] = c["bytes"][i], c["time"][i]
    r.n_nth = len(c["nth"])
    for i in range(<int>r.n_nth):
        r.nth[i][0], r.nth[i][1] = c["nth"][i]
    r.every = c["every"]
    r.always = c["chance"] == 2**64
    r.chance = 0 if r.always else c["chance"]
    r.key = key
    r.action = {"drop": FATE_DROP, "dup": FATE_DUP, "delay": FATE_DELAY, "corrupt": FATE_CORRUPT,
                "reorder": FATE_REORDER, "strip": FATE_STRIP, "rewrite": FATE_REWRITE, "clamp": FATE_CLAMP}[c["action"]]
    r.copies = arguments.get("n", 0)
    r.ns = arguments.get("gap", arguments.get("t", arguments.get("within", 0)))
    r.bit = arguments.get("bit", -1)
    r.later = arguments.get("later", 0)
    r.what = arguments.get("what", 0)
    r.value = arguments.get("value", 0)


cdef class Fates:
    """A rule set with its counts. `rules`: `Fate` objects, or tables that Fate.from_dict() reads. `seed`, `stream`:
    ints of up to 64 bits; two links with the same seed take different streams. `ends`: names for `at` in tables."""

    def __cinit__(self, rules=(), seed=0, stream=0, ends=("a", "b")):
        cdef uint32_t i
        self.rules = tuple(rule if isinstance(rule, Fate) else Fate.from_dict(rule, ends) for rule in rules)
        self.s.rules = <fate_rule *>calloc(len(self.rules) + 1, sizeof(fate_rule))
        if self.s.rules == NULL:
            raise MemoryError("no memory for rules")
        self.s.n_rules = len(self.rules)
        self.s.seed = seed & 0xffffffffffffffff
        self.s.stream = stream & 0xffffffffffffffff
        same = {}
        for i, rule in enumerate(self.rules):
            plain = rule.key()
            same[plain] = same.get(plain, -1) + 1
            fill_rule(&self.s.rules[i], rule.compiled(), rule.key(same[plain]) if same[plain] else plain)
            self.s.needs_flows |= self.s.rules[i].has_bytes

    def __dealloc__(self):
        free(self.s.rules)

    def decide(self, const uint8_t[::1] frame, int direction=0, int64_t now=0):
        """The fate of the next frame of a direction (0: a->b, 1: b->a), as a dict: drop, by, copies, gap, delay, hold,
        hold_ns, bits, and `mangled`, the frame as middleboxes leave it (None: as it is)."""
        cdef fate f
        cdef uint32_t i
        if direction not in (0, 1):
            raise ValueError(f"direction is 0 or 1, not {direction}")
        fates_decide(&self.s, &frame[0] if frame.shape[0] else NULL, <uint32_t>frame.shape[0], now, direction, &f)
        mangled = bytearray(frame)
        if not frame.shape[0] or not fate_mangle(&f, mangled, <uint32_t>frame.shape[0]):
            mangled = None
        return {"drop": f.drop, "by": f.by, "copies": f.copies, "gap": f.gap, "delay": f.delay, "hold": f.hold,
                "hold_ns": f.hold_ns, "mangled": mangled and bytes(mangled),
                "bits": [f.bits[i] for i in range(f.n_bits)]}

    def counts(self):
        """(matched, fired) of each rule: frames that met its conditions, and those it then struck."""
        return [(self.s.rules[i].matched, self.s.rules[i].fired) for i in range(self.s.n_rules)]

    def reset(self, seed=None):
        """Forgets counts and flows, as if no frame had passed; with a new seed when one is given."""
        cdef uint32_t i
        if seed is not None:
            self.s.seed = seed & 0xffffffffffffffff
        for i in range(self.s.n_rules):
            self.s.rules[i].matched = self.s.rules[i].fired = 0
        self.s.frames[0] = self.s.frames[1] = 0
        self.s.next_flow = 0
        memset(self.s.flows, 0, sizeof(self.s.flows))


def draw(seed, stream, purpose, index):
    """keyed_draw(): 64 random bits as a function of four numbers of 64 bits."""
    return keyed_draw(seed, stream, purpose, index)
