"""Jobs of the economy, and what starts them. A task that is lost costs a minute, until the next sweep."""

from typing import Any

from celery import shared_task
from django.dispatch import receiver
from django.utils import timezone

from core.jobs.queues import enqueue_best_effort
from core.jobs.runs import run_job
from economy import rewards
from economy.errors import InvariantsBroken
from economy.ledger import anchors
from economy.ledger.audit import audit
from economy.stocks import prices, trading
from economy.stocks.prices import price_changed


@shared_task(name="economy.audit_ledger")
def audit_ledger() -> None:
    """Audit the ledger; fails, for staff to see, when an invariant is broken: the run keeps the names and the ids."""
    run_job("economy.audit_ledger", audit_or_fail)


def audit_or_fail() -> dict[str, Any]:
    report = audit()
    if not report.passed:
        broken = {name: finding.examples for name, finding in report.findings.items() if finding.broken}
        raise InvariantsBroken(f"Broken invariants: {broken}", result=report.as_dict())
    return report.as_dict()


@shared_task(name="economy.anchor")
def anchor() -> None:
    """Anchor the ledger's chains, and publish it; fails, for staff to see, where it couldn't be published."""
    run_job("economy.anchor", anchor_and_publish)


def anchor_and_publish() -> dict[str, Any]:
    made = anchors.anchor(now=timezone.now())
    return {"sequence": made.sequence, "entries": made.entries, **anchors.publish(now=timezone.now())}


@shared_task(name="economy.reward_active_users")
def reward_active_users() -> None:
    """Reward active users; fails, for staff to see, when somebody couldn't be rewarded: all others are."""
    run_job("economy.reward_active_users", reward_and_summarize)


def reward_and_summarize() -> dict[str, Any]:
    summary = rewards.reward_active_users(now=timezone.now())
    return {"users": summary.users, "credits": str(summary.credits)}


@shared_task(name="economy.close_worthless_holdings")
def close_worthless_holdings() -> None:
    run_job(
        "economy.close_worthless_holdings",
        lambda: {"closed": trading.close_worthless_holdings(now=timezone.now())},
    )


@receiver(price_changed, dispatch_uid="economy.close_worthless_holdings")
def enqueue_liquidation(**kwargs: Any) -> None:
    """Have what a new price made worthless closed at once."""
    enqueue_best_effort(close_worthless_holdings)


@shared_task(name="economy.walk_stock_prices")
def walk_stock_prices() -> None:
    run_job("economy.walk_stock_prices", lambda: {"stocks": prices.walk(now=timezone.now())})


@shared_task(name="economy.seed_stocks")
def seed_stocks() -> None:
    run_job("economy.seed_stocks", lambda: {"added": prices.seed_stocks(now=timezone.now())})
