from typing import Any

from celery import shared_task
from django.utils import timezone

from core.jobs.runs import run_job
from economy import rewards
from economy.ledger.audit import BooksDontBalance, audit


@shared_task(name="economy.audit_ledger")
def audit_ledger() -> None:
    """Fails, for staff to see, when a promise is broken; the run keeps the names and the ids."""
    run_job("economy.audit_ledger", audit_or_fail)


def audit_or_fail() -> dict[str, Any]:
    report = audit()
    if not report.passed:
        broken = {name: finding.examples for name, finding in report.findings.items() if finding.broken}
        raise BooksDontBalance(f"Broken promises: {broken}")
    return report.as_dict()


@shared_task(name="economy.reward_active_users")
def reward_active_users() -> None:
    """Fails, for staff to see, when somebody couldn't be rewarded; all others are."""
    run_job("economy.reward_active_users", rewarded)


def rewarded() -> dict[str, Any]:
    night = rewards.reward_active_users(now=timezone.now())
    return {"users": night.users, "credits": str(night.credits)}
