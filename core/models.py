"""Tables that all apps share: the runs of background jobs, and the responses kept for idempotency keys."""

from django.db import models
from django.db.models import Q


class JobRun(models.Model):
    """One run of a background job: when, how it ended, and what it counted. A row is written before the work starts."""

    class Status(models.TextChoices):
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        ABANDONED = "abandoned"  # its process died; found by the next run

    job = models.CharField(max_length=100)
    status = models.CharField(max_length=10, choices=Status, default=Status.RUNNING)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    result = models.JSONField(null=True)
    error = models.TextField(blank=True, default="")

    class Meta:
        db_table = "job_runs"
        indexes = [
            models.Index(fields=["job", "-started_at"], name="job_runs_job_started"),
            models.Index(fields=["job", "status", "-finished_at"], name="job_runs_job_finished"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(status="running", finished_at__isnull=True)
                | (~Q(status="running") & Q(finished_at__isnull=False)),
                name="job_runs_finished_unless_running",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["running", "succeeded", "failed", "abandoned"]),
                name="job_runs_known_status",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.job} {self.started_at:%Y-%m-%d %H:%M:%S} {self.status}"


class IdempotencyKey(models.Model):
    """The response that a user's request with an `Idempotency-Key` got, for the next one with the same key.

    Written in the transaction that has the effect: `core.api.idempotency`.
    """

    pk = models.CompositePrimaryKey("user_id", "key")
    user_id = models.UUIDField()
    key = models.CharField(max_length=255)
    # SHA-256 of the request that the key was used for.
    request_hash = models.BinaryField()
    status = models.SmallIntegerField(null=True)
    body = models.BinaryField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "idempotency_keys"
        indexes = [models.Index(fields=["created_at"], name="idempotency_keys_created")]
        constraints = [
            models.CheckConstraint(condition=~Q(key=""), name="idempotency_keys_key_not_empty"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.key}"
