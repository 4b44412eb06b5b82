"""The queues of background jobs, and sending tasks to them at no risk to the sender."""

from typing import Any

from celery import Task, current_app
from kombu import Producer
from kombu.exceptions import KombuError

from core.backends import QUICK_BROKER_OPTIONS
from core.resilience import CircuitBreaker

# What pays, and what decides who is paid, has a queue and workers of its own: a flood of the rest delays none of it.
PAYMENTS, DEFAULT = "payments", "default"
QUEUES = (PAYMENTS, DEFAULT)

_breaker = CircuitBreaker("the queue", fallback="tasks that are sent best effort wait for the sweeps")


def enqueue_best_effort(task: "Task[Any, Any]", *args: Any) -> bool:
    """Enqueue the task, or don't while the queue is away; return whether it was enqueued.

    Never raises for a queue that is away, and takes half a second at most. For what a periodic sweep would find anyway.
    """
    if not _breaker.allows():
        return False
    try:
        with current_app.connection_for_write(transport_options=QUICK_BROKER_OPTIONS) as connection:
            task.apply_async(args, producer=Producer(connection, auto_declare=False), retry=False)
    except (KombuError, OSError) as exc:
        _breaker.record_failure(exc)
        return False
    _breaker.record_success()
    return True
