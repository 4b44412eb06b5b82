"""How long what all apps share is kept, how large a request may be, and when a job is late."""

from datetime import timedelta

# A request with an Idempotency-Key that comes again within so many hours gets the first response.
IDEMPOTENCY_HOURS = 24
# What staff see of a user's refused requests: so many, of so many seconds.
REFUSALS_KEPT, REFUSALS_SECONDS = 20, 14 * 24 * 3600
# A request with a larger body is refused before it is read whole.
MAX_BODY_BYTES = 64 * 1024
# What the admin shows of past runs of jobs.
JOB_RUNS_KEPT_FOR = timedelta(days=30)
# A job is late, and `/ready` says so, after so many of its periods without a success.
LATE_AFTER_PERIODS = 3
