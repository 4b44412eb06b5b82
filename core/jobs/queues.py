"""The queues of background jobs."""

# What pays, and what decides who is paid, has a queue and workers of its own: a flood of the rest delays none of it.
PAYMENTS, DEFAULT = "payments", "default"
QUEUES = (PAYMENTS, DEFAULT)
