"""Jobs of operations: the erasure of users who left."""

from celery import shared_task
from django.utils import timezone

from core.jobs.runs import run_job
from ops.personal_data import erase_due_users


@shared_task(name="ops.erase_users")
def erase_users() -> None:
    """Erase who left and didn't come back in time; fails, for staff to see, when somebody couldn't be erased."""
    run_job("ops.erase_users", lambda: erase_due_users(now=timezone.now()))
