"""SipHash and the hash table."""
from hypothesis import given
from hypothesis import strategies as st

from usnet.memory.hash import HashTable, siphash24
from usnet.memory.random import Random

KEY = bytes(range(16))


def test_siphash_gives_the_published_vectors():
    # Aumasson and Bernstein, appendix A and the reference code's first vectors, as bytes in little-endian order.
    assert siphash24(KEY, bytes(range(15))) == 0xa129ca6149be45e5
    vectors = ["310e0edd47db6f72", "fd67dc93c539f874", "5a4fa9d909806c0d", "2d7efbd796666785", "b7877127e09427cf",
               "8da699cd64557618", "cee3fe586e46c9cb", "37d1018bf50002ab", "6224939a79f5f593"]
    assert [siphash24(KEY, bytes(range(n))).to_bytes(8, "little").hex() for n in range(9)] == vectors
    assert siphash24(KEY, bytes(range(12))).to_bytes(8, "little").hex() == "fbe50e86bc8f1e75"      # the way that connections' ends go


def test_siphash_depends_on_key_and_length():
    assert len({siphash24(bytes([k]) * 16, bytes(n)) for k in range(4) for n in range(40)}) == 160


def test_xoshiro_starts_from_the_published_splitmix_numbers():
    # SplitMix64 seeded with 1234567: the numbers that its description gives.
    assert Random(1234567).state() == [
        6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]


def test_xoshiro_steps_as_its_definition_says():
    mask = (1 << 64) - 1

    def rotl(x, k):
        return ((x << k) | (x >> (64 - k))) & mask

    g = Random(7)
    for _ in range(200):
        s = g.state()
        expected = rotl(s[1] * 5 & mask, 7) * 9 & mask
        assert g.u64() == expected
        t = s[1] << 17 & mask
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rotl(s[3], 45)
        assert g.state() == s


def test_random_numbers_below_a_bound_reach_all_of_it():
    g = Random(1)
    assert {g.below(6) for _ in range(200)} == set(range(6))


# Few homes, so that long runs, wrap-around and colliding tags are the rule; some tags differ only above the mask.
tags = st.one_of(st.integers(0, 3), st.integers(60, 66), st.sampled_from([0x40, 0x7f, 0xff, 0x13f, 0xffffffff]))
steps = st.lists(st.tuples(st.sampled_from(["insert", "insert", "remove", "reset?"]), tags, st.integers(0, 15)),
                 max_size=300)


@given(steps)
def test_a_table_behaves_as_a_dict_of_lists(steps):
    t, model = HashTable(150), {}
    for n, (step, tag, pick) in enumerate(steps):
        held = model.setdefault(tag, [])
        if step == "insert":
            assert t.insert(tag, n) == (sum(map(len, model.values())) < 150)
            if sum(map(len, model.values())) < 150:
                held.append(n)
        elif step == "remove":
            index = held[pick % len(held)] if held else 12345
            assert t.remove(tag, index) == bool(held)
            if held:
                held.remove(index)
        elif pick == 0:
            t.reset()
            model.clear()
        assert len(t) == sum(map(len, model.values()))
        assert sorted(t.find(tag)) == sorted(model.get(tag, []))
    for tag, held in model.items():
        assert sorted(t.find(tag)) == sorted(held)


@given(st.integers(0, 2**64 - 1), st.integers(1, 6))
def test_growing_in_place_loses_nothing(seed, clusters):
    g, t = Random(seed), HashTable(1000)
    centres = [g.u64() for _ in range(clusters)]
    pairs = [((centres[g.below(clusters)] + g.below(40)) & 0xffffffff, i) for i in range(1000)]
    sizes = set()
    for done, (tag, index) in enumerate(pairs, 1):
        assert t.insert(tag, index)
        assert 4 * len(t) <= 3 * t.entries
        if t.entries not in sizes:
            sizes.add(t.entries)
            assert all(i in t.find(g) for g, i in pairs[:done])
    assert sizes == {64, 128, 256, 512, 1024, 2048}
    assert not t.insert(1, 1)
    for tag, index in pairs:
        assert t.remove(tag, index)
        assert not t.remove(tag, index)
    assert len(t) == 0
