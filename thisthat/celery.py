"""Celery and the schedule: what runs when, and on which queue."""

import os
import signal
from functools import partial
from typing import Any

from celery import Celery
from celery.schedules import crontab
from celery.signals import beat_init, setup_logging
from django.utils import timezone
from kombu import Exchange, Queue

from core.jobs.queues import DEFAULT, PAYMENTS, QUEUES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "thisthat.settings")

app = Celery("thisthat")
app.config_from_object("django.conf:settings", namespace="CELERY")

PAYING = (
    "betting.settle_market",
    "betting.settle_markets",
    "economy.close_worthless_holdings",
    "economy.reward_active_users",
    "markets.check_markets",
    "markets.resolve",
    "purchases.reconcile",
    "purchases.retry_events",
)
app.conf.update(
    timezone="UTC",
    task_ignore_result=True,
    # There are no results to clean up: this would have beat add a job for it.
    result_expires=None,
    task_queues=[Queue(name, Exchange(name), routing_key=name) for name in QUEUES],
    task_default_queue=DEFAULT,
    task_create_missing_queues=False,
    task_routes={task: {"queue": PAYMENTS} for task in PAYING},
    # A job is delivered again when its worker dies, and none may run for ever (seconds).
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_soft_time_limit=240,
    task_time_limit=300,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    # The schedule is copied to the database, where staff can switch a job off.
    beat_scheduler="core.jobs.scheduling:Scheduler",
)
app.autodiscover_tasks()

# Sent once when the scheduler starts, so that a first start has markets and stocks at once, and no midnight is missed.
AT_START = (
    "markets.ingest",
    "economy.seed_stocks",
    "economy.reward_active_users",
    "economy.anchor",
    "leaderboard.update",
)


def every(seconds: float, task: str) -> dict[str, Any]:
    """Return a schedule entry, whose run expires at the next one's start; beat's tables take no `expires`."""
    return {"task": task, "schedule": seconds, "options": {"expire_seconds": seconds}}


@app.on_after_configure.connect
def set_schedule(sender: Celery, **kwargs: Any) -> None:
    """Set the time of every job. A job's name in `job_runs` is its task's."""
    from economy import rules as economy  # noqa: PLC0415 - as the next
    from markets import rules as markets  # noqa: PLC0415 - reads the environment, which the settings complete first

    walk = every(economy.STOCK_WALK_SECONDS, "economy.walk_stock_prices")
    sender.conf.beat_schedule = {
        **({"walk-stock-prices": walk} if economy.STOCK_PRICE_POLICY == economy.StockPricePolicy.WALK else {}),
        "ingest-markets": {"task": "markets.ingest", "schedule": crontab.from_string(markets.INGEST_CRON)},
        "refresh-odds": every(markets.ODDS_REFRESH_SECONDS, "markets.refresh_odds"),
        "publish-edition": every(markets.EDITION_SECONDS, "markets.publish_edition"),
        "record-market-history": {
            "task": "markets.record_history",
            "schedule": crontab(),  # as each minute begins
            "options": {"expire_seconds": 60},
        },
        "thin-market-history": {
            "task": "markets.thin_history",
            "schedule": crontab(minute="4"),
            "options": {"expire_seconds": 3600},
        },
        "resolve-markets": every(markets.RESOLVE_SECONDS, "markets.resolve"),
        "settle-markets": every(60, "betting.settle_markets"),
        "close-worthless-holdings": every(60, "economy.close_worthless_holdings"),
        "watch-open-bets": every(300, "betting.watch_open_bets"),
        "retry-provider-events": every(300, "purchases.retry_events"),
        "reconcile-purchases": every(900, "purchases.reconcile"),
        "count-days": every(300, "staff.count_days"),
        "update-leaderboard": {
            "task": "leaderboard.update",
            "schedule": crontab(minute="*/15"),
            "options": {"expire_seconds": 900},
        },
        # Again after five minutes, for clocks that differ: who is rewarded already isn't again.
        "reward-active-users": {"task": "economy.reward_active_users", "schedule": crontab(hour="0", minute="0,5")},
        "purge-job-runs": {"task": "common.purge_job_runs", "schedule": crontab(hour="3", minute="17")},
        "send-mails": every(60, "accounts.send_mails"),
        "purge-refresh-tokens": {"task": "accounts.purge_refresh_tokens", "schedule": crontab(hour="3", minute="27")},
        "erase-users": {
            "task": "ops.erase_users",
            "schedule": crontab(minute="22"),
            "options": {"expire_seconds": 3600},
        },
        "purge-idempotency-keys": {
            "task": "common.purge_idempotency_keys",
            # Every hour, not once a day: the table is as large as the time between two purges.
            "schedule": crontab(minute="37"),
        },
        "purge-user-days": {"task": "leaderboard.purge_days", "schedule": crontab(hour="3", minute="47")},
        "purge-market-skips": {"task": "markets.purge_skips", "schedule": crontab(hour="3", minute="57")},
        "purge-notifications": {"task": "notifications.purge", "schedule": crontab(hour="3", minute="7")},
        "notify-of-closing-markets": every(300, "betting.notify_of_closing_markets"),
        "anchor-ledger": {
            "task": "economy.anchor",
            "schedule": crontab(minute="2"),
            "options": {"expire_seconds": 3600},
        },
        "audit-ledger": {"task": "economy.audit_ledger", "schedule": crontab(hour="4", minute="7")},
    }


@setup_logging.connect
def use_django_logging(**kwargs: Any) -> None:
    """Leave logging to Django's settings: Celery would otherwise install handlers of its own."""


@beat_init.connect
def stop_between_queries(**kwargs: Any) -> None:
    """Replace beat's signal handlers, which query the database and hang when they interrupt a query."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)


@beat_init.connect
def queue_first_runs(**kwargs: Any) -> None:
    """Enqueue what is due at start or was missed while nothing ran: beat sees a daily job only near its hour."""
    from core.jobs import scheduling  # noqa: PLC0415 - models, which this module comes before

    for task in scheduling.due_at_start(AT_START, now=timezone.now()):
        scheduling.send_or_run_locally(task, partial(app.send_task, task))
