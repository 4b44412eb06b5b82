"""The clock: jobs go to the queue when their time comes, and are done here while the queue is away.

A job that both a worker and the clock come to do is done once: each run takes the job's lock.
"""

import logging
from collections.abc import Callable
from threading import BoundedSemaphore, Lock, Thread
from typing import Any

from celery import current_app
from celery.beat import SchedulingError
from django.db import connections
from django_celery_beat.schedulers import DatabaseScheduler
from kombu.exceptions import KombuError

from core.resilience.circuit import Circuit

logger = logging.getLogger(__name__)
AT_ONCE = 2
_queue = Circuit("the queue", instead="the clock does the jobs itself")
_turns = BoundedSemaphore(AT_ONCE)
_lock = Lock()
_doing: set[str] = set()


class Scheduler(DatabaseScheduler):  # type: ignore[misc]  # django-celery-beat has no types
    # A message takes a connection when it is sent. Beat's own would wait for the queue, and the clock stand still.
    producer = None

    def apply_async(self, entry: Any, **kwargs: Any) -> Any:
        return send_or_do_here(entry.task, lambda: super(Scheduler, self).apply_async(entry, **kwargs))


def send_or_do_here(task: str, send: Callable[[], Any]) -> Any:
    """What `send` returns; None where the job is done here."""
    if _queue.allows():
        try:
            sent = send()
        except (SchedulingError, KombuError, OSError) as exc:
            _queue.failed(exc)
        else:
            _queue.succeeded()
            return sent
    return do_here(task)


def do_here(task: str) -> None:
    """In a thread that holds up neither the clock nor its end; never twice at once."""
    with _lock:
        if task in _doing:
            return
        _doing.add(task)
    Thread(target=do, args=[task], daemon=True).start()


def do(task: str) -> None:
    try:
        with _turns:
            current_app.tasks[task].apply(throw=True)
    except Exception as exc:  # noqa: BLE001 - as a worker does: the job's next run tries again
        logger.warning("%s failed: %s", task, exc)
    finally:
        connections.close_all()
        with _lock:
            _doing.discard(task)
