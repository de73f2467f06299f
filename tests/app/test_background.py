"""Decoding ahead and writing behind."""
import itertools
import threading
import time

import pytest

from app.background import DEPTH, Ahead, Behind


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    left = [t.name for t in threading.enumerate() if t not in before]
    assert not left, f'threads left: {left}'


def test_items_come_in_order_and_all_of_them():
    with Ahead(range(100)) as items:
        assert list(items) == list(range(100))
    done = []
    with Behind(done.append) as behind:
        for i in range(100):
            behind.put(i)
    assert done == list(range(100))


def test_only_a_few_items_are_fetched_ahead():
    fetched = itertools.count()
    latest = [0]

    def source():
        for i in fetched:
            latest[0] = i
            yield i

    with Ahead(source()) as items:
        next(iter(items))
        time.sleep(0.3)
        assert latest[0] <= DEPTH + 2, f'{latest[0]} items were fetched while one was used'


def test_an_error_of_the_source_arrives_after_the_items_before_it():
    def source():
        yield 1
        raise OSError('gone')

    seen = []
    with pytest.raises(OSError, match='gone'), Ahead(source()) as items:
        for item in items:
            seen.append(item)
    assert seen == [1]


def test_an_error_in_writing_stops_the_run_and_drops_what_follows():
    done = []

    def work(item):
        if item == 3:
            raise OSError('full')
        done.append(item)

    with pytest.raises(OSError, match='full'):
        with Behind(work) as behind:
            for i in range(1000):
                behind.put(i)
    assert done == [0, 1, 2]


def test_leaving_by_an_error_does_not_wait_for_the_rest():
    slow = []

    def work(item):
        time.sleep(0.05)
        slow.append(item)

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        with Behind(work) as behind:
            for i in range(DEPTH):
                behind.put(i)
            raise KeyboardInterrupt
    assert time.monotonic() - start < 1 and len(slow) <= DEPTH


def test_leaving_early_ends_the_thread_that_fetches():
    with Ahead(itertools.count()) as items:
        assert next(iter(items)) == 0
