"""Users of the stand-in's descriptors do anything in any order: nothing breaks, and what was held is given back.

USNET_FUZZ=2000 runs so many examples of each machine, other ones each time.
"""
import ctypes
import errno
import gc
import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests.backends.netmap.handle import (
    BUF_CHANGED,
    EXCLUSIVE,
    FORWARD,
    MOREFRAG,
    NIC_SW,
    NIOCGINFO,
    NIOCREGIF,
    NO_LEARN,
    NO_TX_POLL,
    ONE_NIC,
    ONE_SW,
    REPORT,
    RX_ONLY,
    SW,
    TX_ONLY,
    U32,
    Handle,
    Header,
    Interface,
    Offsets,
    Slot,
)
from usnet.backends.netmap.standin.kernel import StandIn

EXAMPLES = int(os.environ.get("USNET_FUZZ", "0"))
PROFILE = settings(derandomize=not EXAMPLES, max_examples=EXAMPLES or 150, stateful_step_count=40, database=None, deadline=None, print_blob=False,
                   suppress_health_check=list(HealthCheck))
KNOWN = {-getattr(errno, name) for name in (
    "EBUSY", "EINVAL", "ENOMEM", "ENXIO", "EIO", "EOPNOTSUPP", "ENOENT", "EEXIST", "ENODEV", "EFAULT", "EMSGSIZE", "EBADF", "EMFILE")}
DETACH, LIST, DELIF, POLL_OFF = 4, 5, 9, 11
BODIES = {1: 64, 2: 32, 3: 72, 4: 8, 5: 8, 6: 8, 7: 8, 8: 16, 9: 0, 10: 16, 11: 16, 12: 64, 13: 8, 14: 0, 15: 0}
NICS, MADE = ("em0", "em1", "emu0"), ("new0", "new1")
NAMES = (*NICS, "em0{1", "em0}1", "em0{2", "em0}2", "emu0{1", "emu0}1", "vale0:a", "vale0:b", "vale0:c", "vale1:a", "vale0:a{p", "vale0:a}p",
         "vale0:em0", "vale0:em1", "vale1:emu0", "vale0:new0", *MADE, "new0{1", "new0}1", "gone0", "", "vale0:", "{", "vale0:a{", "keep0")
PORTS = ("em0", "em1", "emu0", "em0{1", "em0}1", "emu0{1", "emu0}1", "vale0:a", "vale0:b", "vale0:c", "vale0:a{p", "vale0:a}p", "new0{1", "new0}1")
MONITOR_TX, MONITOR_RX, ZCOPY, ACCEPT_VNET_HDR = 0x100, 0x200, 0x400, 0x8000
FLAGS = st.lists(st.sampled_from((MONITOR_TX, MONITOR_RX, ZCOPY, EXCLUSIVE, RX_ONLY, TX_ONLY, NO_TX_POLL, ACCEPT_VNET_HDR)), max_size=3).map(sum)
names = st.sampled_from(NAMES)
few = st.sampled_from((0, 0, 0, 1, 2, 3, 8))
which = st.integers(0, 999)
edges = st.sampled_from((0, 1, 2, 3, 4, 7, 8, 9, 255, 2**31, 2**32 - 1))
BROADCAST = b"\xff" * 6 + b"\x02" + bytes(5)


class SharedRing:
    """A ring by the geometry that it had at first: its user may write rubbish into the header."""

    def __init__(self, memory, at, tx):
        self.memory, self.at, self.tx = memory, at, tx
        self.header = Header.from_buffer(memory, at)
        self.n, self.size = self.header.num_slots, self.header.buf_size
        self.buffers = at + self.header.buf_ofs
        self.slots = (Slot * self.n).from_buffer(memory, at + ctypes.sizeof(Header))

    @property
    def mine(self):
        """Places of the user's slots."""
        return [(self.header.head + i) % self.n for i in range((self.header.tail - self.header.head) % self.n)]

    def write(self, i, data):
        slot = self.slots[i]
        at = self.buffers + slot.buf_idx * self.size + (slot.ptr & self.header.offset_mask)
        room = self.size - (slot.ptr & self.header.offset_mask)
        data = data[:room]
        self.memory[at:at + len(data)] = data
        slot.len = len(data)


class User(Handle):
    """A descriptor, its rings and the extra buffers that nobody has put into a slot."""

    def take(self, mem_id, pipe, honest):
        self.mem_id, self.pipe, self.rings, self.spare = mem_id, pipe, [], []
        self.nifp = Interface.from_buffer(self.memory, self.offset)
        n_tx = self.nifp.tx_rings + max(self.nifp.host_tx_rings, 1)
        n = n_tx + self.nifp.rx_rings + max(self.nifp.host_rx_rings, 1)
        for i in range(min(n, 64)):
            at = self.nifp.ring_ofs[i]
            if at:
                try:
                    self.rings.append(SharedRing(self.memory, self.offset + at, i < n_tx))
                except ValueError:
                    pass                # another user has written rubbish into its header
        if self.rings and honest:
            i = self.nifp.bufs_head
            while i:
                self.spare.append(i)
                i = U32.from_buffer(self.memory, self.rings[0].buffers + i * self.rings[0].size).value
            self.nifp.bufs_head = 0

    def give(self):
        """The spare ones go back with the descriptor."""
        head = 0
        for i in self.spare:
            U32.from_buffer(self.memory, self.rings[0].buffers + i * self.rings[0].size).value = head
            head = i
        if self.spare:
            self.nifp.bufs_head = head


class Users(RuleBasedStateMachine):
    """They keep the rules of rings, whatever they ask for."""
    honest = True

    def __init__(self):
        super().__init__()
        self.kernel = StandIn(buf_num=1200, buf_size=512, ring_num=60, ring_size=1024, if_num=30, priv_buf_num=64, priv_buf_size=512)
        self.nics, self.users = {}, []
        self.lent = False       # an interface was lent another region: the module forgets its own when the request then fails
        for name in NICS:
            self.plug(name)
        self.kernel.nic("keep0", tx_slots=4, rx_slots=4, mtu=200, rx_buf_max=512)
        self.keeper = Handle(self.kernel)
        assert self.keeper.register("keep0") == 0
        self.start = self.kernel.pools()

    def plug(self, name):
        rings = 2 if name == "em0" else 1
        self.nics[name] = self.kernel.nic(name, tx_rings=rings, rx_rings=rings, tx_slots=8, rx_slots=4, mtu=500, rx_buf_max=256,
                                          emulated=name == "emu0")

    def good(self, status):
        assert status == 0 or status in KNOWN, status
        return status == 0

    def a_user(self, which):
        return self.users[which % len(self.users)] if self.users else None

    def a_ring(self, which, tx=None):
        """A user, and one of its rings (that sends, or receives)."""
        user = self.a_user(which)
        rings = [ring for ring in user.rings if tx in (None, ring.tx)] if user else ()
        return (user, rings[which // 10 % len(rings)]) if rings else (None, None)

    # Opening and closing

    def open(self, name, mode=1, offset=None, **fields):
        if len(self.users) >= 10:
            return
        if "{" in name or "}" in name:
            # The module clears the buffers of a pipe's ring when one end alone has bound it, and the other end comes
            fields["flags"] = fields.get("flags", 0) & ~(RX_ONLY | TX_ONLY)
            fields["tx_rings"] = fields["rx_rings"] = 1
        self.lent = self.lent or bool(fields.get("mem_id"))
        user = User(self.kernel)
        options = () if offset is None else (Offsets(reqtype=5, size=32, max_offset=offset, initial=offset // 2),)
        if self.good(user.register(name, mode, options, **fields)):
            assert 0 < user.answer.memsize
            user.take(user.answer.mem_id, "{" in name or "}" in name, self.honest)
            self.users.append(user)
        else:
            assert user.txsync() == -errno.ENXIO
            assert user.close() == 0

    @rule(name=st.sampled_from(PORTS), slots=st.sampled_from((0, 2, 4)), spares=few, flags=st.sampled_from((0, 0, NO_TX_POLL)),
          offset=st.sampled_from((None, None, 64)))
    def opens(self, name, slots, spares, flags, offset):
        self.open(name, tx_slots=slots, rx_slots=slots, extra_bufs=spares, flags=flags | ACCEPT_VNET_HDR, offset=offset)

    @rule(name=st.sampled_from(NICS), mode=st.sampled_from((SW, NIC_SW, ONE_NIC, ONE_SW)), hosts=few)
    def opens_some_rings(self, name, mode, hosts):
        self.open(name, mode, host_tx_rings=hosts, host_rx_rings=hosts)

    @rule(name=st.sampled_from(PORTS), kind=st.sampled_from((MONITOR_TX, MONITOR_RX, ZCOPY, MONITOR_TX | MONITOR_RX)), slots=few)
    def monitors(self, name, kind, slots):
        self.open(name, flags=kind, rx_slots=slots)

    @rule(name=names, mode=st.integers(0, 9), ring=few, flags=FLAGS, slots=few, rings=few, hosts=few, spares=few,
          mem_id=st.sampled_from((0, 0, 1, 2, 3, 99)), offset=st.sampled_from((None, None, None, 0, 16, 128, 513)))
    def opens_somehow(self, name, mode, ring, flags, slots, rings, hosts, spares, mem_id, offset):
        self.open(name, mode, offset, ringid=ring, flags=flags, tx_slots=slots, rx_slots=slots, tx_rings=rings, rx_rings=rings, host_tx_rings=hosts,
                  host_rx_rings=hosts, extra_bufs=spares, mem_id=mem_id)

    @rule(name=names, mode=st.integers(0, 9), ring=few, flags=FLAGS, command=st.sampled_from((0, 0, 0, *range(1, 13))), version=st.integers(10, 16),
          arg=few, request=st.sampled_from((NIOCREGIF, NIOCREGIF, NIOCGINFO)))
    def opens_the_old_way(self, name, mode, ring, flags, command, version, arg, request):
        if len(self.users) >= 10:
            return
        if mode in (5, 6) or "{" in name or "}" in name:
            flags &= ~(RX_ONLY | TX_ONLY)
        user = User(self.kernel)
        status = user.legacy(request, name=name.encode()[:16], version=version, ringid=ring, flags=mode | flags, cmd=command, arg1=arg,
                             arg2=0, arg3=arg)
        if self.good(status) and user.memory is not None:
            user.take(user.old.arg2, mode in (5, 6) or "{" in name or "}" in name, self.honest)
            self.users.append(user)
        else:
            user.close()

    @rule(which=which)
    def closes(self, which):
        user = self.a_user(which)
        if user:
            self.end(user)

    def end(self, user):
        user.give()
        self.users.remove(user)
        assert user.close() == 0
        assert user.txsync() == -errno.EBADF and user.close() == -errno.EBADF

    # Requests

    @rule(kind=st.integers(0, 16), name=names, numbers=st.lists(st.sampled_from((0, 0, 0, 1, 1, 2, 3, 4, 10, 12, 0xffff)), min_size=36, max_size=36),
          version=st.sampled_from((14, 14, 14, 15, 13, 0)), own=st.booleans(), which=which, mode=st.sampled_from((1, 1, 1, 3, 2)))
    def asks(self, kind, name, numbers, version, own, which, mode):
        if kind == 1:
            return
        user = self.a_user(which) if not own else None
        asking = user or Handle(self.kernel)
        self.lent = True if kind in (2, 3, 12) else self.lent
        body = bytearray(b"".join(n.to_bytes(2, "little") for n in numbers))[:BODIES.get(kind, 0)] or None
        if kind == 3 and body:
            body[36:40] = mode.to_bytes(4, "little")       # NR_REG_*
            body[40:44] = bytes(4)
        status, _ = self.kernel.call_control(asking.fd, kind, name.encode(), body, (), version=version)
        self.good(status)
        if not user:
            assert asking.close() == 0

    # Frames

    @rule(which=which, count=st.integers(1, 9), more=st.booleans(), swap=st.booleans(), flags=st.sampled_from((0, BUF_CHANGED, REPORT, NO_LEARN)),
          size=st.sampled_from((0, 1, 13, 14, 60, 300, 512)))
    def sends(self, which, count, more, swap, flags, size):
        user, ring = self.a_ring(which, tx=True)
        if ring is None:
            return
        places = ring.mine[:count]
        for i in places:
            slot = ring.slots[i]
            if swap and user.spare and not user.pipe:
                slot.buf_idx, user.spare[0] = user.spare[0], slot.buf_idx
                flags |= BUF_CHANGED
            ring.write(i, (BROADCAST + bytes(600))[:size])
            slot.flags = flags | (MOREFRAG if more and i != places[-1] else 0)
            ring.header.head = ring.header.cur = (i + 1) % ring.n
        self.good(user.txsync())

    @rule(which=which, count=st.integers(0, 9), swap=st.booleans(), flags=st.sampled_from((0, FORWARD)))
    def receives(self, which, count, swap, flags):
        user, ring = self.a_ring(which, tx=False)
        if ring is None:
            return
        self.good(user.rxsync())
        for i in ring.mine[:count]:
            slot = ring.slots[i]
            assert slot.len <= ring.size
            if swap and user.spare and not user.pipe:
                slot.buf_idx, user.spare[0] = user.spare[0], slot.buf_idx
                slot.flags |= BUF_CHANGED
            slot.flags |= flags
            ring.header.head = ring.header.cur = (i + 1) % ring.n
        self.good(user.rxsync())

    @rule(which=which, how=st.sampled_from(("txsync", "rxsync", "poll", "watch")), events=st.integers(0, 15))
    def looks(self, which, how, events):
        user = self.a_user(which)
        if user is None:
            return
        if how in ("txsync", "rxsync"):
            self.good(getattr(user, how)())
        elif how == "poll":
            ready = user.poll(events)
            assert 0 <= ready <= 15 and not ready & ~events & ~8
        else:
            assert self.kernel.call_watch(user.fd, events) >= 0

    # What happens around them

    @rule(name=st.sampled_from(NICS), ring=st.integers(0, 2), sizes=st.lists(st.sampled_from((0, 1, 14, 60, 256, 257, 512, 518, 519)), max_size=6),
          host=st.booleans())
    def frames_come(self, name, ring, sizes, host):
        nic = self.nics[name]
        given = [(BROADCAST + bytes(600))[:size] for size in sizes]
        taken = nic.host_send(given, ring) if host else nic.inject(given, ring)
        assert 0 <= taken <= len(given)

    @rule(name=st.sampled_from(NICS), what=st.sampled_from(("link", "busy", "mtu", "read")), on=st.booleans())
    def the_nic_changes(self, name, what, on):
        nic = self.nics[name]
        if what == "link":
            nic.set_link(on)
        elif what == "busy":
            nic.set_busy(on)
        elif what == "mtu":
            self.good(nic.set_mtu(500 if on else 200))
        else:
            nic.sent()
            nic.host_received()

    @rule(name=st.sampled_from(NICS))
    def the_nic_is_pulled_out_and_another_put_in(self, name):
        self.nics[name].remove()
        self.plug(name)

    @rule(name=st.sampled_from(("fwd", "no_timestamp", "no_pendintr", "bridge_batch", "priv_buf_num", "buf_num")), value=st.sampled_from((0, 1, 100)))
    def a_parameter_changes(self, name, value):
        self.kernel.set_parameter(name, max(value, 100) if name.endswith("_num") else value)

    # What must hold

    @invariant()
    def no_buffer_is_in_two_places(self):
        places = {}
        for user in self.users:
            for ring in user.rings:
                for i in ring.mine if user.pipe else range(ring.n):
                    self.one_place(places, user.mem_id, ring.slots[i].buf_idx, (ring.at, i))
            for n, i in enumerate(user.spare):
                self.one_place(places, user.mem_id, i, (user.fd, n, "spare"))

    def one_place(self, places, mem_id, index, where):
        assert index >= 2
        assert places.setdefault((mem_id, index), where) == where, f"buffer {index} of region {mem_id} is in {where} and {places[mem_id, index]}"

    def all_close(self):
        while self.users:
            self.end(self.users[-1])
        asking = Handle(self.kernel)
        for name in NAMES:
            asking.control(POLL_OFF, name, (ctypes.c_uint8 * 16)())
            while asking.control(DETACH, name, (ctypes.c_uint8 * 8)()) == 0:
                pass
        for name in NAMES:
            asking.control(DELIF, name)
        assert asking.control(LIST, "", (ctypes.c_uint8 * 8)()) == -errno.ENOENT
        asking.close()

    def left(self, pools):
        assert pools == self.start

    def teardown(self):
        self.all_close()
        self.left(self.kernel.pools())
        self.keeper.close()
        for i in range(2, 2 if self.lent else 300):
            try:
                self.kernel.pools(i)
            except KeyError:
                continue
            raise AssertionError(f"region {i} is left")
        assert all(free == total - (2 if name == "buf" else 0) for name, (total, _, free) in self.kernel.pools().items())


class Vandals(Users):
    """They write anything anywhere that is shared with them, but no addresses (NS_INDIRECT)."""
    honest = False

    @rule(which=which, field=st.sampled_from(("head", "cur", "tail", "num_slots", "buf_size", "flags", "dir", "ringid", "buf_ofs", "offset_mask")),
          value=edges)
    def writes_into_a_header(self, which, field, value):
        _, ring = self.a_ring(which)
        if ring is not None:
            if field in ("dir", "ringid"):
                value &= 0xffff
            setattr(ring.header, field, value)

    @rule(which=which, field=st.sampled_from(("buf_idx", "len", "flags", "ptr")), value=edges, many=st.booleans())
    def writes_into_slots(self, which, field, value, many):
        _, ring = self.a_ring(which)
        if ring is None:
            return
        for i in range(ring.n) if many else [which % ring.n]:
            setattr(ring.slots[i], field, value & (0xffef if field == "flags" else 0xffff if field == "len" else 2**32 - 1))

    @rule(which=which, heads=st.integers(0, 8))
    def moves_on(self, which, heads):
        _, ring = self.a_ring(which)
        if ring is not None and ring.n:
            ring.header.head = ring.header.cur = (ring.header.head + heads) % ring.n

    @rule(which=which, value=edges)
    def writes_into_the_description(self, which, value):
        user = self.a_user(which)
        if user is not None:
            user.nifp.bufs_head = value
            user.nifp.tx_rings = value

    # Those of well-behaved users trust what they read

    def sends(self, *_, **__):
        pass

    def receives(self, *_, **__):
        pass

    def no_buffer_is_in_two_places(self):
        pass

    def end(self, user):
        self.users.remove(user)
        assert user.close() == 0

    def left(self, pools):
        # Buffers that were overwritten are lost until the region is nobody's any more
        assert (pools["if"], pools["ring"]) == (self.start["if"], self.start["ring"])


def run(machine):
    run_state_machine_as_test(machine, settings=PROFILE)
    gc.collect()


def test_users_who_keep_the_rules_leave_everything_as_it_was():
    run(Users)


def test_users_who_write_anything_break_nothing_but_their_own():
    run(Vandals)
