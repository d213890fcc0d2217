"""Headers for Hypothesis."""
from hypothesis import strategies as st

from usnet.wire.mirror import ArpPacket, EthHeader, IcmpHeader, Ipv4Header, TcpHeader

u8, u16, u32 = (st.integers(0, 2**n - 1) for n in (8, 16, 32))
macs = st.binary(min_size=6, max_size=6).map(lambda b: b.hex(":"))
ipv4s = st.ip_addresses(v=4).map(str)
SYN = 0x02

eths = st.builds(EthHeader, macs, macs, st.integers(0x600, 0xffff).filter(lambda t: t not in (0x8100, 0x88a8)),
                 st.none() | st.integers(0, 0xffff).filter(lambda t: t & 0xfff != 0xfff))
arps = st.builds(ArpPacket, u16, macs, ipv4s, macs, ipv4s)
ips = st.builds(Ipv4Header, ipv4s, ipv4s, u8, total_len=st.integers(20, 1500), ident=u16,
                frag_offset=st.integers(0, 8191).map(lambda n: 8 * n), ttl=u8, tos=u8,
                dont_fragment=st.booleans(), more_fragments=st.booleans())
icmps = st.builds(IcmpHeader, u8, u8, u32)
common = {"seq": u32, "ack": u32, "window": u16, "urgent": u16, "timestamps": st.none() | st.tuples(u32, u32)}
blocks = st.lists(st.tuples(u32, u32), max_size=4).map(tuple)
syns = st.builds(TcpHeader, u16, u16, flags=u8.map(lambda f: f | SYN), mss=st.none() | u16, wscale=st.none() | u8,
                 sack_ok=st.booleans(), **common)
others = st.builds(TcpHeader, u16, u16, flags=u8.map(lambda f: f & ~SYN), sack=blocks, **common).filter(
    lambda h: len(h.sack) < 4 or h.timestamps is None)
tcps = st.one_of(syns, others)
