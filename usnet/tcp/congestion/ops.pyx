"""The table of congestion controllers, by number."""
from cpython.bytearray cimport PyByteArray_AS_STRING
from libc.errno cimport EEXIST, EINVAL, ENOENT, ENOSPC
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memset, strcmp, strlen

from usnet.tcp.congestion.bbr cimport bbr_ops
from usnet.tcp.congestion.cubic cimport cubic_ops
from usnet.tcp.congestion.dctcp cimport dctcp_ops
from usnet.tcp.congestion.newreno cimport newreno_ops
from usnet.tcp.congestion.none cimport none_ops
from usnet.memory.random cimport rng, rng_seed
from usnet.tcp.congestion.ops cimport (
    CC_BBR, CC_BLOCK, CC_BUILT_IN, CC_CUBIC, CC_DCTCP, CC_MOST, CC_NAME_MAX, CC_NEWRENO, CC_NONE, cc_ack, cc_ops,
    cc_state, rate_sample,
)

cdef const cc_ops *table[32]    # [CC_MOST]
cdef uint32_t count = CC_BUILT_IN
table[CC_NEWRENO] = &newreno_ops
table[CC_CUBIC] = &cubic_ops
table[CC_NONE] = &none_ops
table[CC_DCTCP] = &dctcp_ops
table[CC_BBR] = &bbr_ops


cdef const cc_ops *cc_table(uint32_t number) noexcept nogil:
    """The controller of that number; an unknown one is NewReno."""
    return table[number] if number < count else table[CC_NEWRENO]


cdef int cc_find(const char *name) noexcept nogil:
    cdef uint32_t i
    for i in range(count):
        if strcmp(table[i].name, name) == 0:
            return <int>i
    return CC_NEWRENO if strcmp(name, b"reno") == 0 else -ENOENT


cdef bint whole(const cc_ops *ops) noexcept nogil:
    return (ops.start != NULL and ops.on_mss != NULL and ops.on_ack != NULL and ops.on_loss != NULL and ops.on_dupack != NULL
            and ops.on_partial_ack != NULL and ops.on_recovered != NULL and ops.on_sack_loss != NULL and ops.on_sack_recovered != NULL
            and ops.ssthresh != NULL and ops.on_ecn != NULL and ops.on_undo != NULL and ops.on_rto != NULL and ops.on_idle != NULL)


cdef int cc_register(const cc_ops *ops) noexcept nogil:
    global count
    if ops.name == NULL or not 0 < strlen(ops.name) < CC_NAME_MAX or not whole(ops):
        return -EINVAL
    if cc_find(ops.name) >= 0:
        return -EEXIST
    if count == CC_MOST:
        return -ENOSPC
    table[count] = ops
    count += 1
    return <int>count - 1


def names():
    """Names of all controllers that this process knows, by number."""
    return tuple(table[i].name.decode() for i in range(count))


# --- For tests and the REPL -------------------------------------------------------------------------------------------------

SAMPLE = ("now", "interval", "rtt", "srtt", "total", "prior_delivered", "delivered", "acked", "lost", "tx_lost", "ce", "prior_in_flight",
          "in_flight", "tx_in_flight", "una", "nxt", "app_limited", "recovery")
ZERO_SAMPLE = dict.fromkeys(SAMPLE, 0)


cdef class Controller:
    """A controller by itself, with no connection around it: each call is the one of cc_ops, and gives cwnd afterwards. Sizes are bytes, times ns.

    start() comes first. `state` is all that it remembers, as a dict; what that has may be set by name: controller.set(ssthresh=20000).
    """
    cdef cc_state cc
    cdef const cc_ops *ops
    cdef readonly str name
    cdef bytearray block
    cdef rng draws

    def __init__(self, str name not None, uint32_t step=2, uint8_t hystart=0):
        cdef int number = cc_find(name.encode())
        if number < 0:
            raise ValueError(f"there is no controller {name!r}, but {', '.join(names())}")
        self.name = name
        self.ops = cc_table(number)
        memset(&self.cc, 0, sizeof(cc_state))
        self.block = bytearray(CC_BLOCK)
        rng_seed(&self.draws, 1)
        self.cc.number = self.ops.number
        self.cc.step, self.cc.hystart, self.cc.wants = step, hystart, self.ops.wants

    @property
    def state(self):
        return dict(self.cc)

    def set(self, **fields):
        self.cc = {**self.cc, **fields}

    def start(self, uint32_t mss=1000, bint syn_lost=False):
        self.ops.start(&self.cc, mss, syn_lost)
        return self.cc.cwnd

    def ack(self, uint32_t acked, int64_t now=0, int64_t rtt=0, int64_t srtt=0, uint32_t una=0, uint32_t nxt=0, uint32_t flight=0):
        cdef cc_ack a
        a.now, a.rtt, a.srtt, a.acked, a.una, a.nxt, a.flight = now, rtt, srtt, acked, una, nxt, flight
        self.ops.on_ack(&self.cc, &a)
        return self.cc.cwnd

    def limited(self, int64_t now):
        """From now on it is not cwnd that holds the sender back."""
        if self.cc.epoch and not self.cc.limited_since:
            self.cc.limited_since = now

    def loss(self, uint32_t flight, int64_t now=0, bint sack=True):
        if sack:
            self.ops.on_sack_loss(&self.cc, flight, now)
        else:
            self.ops.on_loss(&self.cc, flight, now)
        return self.cc.cwnd

    def rate(self, **sample):
        """One ACK's sample: fields of rate_sample by name, others 0."""
        cdef rate_sample s
        memset(&s, 0, sizeof(s))
        fields = {**ZERO_SAMPLE, **sample}
        s.now, s.interval, s.rtt, s.srtt = fields["now"], fields["interval"], fields["rtt"], fields["srtt"]
        s.total, s.prior_delivered, s.delivered, s.acked = fields["total"], fields["prior_delivered"], fields["delivered"], fields["acked"]
        s.lost, s.tx_lost, s.ce = fields["lost"], fields["tx_lost"], fields["ce"]
        s.prior_in_flight, s.in_flight, s.tx_in_flight = fields["prior_in_flight"], fields["in_flight"], fields["tx_in_flight"]
        s.una, s.nxt, s.app_limited, s.recovery = fields["una"], fields["nxt"], fields["app_limited"], fields["recovery"]
        s.random, s.block = &self.draws, PyByteArray_AS_STRING(self.block) if self.ops.block else NULL
        if self.ops.on_rate != NULL:
            self.ops.on_rate(&self.cc, &s)
        return self.cc.cwnd

    def dupack(self):
        self.ops.on_dupack(&self.cc)
        return self.cc.cwnd

    def partial_ack(self, uint32_t acked):
        self.ops.on_partial_ack(&self.cc, acked)
        return self.cc.cwnd

    def recovered(self, uint32_t out, bint sack=True):
        if sack:
            self.ops.on_sack_recovered(&self.cc, out)
        else:
            self.ops.on_recovered(&self.cc, out)
        return self.cc.cwnd

    def ssthresh(self, uint32_t flight, int64_t now=0):
        return self.ops.ssthresh(&self.cc, flight, now)

    def ecn(self, uint32_t flight, int64_t now=0):
        self.ops.on_ecn(&self.cc, flight, now)
        return self.cc.cwnd

    def undo(self):
        self.ops.on_undo(&self.cc)
        return self.cc.cwnd

    def rto(self, uint32_t flight, bint again=False):
        self.ops.on_rto(&self.cc, flight, again)
        return self.cc.cwnd

    def idle(self):
        self.ops.on_idle(&self.cc)
        return self.cc.cwnd

    def smaller(self, uint32_t mss):
        self.ops.on_mss(&self.cc, mss)
        return self.cc.cwnd
