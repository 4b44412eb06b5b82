from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

# The scheduler writes down what it sent every three minutes.
LATELY = timedelta(minutes=10)


class Command(BaseCommand):
    help = "Succeed if the scheduler (Celery beat) has sent a job within ten minutes: its health check."
    requires_system_checks = []

    def handle(self, *_args: Any, **_options: Any) -> None:
        last = PeriodicTask.objects.order_by("-last_run_at").exclude(last_run_at=None).first()
        if last is None or last.last_run_at < timezone.now() - LATELY:
            raise CommandError(f"No job sent since {last.last_run_at if last else 'the first start'}.")
