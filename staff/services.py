"""What staff may do to a job: switch it off and on, and have it run at once. Each is kept with who and why."""

from datetime import datetime

from celery import current_app
from django.conf import settings
from django_celery_beat.models import PeriodicTask
from kombu import Producer
from kombu.exceptions import KombuError

from accounts.models import Permission
from accounts.staff import StaffMember, checked_reason, record_action
from core.api.errors import DomainError
from core.backends import quick_broker_options
from core.db.transactions import run_transaction


class NoSuchJob(DomainError):
    code = "job_not_found"
    status = 404
    message = "No such job."


class AlreadySwitched(DomainError):
    code = "job_already_switched"
    status = 409
    message = "Somebody has done so already."


class JobNotSent(DomainError):
    code = "job_not_sent"
    status = 503
    message = "The queue is away: the job was not sent. It runs at its own time."


def switch_job(*, job_id: int, on: bool, by: StaffMember, reason: str, now: datetime) -> PeriodicTask:
    """Beat sees it within seconds. Raises NotAllowed, ReasonMissing, ReasonTooLong, NoSuchJob, AlreadySwitched."""
    by.require(Permission.SWITCH_JOBS)
    reason = checked_reason(reason)

    def act() -> PeriodicTask:
        job = lock_job(job_id)
        if job.enabled == on:
            raise AlreadySwitched
        job.enabled = on
        # Its own `save` tells beat that the schedule changed.
        job.save()
        said = {"before": {"job": job.name, "on": not on}, "after": {"job": job.name, "on": on}}
        record_action("switch_on_job" if on else "switch_off_job", by=by, target=job, reason=reason, now=now, **said)
        return job

    return run_transaction(act)


def send_job(*, job_id: int, by: StaffMember, reason: str, now: datetime) -> PeriodicTask:
    """Runs it now, whether it is switched on or not; while it is running already it doesn't run twice.

    Raises NotAllowed, ReasonMissing, ReasonTooLong, NoSuchJob; JobNotSent once it is on record that it was asked for.
    """
    by.require(Permission.SWITCH_JOBS)
    reason = checked_reason(reason)

    def act() -> PeriodicTask:
        job = lock_job(job_id)
        record_action("run_job", by=by, target=job, reason=reason, before={}, after={"task": job.task}, now=now)
        return job

    job = run_transaction(act)
    send(job.task)
    return job


def send(task: str) -> None:
    """Tries once, for somebody waits. Raises JobNotSent."""
    try:
        with current_app.connection_for_write(transport_options=quick_broker_options(settings.REDIS_URL)) as connection:
            current_app.send_task(task, producer=Producer(connection, auto_declare=False), retry=False)
    except (KombuError, OSError) as exc:
        raise JobNotSent from exc


def lock_job(job_id: int) -> PeriodicTask:
    job: PeriodicTask | None = PeriodicTask.objects.select_for_update().filter(pk=job_id).first()
    if job is None:
        raise NoSuchJob
    return job
