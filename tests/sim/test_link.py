"""Links: exact times, queues, luck, changes at run time."""
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sim.worlds import collect, frame, number, pair, send_each
from usnet.backends.sim.network import Network


def test_a_frame_arrives_after_its_transmission_and_the_delay():
    net, a, _, _, arrivals = pair(rate="10Mbit", delay="20ms")
    a.send(frame(1, 1500))
    net.run()
    assert arrivals == [(1_200_000 + 20_000_000, frame(1, 1500))]


def test_without_a_rate_frames_arrive_together_after_the_delay():
    net, a, _, _, arrivals = pair(delay="3us")
    for n in range(5):
        a.send(frame(n))
    net.run()
    assert [(t, number(data)) for t, data in arrivals] == [(3000, n) for n in range(5)]


offers_in_10_ms = st.lists(st.tuples(st.integers(0, 10**7), st.integers(18, 1514)), min_size=1, max_size=40)


@given(st.integers(1000, 10**9), offers_in_10_ms, st.integers(-14, 40))
def test_transmissions_follow_each_other_exactly_to_the_nanosecond(rate, offers, overhead):
    offers.sort(key=lambda offer: offer[0])
    net, a, _, _, arrivals = pair(rate=rate, delay=77, overhead=overhead)
    for n, (t, size) in enumerate(offers):
        net.call_at(t, a.send, frame(n, size))
    net.run()
    expected, free = [], Fraction(0)
    for t, size in offers:
        free = (Fraction(t) if int(free) <= t else free) + Fraction(max(size + overhead, 0) * 8 * 10**9, rate)
        expected.append(int(free) + 77)
    assert [t for t, _ in arrivals] == expected


def test_the_two_directions_have_their_own_models():
    net = Network()
    a, b = net.port("a"), net.port("b")
    net.link(a, b, delay="1ms", up={"delay": "5ms"}, down={"rate": "8kbit"})
    at_a, at_b = collect(a), collect(b)
    a.send(frame(1))
    b.send(frame(2, 100))
    net.run()
    assert [t for t, _ in at_b] == [5_000_000]
    assert [t for t, _ in at_a] == [100_000_000 + 1_000_000]


def reference_queue(offers, took, packets, octets):
    """Drop-tail by the book: which frames get through. The one in transmission does not count."""
    through, starts, free = [], [], 0
    for n, (t, size) in enumerate(offers):
        waiting = [length for start, length in starts if start > t]
        if free > t and (len(waiting) >= packets or sum(waiting) + size > octets):
            continue
        start = max(free, t)
        free = start + took(size)
        starts.append((start, size))
        through.append(n)
    return through


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(18, 200)), max_size=60),
       st.integers(0, 6), st.integers(0, 600))
def test_a_full_queue_drops_at_its_tail_exactly(offers, packets, octets):
    offers = sorted(((t * 1000, size) for t, size in offers), key=lambda offer: offer[0])
    net, a, _, link, arrivals = pair(rate="800Mbit", queue={"packets": packets, "bytes": octets})
    for n, (t, size) in enumerate(offers):
        net.call_at(t, a.send, frame(n, size))
    net.run()
    expected = reference_queue(offers, lambda size: size * 10, packets, octets)
    assert [number(data) for _, data in arrivals] == expected
    assert link.up.statistics()["dropped"]["queue"] == len(offers) - len(expected)


def test_the_queue_is_empty_again_at_the_instant_in_which_a_transmission_begins():
    net, a, _, link, _ = pair(rate="8Mbit", queue=1)
    seen = []
    for n in range(3):
        a.send(frame(n, 100))
    seen.append((link.up.queue_packets, link.up.queue_bytes, link.up.busy))
    net.call_at(99_999, lambda: seen.append(link.up.queue_packets))
    net.call_at(100_000, lambda: seen.append(link.up.queue_packets))
    net.call_at(200_000, lambda: seen.append(link.up.busy))
    net.run()
    assert seen == [(1, 100, True), 1, 0, False]
    assert link.up.statistics()["dropped"]["queue"] == 1


def lost(net_seed=0, n=400, names=("a", "b"), **model):
    net, a, _, link, arrivals = pair(net_seed, **model)
    send_each(net, a, range(0, 1000 * n, 1000))
    net.run()
    return set(range(n)) - {number(data) for _, data in arrivals}, link


def test_random_loss_is_a_function_of_the_seed():
    first, link = lost(5, loss=0.1)
    assert 15 < len(first) < 75
    assert link.up.statistics()["dropped"]["loss"] == len(first)
    assert lost(5, loss=0.1)[0] == first
    assert lost(6, loss=0.1)[0] != first


def test_higher_loss_loses_what_lower_loss_loses_and_more():
    assert lost(loss=0.02)[0] < lost(loss=0.2)[0]


def test_extremes_of_chance():
    assert lost(loss=0)[0] == set()
    assert len(lost(loss=1)[0]) == 400


def two_links(**first):
    net = Network(3)
    results = []
    for i, model in enumerate((first, {"loss": 0.2, "duplicate": 0.1, "corrupt": 0.1, "jitter": "1ms"})):
        a, b = net.port(f"a{i}"), net.port(f"b{i}")
        net.link(a, b, delay="1ms", **model)
        results.append(collect(b))
        send_each(net, a, range(0, 300_000, 1000))
    net.run()
    return results


def test_changing_one_links_luck_leaves_the_other_links_fates_unchanged():
    quiet, noisy = two_links(), two_links(loss=0.5, jitter="5ms", duplicate=0.3, corrupt=0.2)
    assert quiet[0] != noisy[0]
    assert quiet[1] == noisy[1]


def test_links_and_directions_have_their_own_luck():
    net = Network()
    arrivals = []
    for i in range(2):
        a, b = net.port(f"a{i}"), net.port(f"b{i}")
        net.link(a, b, loss=0.5)
        arrivals += [collect(a), collect(b)]
        for port in (a, b):
            send_each(net, port, range(0, 100_000, 1000))
    net.run()
    assert len({tuple(number(data) for _, data in seen) for seen in arrivals}) == 4


def test_what_one_purpose_draws_moves_no_other():
    plain, _ = lost(loss=0.1)
    assert lost(loss=0.1, jitter="1ms", duplicate=0.5)[0] == plain


def test_corruption_flips_one_bit_behind_the_ethernet_header():
    net, a, _, link, arrivals = pair(corrupt=1)
    for n in range(200):
        net.call_at(n * 10, a.send, frame(0, 60))
    net.run()
    sent, places = int.from_bytes(frame(0, 60), "big"), Counter()
    for _, data in arrivals:
        flipped = bin(int.from_bytes(data, "big") ^ sent)[2:]
        assert flipped.count("1") == 1
        places[60 * 8 - len(flipped)] += 1
    assert min(places) >= 14 * 8
    assert len(places) > 100
    assert link.up.statistics()["corrupted"] == 200


def test_duplicates_arrive_right_behind():
    net, a, _, link, arrivals = pair(duplicate=1, delay="1us")
    a.send(frame(1))
    a.send(frame(2))
    net.run()
    assert [number(data) for _, data in arrivals] == [1, 1, 2, 2]
    assert link.up.statistics()["duplicated"] == 2


def test_jitter_delays_up_to_its_bound_and_keeps_the_order():
    net, a, _, link, arrivals = pair(delay="1ms", jitter="2ms")
    send_each(net, a, range(0, 400_000, 1000))
    net.run()
    assert [number(data) for _, data in arrivals] == list(range(400))
    assert all(1_000_000 <= t - 1000 * n <= 3_000_000 for n, (t, _) in enumerate(arrivals))
    assert link.up.statistics()["reordered"] == 0


def test_jitter_reorders_when_it_may():
    net, a, _, link, arrivals = pair(delay="1ms", jitter="2ms", reorder=True)
    send_each(net, a, range(0, 400_000, 1000))
    net.run()
    order = [number(data) for _, data in arrivals]
    assert sorted(order) == list(range(400)) and order != sorted(order)
    assert all(1_000_000 <= t - 1000 * number(data) <= 3_000_000 for t, data in arrivals)
    extremes = [t - 1000 * number(data) for t, data in arrivals]
    assert min(extremes) < 1_050_000 and max(extremes) > 2_950_000
    assert link.up.statistics()["reordered"] > 0


def test_frames_above_the_mtu_are_dropped_and_counted():
    net, a, _, link, arrivals = pair(mtu=1000)
    a.send(frame(1, 14 + 1000))
    a.send(frame(2, 14 + 1001))
    tagged = bytearray(frame(3, 18 + 1000))
    tagged[12:14] = b"\x81\x00"
    a.send(bytes(tagged))
    a.send(bytes(tagged) + b"x")
    net.run()
    assert [len(data) for _, data in arrivals] == [1014, 1018]
    assert link.up.statistics()["dropped"]["mtu"] == 2


def test_explicit_fates_drop_exactly_the_frames_they_name():
    net, a, b, link, arrivals = pair(fates=[{"at": "a->b", "match": {"nth": "3..4"}, "do": "drop"}])
    at_a = collect(a)
    for n in range(1, 7):
        a.send(frame(n))
        b.send(frame(n))
    net.run()
    assert [number(data) for _, data in arrivals] == [1, 2, 5, 6]
    assert [number(data) for _, data in at_a] == [1, 2, 3, 4, 5, 6]
    assert link.up.statistics()["dropped"]["fate"] == 2


def test_fates_delay_duplicate_and_corrupt():
    net, a, _, _, arrivals = pair(delay="1ms", fates=[
        {"match": {"nth": 1}, "do": "delay(5ms)"},
        {"match": {"nth": 2}, "do": "dup(2, 10us)"},
        {"match": {"nth": 3}, "do": "corrupt(0)"},
    ])
    for n in range(1, 4):
        a.send(frame(n))
    net.run()
    assert [(t, number(data) & 0x7fffffff) for t, data in arrivals] == [
        (1_000_000, 2), (1_000_000, 3), (1_010_000, 2), (1_020_000, 2), (6_000_000, 1)]
    assert arrivals[1][1][14] == 0x80


def test_a_held_frame_arrives_behind_as_many_later_ones_as_asked():
    net, a, _, _, arrivals = pair(delay="1ms", fates=[{"match": {"nth": 2}, "do": "reorder(2, 1s)"}])
    send_each(net, a, [n * 1000 for n in range(1, 7)], first=1)
    net.run()
    assert [number(data) for _, data in arrivals] == [1, 3, 4, 2, 5, 6]
    assert arrivals[3][0] == arrivals[2][0]
    assert net.now == 6000 + 1_000_000


def test_a_held_frame_is_let_go_in_time_when_none_follow():
    net, a, _, _, arrivals = pair(delay="1ms", fates=[{"match": {"nth": 2}, "do": "reorder(2, 50ms)"}])
    for n in range(1, 4):
        a.send(frame(n))
    net.run()
    assert [(t, number(data)) for t, data in arrivals] == [(1_000_000, 1), (1_000_000, 3), (51_000_000, 2)]


def test_a_new_rate_holds_for_the_frames_that_still_wait():
    net, a, _, link, arrivals = pair(rate="8Mbit", delay="1ms")
    for n in range(4):
        a.send(frame(n, 100))
    net.call_at(150_000, lambda: link.up.change(rate="80Mbit"))
    net.run()
    assert [t - 1_000_000 for t, _ in arrivals] == [100_000, 200_000, 210_000, 220_000]
    assert link.up.statistics()["busy_ns"] == 220_000


def test_frames_that_a_new_rate_moves_take_their_places_among_ties_anew():
    net, a, _, link, _ = pair(rate="8Mbit", delay="1ms")
    c, d = net.port("c"), net.port("d")
    other = net.link(c, d, delay=1_098_400)
    net.logging = True
    send_each(net, a, [0] * 6)
    send_each(net, c, [100_000])
    net.call_at(150_000, lambda: link.up.change(rate="80Mbit"))
    net.run()
    delivered = [(int(row["time"]), int(row["link"])) for row in net.event_log() if row["what"] == 1]
    assert delivered[3:5] == [(1_198_400, other.number), (1_198_400, link.number)]
    assert [t for t, n in delivered if n == link.number] == [1_064_000, 1_128_000, 1_192_000, 1_198_400, 1_204_800, 1_211_200]


def test_a_lower_rate_makes_the_waiting_frames_later():
    net, a, _, link, arrivals = pair(rate="8Mbit", delay="1ms")
    for n in range(3):
        a.send(frame(n, 100))
    net.call_at(50_000, lambda: link.up.change(rate="4Mbit"))
    net.run()
    assert [t - 1_000_000 for t, _ in arrivals] == [100_000, 300_000, 500_000]
    assert net.statistics()["frames_in_flight"] == 0


def test_a_shorter_delay_does_not_let_frames_overtake():
    net, a, _, link, arrivals = pair(delay="10ms")
    net.call_at(0, a.send, frame(0))
    net.call_at(1000, lambda: link.change(delay="1ms"))
    net.call_at(2000, a.send, frame(1))
    net.call_at(10_000_000, a.send, frame(2))
    net.run()
    assert [(t, number(data)) for t, data in arrivals] == [(10_000_000, 0), (10_000_000, 1), (11_000_000, 2)]


def test_unplugging_loses_what_is_queued_and_under_way_and_the_ports_see_it():
    net, a, b, link, arrivals = pair(rate="8Mbit", delay="1ms")
    for n in range(3):
        a.send(frame(n, 100))
    states = []
    net.call_at(250_000, link.unplug)
    net.call_at(300_000, lambda: states.append((a.link_up, b.link_up, link.up.queue_packets, a.send(frame(9)))))
    net.call_at(2_000_000, link.plug)
    net.call_at(2_000_001, lambda: states.append((a.link_up, b.link_up, a.send(frame(7, 100)))))
    net.run()
    assert states == [(False, False, 0, True), (True, True, True)]
    assert [(t, number(data)) for t, data in arrivals] == [(3_100_001, 7)]
    assert link.up.statistics()["dropped"]["down"] == 4
    assert net.statistics()["frames_in_flight"] == 0


def test_a_link_with_a_wrong_setting_is_refused_and_one_that_exists_is_not_changed():
    net, a, b, link, _ = pair(rate="8Mbit")
    with pytest.raises(ValueError, match="no colour"):
        link.up.change(colour="red")
    with pytest.raises(ValueError, match="probability"):
        link.up.change(rate="1Mbit", loss=2)
    assert link.up.rate == 8_000_000
    with pytest.raises(ValueError, match="has a link already"):
        net.link(a, b)
    with pytest.raises(ValueError):
        net.link(net.port("c"), net.port("d"), loss="x")


def test_frames_in_flight_are_not_limited_in_number():
    net, a, _, _, arrivals = pair(delay="1s", rings={"slots": 4096})
    for n in range(5000):
        net.call_at(n * 10, a.send, frame(n, 18 + n % 1400))
    net.run("500ms")
    assert net.statistics()["frames_in_flight"] == 5000
    net.run()
    assert [number(data) for _, data in arrivals] == list(range(5000))
    assert net.statistics()["frames_in_flight"] == 0
