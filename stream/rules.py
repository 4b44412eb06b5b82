"""Limits of the stream, in one place. Those that read the environment can be changed by whoever runs the service."""

from core.environment import env

# Clients of one process. One takes about 40 KiB; beyond them 503 `stream_full`, and a retry after so many seconds.
MAX_CLIENTS = env.int("STREAM_MAX_CLIENTS", default=2_000)
FULL_RETRY_AFTER = 10
MARKETS_MAX = 100  # of one client

TICKET_SECONDS = 30
TICKETS_PURGED = 100  # expired ones, by each that is issued

# A client gets what changed at once, then once in so many seconds: of each market the newest odds.
TICK_SECONDS = 0.1
PING_SECONDS = 15.0
# How often what was published but lost is looked for in the database; the second while Redis is away.
MARKETS_READ_SECONDS, USERS_READ_SECONDS, READ_SECONDS_WITHOUT_REDIS = 5.0, 5.0, 1.0

# A client that has more of its own events waiting takes them too slowly, and is dropped.
WAITING_MAX = 1_000
# Who missed more entries or notifications than this gets the current state alone.
RESUME_MAX = 500
# Seconds until a client connects again; where a process stops, at random between two, so that not all come at once.
RETRY_SECONDS, RETRY_SECONDS_MAX = 1.0, 5.0
