"""What a timer keeps: the entries that may still be called, in their order, and no other."""

from itertools import islice

from kombu.asynchronous.timer import Timer

from gristmill.workers.celery.sweep_timers import sweep


def test_cancelled_entries_are_dropped_and_the_others_are_called_in_their_order() -> None:
    timer = Timer()
    called: list[int] = []
    for number in range(50):
        entry = timer.call_after(number - 100, called.append, (number,))  # due long since
        if number % 3:
            entry.cancel()
    sweep(timer)
    assert len(timer) == 17
    for _, due in islice(timer, 17):
        assert due is not None
        due()
    assert called == list(range(0, 50, 3))
