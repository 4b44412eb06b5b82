"""The entry point of the web server."""

import gc
import resource
import sys

from django.conf import settings

from thisthat.wsgi import application as django

# These need the settings, which the line above has loaded.
from core.backends import bound_statements  # isort: skip
from ops.serving.asgi import BufferedApplication, Limits  # isort: skip
from ops.serving.service import DjangoService  # isort: skip


def allow_many_connections() -> None:
    """Raise this process's limit of open files as far as the system allows: each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard and sys.platform != "darwin":
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


allow_many_connections()
bound_statements(settings.DATABASES["default"], seconds=settings.WEB_STATEMENT_TIMEOUT)
application = BufferedApplication(
    DjangoService(django),
    Limits(
        threads=settings.WEB_THREADS,
        queue_length=settings.WEB_QUEUE,
        queue_seconds=settings.WEB_QUEUE_TIMEOUT,
        body_seconds=settings.WEB_BODY_TIMEOUT,
        request_seconds=settings.WEB_REQUEST_TIMEOUT,
    ),
)
# What is loaded by now stays: the garbage collector need not look through it again and again.
gc.collect()
gc.freeze()
