"""Logging: one JSON object a line in production, readable words in development, the request id in both."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

import orjson

from core.api.middleware import current_request_id

STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "request_id", "taskName"}
# What Django attaches to a record and must not be copied into a log: the request holds headers, and so tokens.
UNLOGGED_FIELDS = frozenset({"request", "server_time"})


# What runs when, line after line: in development these drown what happens.
MACHINERY = ("celery", "kombu", "economy.ledger.anchors")


class RequestIdFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = current_request_id() or "-"
        return True


class JsonFormatter(logging.Formatter):
    """`{"time", "level", "logger", "message", "requestId"?, …extra, "exception"?}`, times in UTC."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (request_id := getattr(record, "request_id", "-")) != "-":
            line["requestId"] = request_id
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        extra = record.__dict__.keys() - STANDARD_FIELDS - UNLOGGED_FIELDS - line.keys()
        line.update({name: record.__dict__[name] for name in sorted(extra)})
        try:
            return orjson.dumps(line, default=str, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS).decode()
        except TypeError:
            # Whole numbers beyond 64 bits, broken characters, keys that are no text: slower, but never lost.
            return json.dumps({name: str(value) for name, value in line.items()})


def logging_config(*, level: str, readable: bool, jobs: bool = True) -> dict[str, Any]:
    """Return a `logging.config.dictConfig` for the service: everything to standard error.

    Without `jobs`, of MACHINERY only warnings and errors, unless the level is DEBUG.
    """
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"request_id": {"()": RequestIdFilter}},
        "formatters": {
            "json": {"()": JsonFormatter},
            "readable": {"format": "%(asctime)s %(levelname)-7s %(name)s [%(request_id)s] %(message)s"},
        },
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "readable" if readable else "json",
                "filters": ["request_id"],
            },
            "null": {"class": "logging.NullHandler"},
        },
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # `runserver` and the admin's autoreloader bring handlers of their own.
            "django": {"handlers": [], "propagate": True},
            "django.server": {"handlers": [], "propagate": True},
            **({name: {"level": "WARNING"} for name in MACHINERY} if level == "INFO" and not jobs else {}),
            # Each is logged as a refusal (`core.api.errors`); Django's line has a stack.
            "django.security.DisallowedHost": {"handlers": ["null"], "propagate": False},
        },
    }
