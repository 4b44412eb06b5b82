"""Celery and its clock: what runs when."""

import os
from typing import Any

from celery import Celery
from celery.schedules import crontab
from celery.signals import beat_init, setup_logging
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "thisthat.settings")

app = Celery("thisthat")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    timezone="UTC",
    task_ignore_result=True,
    # A job is taken up again when its worker dies, and none may run for ever (seconds).
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_soft_time_limit=240,
    task_time_limit=300,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    # The schedule is copied to the database, where staff can switch a job off.
    beat_scheduler="django_celery_beat.schedulers:DatabaseScheduler",
)
app.autodiscover_tasks()

# Sent once when the clock starts, so that a first start has markets and stocks at once, and no midnight is missed.
AT_START = ("markets.ingest", "economy.seed_stocks", "economy.reward_active_users", "leaderboard.update")


@app.on_after_configure.connect
def set_schedule(sender: Celery, **kwargs: Any) -> None:
    """Every job and its time."""
    refresh = settings.MARKET_ODDS_REFRESH_SECONDS
    sender.conf.beat_schedule = {
        "ingest-markets": {"task": "markets.ingest", "schedule": crontab.from_string(settings.MARKET_INGEST_CRON)},
        # A refresh that waited until the next one's start is not worth running.
        "refresh-odds": {"task": "markets.refresh_odds", "schedule": refresh, "options": {"expires": refresh}},
        "publish-edition": {"task": "markets.publish_edition", "schedule": 60, "options": {"expires": 60}},
        "resolve-markets": {"task": "markets.resolve", "schedule": 60, "options": {"expires": 60}},
        "settle-markets": {"task": "betting.settle_markets", "schedule": 60, "options": {"expires": 60}},
        "watch-open-bets": {"task": "betting.watch_open_bets", "schedule": 300, "options": {"expires": 300}},
        "update-leaderboard": {
            "task": "leaderboard.update",
            "schedule": crontab(minute="*/15"),
            "options": {"expires": 900},
        },
        "purge-refresh-tokens": {"task": "accounts.purge_refresh_tokens", "schedule": crontab(hour="3", minute="27")},
        # Again after five minutes, for clocks that differ: who is rewarded already isn't again.
        "reward-active-users": {
            "task": "economy.reward_active_users",
            "schedule": crontab(hour="0", minute="0,5"),
        },
        "close-worthless-holdings": {
            "task": "economy.close_worthless_holdings",
            "schedule": 60,
            "options": {"expires": 60},
        },
        "audit-ledger": {"task": "economy.audit_ledger", "schedule": crontab(hour="4", minute="7")},
        "purge-idempotency-keys": {
            "task": "common.purge_idempotency_keys",
            "schedule": crontab(hour="3", minute="37"),
        },
        "purge-job-runs": {"task": "common.purge_job_runs", "schedule": crontab(hour="3", minute="17")},
    }


@setup_logging.connect
def use_django_logging(**kwargs: Any) -> None:
    """Leaves logging to Django's settings: Celery would otherwise install handlers of its own."""


@beat_init.connect
def queue_first_runs(**kwargs: Any) -> None:
    for task in AT_START:
        app.send_task(task)
