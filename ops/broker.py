"""Without Redis the queues are folders, which have to be there before workers and clock start at once."""

from pathlib import Path

from celery import current_app
from django.conf import settings


def prepare_broker() -> None:
    """Makes folders and queues; with Redis there is nothing to make.

    Workers that met a new folder at once would write its tables over each other.
    """
    if settings.REDIS_URL:
        return
    for folder in settings.CELERY_BROKER_TRANSPORT_OPTIONS.values():
        if isinstance(folder, Path):
            folder.mkdir(parents=True, exist_ok=True)
    with current_app.connection_for_write() as connection:
        for queue in current_app.conf.task_queues:
            queue(connection.default_channel).declare()
