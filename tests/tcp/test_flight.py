"""When what is out was sent (recovery/flight): a record a burst."""

import pytest
from usnet.tcp.recovery.flight import Flight

MOST = 64


def bursts(n, *, una=0, size=100, **kwargs):
    """n bursts of `size` numbers, the i-th at time 10 i + 10."""
    flight = Flight(una, **kwargs)
    for i in range(n):
        flight.send(size, 10 * i + 10)
    return flight


def test_one_burst_needs_no_record():
    flight = bursts(1)
    flight.send(50, 10)
    assert not flight.held()
    assert [flight.sent_at(seq) for seq in (0, 99, 149)] == [10, 10, 10]
    assert (flight.until(9), flight.until(10)) == (0, 150)


def test_each_burst_but_the_newest_has_one():
    flight = Flight()
    for size, at in ((100, 10), (200, 10), (100, 25), (50, 40)):
        flight.send(size, at)
    assert flight.records() == [(300, 10), (400, 25)]
    assert [flight.sent_at(seq) for seq in (0, 299, 300, 399, 400, 449)] == [10, 10, 25, 25, 40, 40]
    assert [flight.until(at) for at in (9, 10, 24, 25, 39, 40, 99)] == [0, 300, 300, 400, 400, 450, 450]


def test_records_of_what_was_acknowledged_go_when_the_next_burst_begins():
    flight = bursts(4)
    flight.acknowledge(250)
    assert flight.records() == [(100, 10), (200, 20), (300, 30)]
    assert (flight.sent_at(249), flight.sent_at(250), flight.until(29)) == (30, 30, 250)
    flight.send(100, 50)
    assert flight.records() == [(300, 30), (400, 40)]
    assert [flight.sent_at(seq) for seq in (250, 299, 300, 400)] == [30, 30, 40, 50]


def test_where_all_is_acknowledged_nothing_is_held():
    flight = bursts(3)
    flight.acknowledge(300)
    flight.send(100, 99)
    assert (flight.held(), flight.sent_at(300)) == (False, 99)
    flight = bursts(3, rates=True)
    flight.acknowledge(300)
    flight.send(100, 99)
    assert (flight.records(), flight.sent_at(300)) == ([], 99)


@pytest.mark.parametrize("una", [0, 2**32 - 450])
def test_the_ring_goes_round(una):
    """Many times its length, with two or three bursts out, and numbers that wrap."""
    flight, end = bursts(2, una=una), una + 200
    for i in range(3, 10 * MOST):
        flight.send(100, 10 * i)
        end += 100
        flight.acknowledge(100)
        assert flight.sent_at((end - 150) % 2**32) == 10 * (i - 1)
        assert flight.sent_at((end - 1) % 2**32) == 10 * i
        assert flight.until(10 * i - 1) == (end - 100) % 2**32
        assert len(flight.records()) <= 3


def test_where_there_are_too_many_neighbours_become_one_that_knows_the_first_and_the_last_time():
    """As long as a sixteenth of the flight's time is not exceeded: here, of four."""
    flight = bursts(MOST + 1)
    assert len(flight.records()) == MOST
    flight.send(100, 9999)
    assert flight.records() == [(400 * i, 40 * i) for i in range(1, MOST // 4 + 1)] + [(100 * (MOST + 1), 10 * (MOST + 1))]
    assert [flight.sent_at(seq) for seq in (0, 399, 400, 6400, 6500)] == [40, 40, 80, 650, 9999]
    assert [flight.sent_since(seq) for seq in (0, 399, 400, 6400, 6500)] == [10, 10, 50, 650, 9999]
    assert [flight.until(at) for at in (39, 40, 79, 80)] == [0, 400, 400, 800]


def test_they_are_merged_wherever_the_ring_begins():
    flight = bursts(40)
    flight.acknowledge(3900)
    for i in range(40, 40 + MOST + 1):
        flight.send(100, 10 * i + 10)
    records = flight.records()
    assert records == [(400 * i + 3900, 40 * i + 390) for i in range(1, MOST // 4 + 1)] + [(10400, 1040)]
    assert all((flight.sent_at(end - 1), flight.sent_since(end - 1)) == (at, at - 30) for end, at in records[:-1])


def test_what_is_told_lies_on_both_sides_of_the_truth():
    """However often they are merged, and not far from it."""
    flight = bursts(5 * MOST)
    far = 10 * 5 * MOST // 8
    for i in range(5 * MOST):
        sent = 10 * i + 10
        assert sent - far <= flight.sent_since(100 * i + 50) <= sent <= flight.sent_at(100 * i + 50) <= sent + far


def test_numbers_wrap():
    flight = bursts(4, una=2**32 - 150)
    assert flight.records() == [(2**32 - 50, 10), (50, 20), (150, 30)]
    assert [flight.sent_at(seq) for seq in (2**32 - 150, 2**32 - 51, 2**32 - 50, 2**32 - 1, 0, 49, 50, 150)] == [10, 10, 20, 20, 20, 20, 30, 40]
    assert [flight.until(at) for at in (5, 10, 20, 30)] == [2**32 - 150, 2**32 - 50, 50, 150]


def test_what_a_rate_sample_needs_is_as_it_was_when_each_burst_left():
    flight = Flight(rates=True)
    flight.send(100, 10)
    flight.send(300, 20)
    flight.acknowledge(100)
    flight.send(200, 30)
    flight.send(50, 40)
    assert [flight.burst_of(seq)[0] for seq in (100, 400, 600)] == [0, 100, 100]
    assert [flight.burst_of(seq)[1] for seq in (100, 400)] == [400, 500]
