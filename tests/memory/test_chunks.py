"""Chains of chunks against a bytearray."""
from hypothesis import given, settings
from hypothesis import strategies as st

from usnet.memory.chunks import Chain, ChunkPool

CHUNK = 2048
sizes = st.one_of(st.integers(0, 5), st.integers(0, 3 * CHUNK), st.sampled_from([CHUNK - 1, CHUNK, CHUNK + 1]))
kinds = st.sampled_from(["append", "write", "gap", "drop", "truncate", "peek", "clear"])
steps = st.lists(st.tuples(kinds, sizes, sizes), max_size=60)


def pattern(seed, n):
    return bytes((seed * 31 + i * 7) & 0xff for i in range(n))


def check(chain, model):
    """model: list of byte values, None where nothing was written."""
    assert len(chain) == len(model)
    data = chain.read(0, len(model))
    assert all(m is None or m == d for m, d in zip(model, data, strict=True))


@settings(max_examples=200, deadline=None)
@given(steps)
def test_two_chains_of_one_pool_behave_as_bytearrays(steps):
    pool = ChunkPool(12)
    chains, models = [Chain(pool), Chain(pool)], [[], []]
    for n, (step, a, b) in enumerate(steps):
        which = n % 2 if a % 3 else 0
        chain, model = chains[which], models[which]
        before = len(pool)
        if step in ("append", "write", "gap"):
            at = {"append": len(model), "write": min(a, len(model)), "gap": len(model) + a}[step]
            data = pattern(n, b)
            if chain.write(at, data):
                if data:
                    model.extend([None] * (at + b - len(model)))
                    model[at:at + b] = data
            else:
                assert len(pool) == before
                assert at + b > (12 - before) * CHUNK
        elif step == "drop":
            chain.drop(min(a, len(model)))
            del model[:a]
        elif step == "truncate":
            chain.truncate(a)
            del model[a:]
        elif step == "clear":
            chain.truncate(0)
            model.clear()
        elif step == "peek":
            got = chain.peek(a)
            assert bool(got) == (a < len(model)) and got == chain.read(a, len(got))
        # From anywhere first: a look at the front would hide what went wrong with the chunk found last.
        for at in (max(0, len(model) - a), b):
            got = chain.read(at, 3000)
            assert len(got) == min(3000, max(0, len(model) - at))
            assert all(m is None or m == d for m, d in zip(model[at:], got, strict=False))
        check(chain, model)
        assert len(pool) == chains[0].chunks + chains[1].chunks
        # Never more chunks than the span can touch.
        assert all((len(m) + CHUNK - 1) // CHUNK <= c.chunks <= (len(m) + 2 * CHUNK - 2) // CHUNK * bool(m)
                   for c, m in zip(chains, models, strict=True))
    chain = None
    chains.clear()
    assert len(pool) == 0


def test_a_refused_write_changes_nothing():
    pool = ChunkPool(3)
    c = Chain(pool)
    assert c.append(b"a" * 100)
    assert not c.write(50, b"b" * (3 * CHUNK))
    assert not c.write(3 * CHUNK, b"b")
    assert not c.write(2**31 - 10, b"b" * 20)
    assert not c.write(2**32 - 1, b"bb")
    assert (len(c), c.chunks, len(pool)) == (100, 1, 1)
    assert c.read(0, 1000) == b"a" * 100
    assert c.write(50, b"b" * (3 * CHUNK - 50))


def test_a_gap_is_filled_later():
    c = Chain(ChunkPool(10))
    assert c.write(5000, b"end")
    assert len(c) == 5003 and c.chunks == 3
    assert c.write(0, b"x" * 5000)
    assert c.read(4990, 100) == b"x" * 10 + b"end"


def test_an_empty_chain_starts_at_the_front_of_a_chunk():
    c = Chain(ChunkPool(10))
    c.append(b"x" * 3000)
    c.drop(3000)
    assert c.chunks == 0
    c.append(b"y" * CHUNK)
    assert c.chunks == 1 and c.peek(0) == b"y" * CHUNK


def test_the_chunk_found_last_is_known_by_its_new_place_after_a_drop():
    c = Chain(ChunkPool(20))
    c.append(b"".join(bytes([i]) * CHUNK for i in range(20)))
    for _ in range(5):
        start = c.peek(0)[0]
        assert c.peek(6 * CHUNK)[0] == start + 6
        c.drop(2 * CHUNK)
        assert c.peek(7 * CHUNK)[0] == start + 9
        assert c.peek(4 * CHUNK)[0] == start + 6


def test_the_chunk_found_last_is_forgotten_when_it_goes():
    pool = ChunkPool(20)
    c, other = Chain(pool), Chain(pool)
    c.append(b"a" * 6 * CHUNK)
    assert c.peek(4 * CHUNK)[:1] == b"a"
    c.truncate(2 * CHUNK)
    other.append(b"o" * 8 * CHUNK)
    c.append(b"b" * 6 * CHUNK)
    assert c.peek(4 * CHUNK)[:1] == b"b"
    assert c.peek(3 * CHUNK)[:1] == b"b"
    c.drop(5 * CHUNK)
    c.append(b"c" * 3 * CHUNK)
    assert c.read(0, 9 * CHUNK) == b"b" * 3 * CHUNK + b"c" * 3 * CHUNK
    assert other.read(0, 9 * CHUNK) == b"o" * 8 * CHUNK


def test_reading_on_and_going_back_in_a_long_chain():
    c = Chain(ChunkPool(300))
    data = b"".join(i.to_bytes(4, "big") for i in range(100_000))
    assert c.append(data)
    for at in (0, 1448, 200_000, 201_448, 1448, 399_000, 250_000):
        assert c.read(at, 1448) == data[at:at + 1448]
        c.drop(4)
        data = data[4:]
    c.drop(250_000)
    assert c.read(0, 1448) == data[250_000:251_448]
