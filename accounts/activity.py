"""On which UTC days a user was active: what daily rewards are given for.

A row remembers `last_active_at`, and in `earlier_active_days` the 31 days before that day: bit 0 is the day before it,
bit 1 the day before that. So a day that has ended stays known when the user comes back before it is rewarded.
"""

from datetime import UTC, date, datetime, timedelta

from accounts import rules
from accounts.models import User
from core.db.sql import execute

DAYS_KEPT = 31
MASK = 2**DAYS_KEPT - 1
# A row that is locked, by a settlement say, isn't waited for: the next request will do. Of many at once, one writes.
RECORD_ACTIVITY = """
UPDATE users SET last_active_at = %(now)s, earlier_active_days = %(days)s WHERE id = (
    SELECT id FROM users WHERE id = %(id)s AND last_active_at IS NOT DISTINCT FROM %(seen)s
    FOR NO KEY UPDATE SKIP LOCKED
)
"""
# In SQL, whether the user of a row was active on the date `day`.
WAS_ACTIVE_ON_DAY = f"""(
    (last_active_at AT TIME ZONE 'UTC')::date - day BETWEEN 0 AND {DAYS_KEPT}
    AND ((earlier_active_days::bigint << 1 | 1) >> ((last_active_at AT TIME ZONE 'UTC')::date - day)) & 1 = 1
)"""


def record_activity(user: User, *, now: datetime) -> None:
    """Record that the user is active, at most once in ACTIVITY_INTERVAL, and at the first request of each UTC day."""
    seen = user.last_active_at
    if seen and not (seen <= now - rules.ACTIVITY_INTERVAL or utc_day(seen) < utc_day(now)):
        return
    days = earlier_days(user, now=now)
    execute(RECORD_ACTIVITY, {"now": now, "days": days, "id": user.pk, "seen": seen})
    user.last_active_at, user.earlier_active_days = now, days


def record_sign_in(user: User, *, now: datetime) -> None:
    """Record that the user signs in, which is activity too. The caller holds the lock of the row that `user` is."""
    user.earlier_active_days = earlier_days(user, now=now)
    user.last_login_at = user.last_active_at = now
    user.save(update_fields=["last_login_at", "last_active_at", "earlier_active_days"])


def earlier_days(user: User, *, now: datetime) -> int:
    """Return `earlier_active_days` of a user who is active now."""
    if user.last_active_at is None:
        return 0
    passed = (utc_day(now) - utc_day(user.last_active_at)) // timedelta(days=1)
    if passed <= 0:
        return user.earlier_active_days
    return (user.earlier_active_days << 1 | 1) << passed - 1 & MASK if passed <= DAYS_KEPT else 0


def utc_day(moment: datetime) -> date:
    return moment.astimezone(UTC).date()
