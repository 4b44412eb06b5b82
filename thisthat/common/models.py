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
