"""Is the process alive, and is it ready to serve?"""

import logging
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from celery import current_app
from django.core.cache import cache, caches
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from rest_framework import serializers
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.api.errors import render
from core.api.json import dumps
from core.api.openapi import operation
from core.caching import RedisOrMemory
from core.db.sql import fetch_value
from core.jobs.runs import histories, shown
from core.jobs.scheduling import late_jobs
from markets import rules as market_rules
from markets.feed.selectors import feed_health

logger = logging.getLogger(__name__)
BROKER_TIMEOUT_SECONDS = 2
OK, UNAVAILABLE, DEGRADED = "ok", "unavailable", "degraded"
_migrated = False


@csrf_exempt
def health(request: HttpRequest) -> HttpResponse:
    """Respond that the process is alive; nothing else is checked."""
    if request.method not in ("GET", "HEAD"):
        refusal = render(MethodNotAllowed(str(request.method)), request)
        refusal["Allow"] = "GET, HEAD"
        return refusal
    body = dumps({"status": "ok", "timestamp": timezone.now()})
    return HttpResponse(body, content_type="application/json", headers={"Cache-Control": "no-store"})


class JobStateSerializer(serializers.Serializer[Any]):
    status = serializers.CharField(help_text="Of the newest run.")
    startedAt = serializers.DateTimeField()
    lastSuccessAt = serializers.DateTimeField(allow_null=True)
    brokenObjects = serializers.IntegerField(min_value=0, help_text="How many its last success had to skip.")


class LateJobSerializer(serializers.Serializer[Any]):
    job = serializers.CharField()
    lastSuccessAt = serializers.DateTimeField(allow_null=True)
    dueAt = serializers.DateTimeField()


class ReadinessSerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=["ready", DEGRADED, UNAVAILABLE])
    checks = serializers.DictField(child=serializers.ChoiceField(choices=[OK, UNAVAILABLE]))
    jobs = serializers.DictField(child=JobStateSerializer())
    details = LateJobSerializer(many=True, required=False, help_text="Jobs that are late, where some are.")


class ReadyView(APIView):
    authentication_classes = ()
    permission_classes = (AllowAny,)

    @operation(
        operation_id="ready",
        summary="Each dependency's state, and the last success of each job",
        responses={200: ReadinessSerializer, 503: ReadinessSerializer},
        tags=["system"],
    )
    def get(self, request: Request) -> Response:
        checks = {name: check_result(name, check) for name, check in CHECKS.items()}
        # A database that is away is tried once: each try may take as long as connecting may.
        checks["migrations"] = check_result("migrations", check_migrations) if checks["database"] == OK else UNAVAILABLE
        status = "ready" if all(state == OK for state in checks.values()) else UNAVAILABLE
        history = histories() if checks["migrations"] == OK else {}
        late = late_jobs(history, now=timezone.now()) if checks["migrations"] == OK else []
        body: dict[str, Any] = {"status": status, "checks": checks, "jobs": shown(history)}
        if market_rules.FEED_ENABLED and checks["migrations"] == OK:
            checks["feed"] = check_result("feed", check_feed)
            body["status"] = DEGRADED if status == "ready" and checks["feed"] != OK else status
        if late:
            body["details"] = [
                {"job": job.job, "lastSuccessAt": job.last_success_at, "dueAt": job.due_at} for job in late
            ]
            body["status"] = DEGRADED if status == "ready" else status
        return Response(body, status=200 if body["status"] == "ready" else 503, headers={"Cache-Control": "no-store"})


class HelloView(APIView):
    authentication_classes = ()
    permission_classes = (AllowAny,)

    @operation(operation_id="hello", summary="A greeting", responses={200: dict[str, str]}, tags=["system"])
    def get(self, request: Request) -> Response:
        return Response({"message": "Hello from THISTHAT"}, headers={"Cache-Control": "public, max-age=3600"})


def check_result(name: str, check: Callable[[], None]) -> str:
    try:
        check()
    except Exception as exc:  # noqa: BLE001 - whatever it is, the dependency counts as away
        logger.warning("not ready: %s: %s", name, exc)
        return UNAVAILABLE
    return OK


def check_database() -> None:
    if fetch_value("SELECT current_setting('transaction_read_only')") != "off":
        raise RuntimeError("it takes no writes")


def check_migrations() -> None:
    # Reading all migrations takes tens of milliseconds; once applied they stay so for this process's life.
    global _migrated  # noqa: PLW0603
    if not _migrated:
        executor = MigrationExecutor(connection)
        pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if pending:
            raise RuntimeError(f"{len(pending)} migrations are not applied")
        _migrated = True


def check_cache() -> None:
    shared = caches["default"]
    if isinstance(shared, RedisOrMemory):
        # What is written while Redis is away is kept all the same, in memory.
        shared.ping()
    token = uuid4().hex
    cache.set(f"ready:{token}", token, timeout=10)
    if cache.get(f"ready:{token}") != token:
        raise RuntimeError("the cache doesn't keep what it is given")


def check_broker() -> None:
    with current_app.connection_for_write() as broker:
        broker.ensure_connection(max_retries=0, timeout=BROKER_TIMEOUT_SECONDS)


def check_feed() -> None:
    """Raise RuntimeError where odds are refreshed every half minute only: nothing fails for it."""
    now = timezone.now()
    if not feed_health(now=now).is_healthy(now=now):
        raise RuntimeError("no price feed, or a silent one")


CHECKS: dict[str, Callable[[], None]] = {
    "database": check_database,
    "cache": check_cache,
    "broker": check_broker,
}
