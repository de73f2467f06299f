"""The newest item wins, nothing queues, and what was dropped is counted."""
from __future__ import annotations

import threading
import time

import pytest

from app.live.newest import Newest

SOON = 20.0  # seconds for what takes a fraction of one


@pytest.fixture
def place():
    return Newest()


def taken_on_a_thread(place, timeout=None):
    """Begin `place.take(timeout)` on a thread -> the thread, and a list that gets what it gave."""
    got = []
    thread = threading.Thread(target=lambda: got.append(place.take(timeout)), daemon=True)
    thread.start()
    return thread, got


def test_the_newest_of_many_is_taken_and_the_others_are_counted_as_dropped(place):
    for number in range(7):
        place.put(number)
    assert place.take(0) == 6 and place.dropped == 6
    assert place.take(0) is None, 'an item was given out twice'


def test_nothing_is_dropped_when_each_is_taken_in_time(place):
    for number in range(5):
        place.put(number)
        assert place.take(0) == number
    assert place.dropped == 0


def test_looking_leaves_the_item_and_clearing_does_not_count_as_dropped(place):
    place.put('a')
    assert place.peek() == 'a' and place.peek() == 'a'
    place.clear()
    assert place.take(0) is None and place.dropped == 0


def test_whoever_waits_gets_an_item_that_comes_later(place):
    thread, got = taken_on_a_thread(place)
    place.put('late')
    thread.join(SOON)
    assert got == ['late']


def test_waiting_ends_after_its_time(place):
    start = time.monotonic()
    assert place.take(0.05) is None
    assert time.monotonic() - start >= 0.045, 'it came back before its time'


@pytest.mark.parametrize('end', ['wake', 'close'])
def test_waiting_can_be_ended_from_outside(place, end):
    thread, got = taken_on_a_thread(place)
    getattr(place, end)()
    thread.join(SOON)
    assert got == [None]


def test_a_wake_before_the_waiting_is_not_lost_but_counts_once(place):
    place.wake()
    assert place.take(SOON) is None, 'the call before the waiting was forgotten'
    thread, got = taken_on_a_thread(place, 0.05)
    thread.join(SOON)
    place.put('after')
    assert got == [None] and place.take(0) == 'after'


def test_after_closing_nothing_is_kept_and_nobody_waits(place):
    place.put('a')
    place.close()
    place.put('b')
    assert place.closed and place.take() is None and place.dropped == 0


def test_under_load_what_was_put_is_taken_or_dropped_and_the_order_stays(place):
    taken, total = [], 20_000

    def take_all():
        while (item := place.take()) is not None:
            taken.append(item)

    thread = threading.Thread(target=take_all, daemon=True)
    thread.start()
    for number in range(total):
        place.put(number)
    deadline = time.monotonic() + SOON
    while place.peek() is not None and time.monotonic() < deadline:
        time.sleep(0.001)
    place.close()
    thread.join(SOON)
    assert taken == sorted(taken), 'an older item came after a newer one'
    assert len(taken) + place.dropped == total, f'{len(taken)} taken and {place.dropped} dropped of {total}'
    assert taken[-1] == total - 1, f'the last one taken is {taken[-1]}, the newest was {total - 1}'
