"""How long what all apps share is kept, and when a job is late."""

from datetime import timedelta

# A request with an Idempotency-Key that comes again within so many hours gets the first response.
IDEMPOTENCY_HOURS = 24
# What the admin shows of past runs of jobs.
JOB_RUNS_KEPT_FOR = timedelta(days=30)
# A job is late, and `/ready` says so, after so many of its periods without a success.
LATE_AFTER_PERIODS = 3
