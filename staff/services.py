"""Jobs and the dashboard's counts.

Staff may switch a job off and on, and have it run at once; each is recorded with who and why. A job counts ahead of
time what the dashboard shows of the ledger and of open bets, so that its page reads no ledger entry
(`staff.selectors`).
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import partial
from uuid import UUID

from celery import current_app
from django.core.cache import cache
from django.db.models import Min, Model
from django_celery_beat.models import PeriodicTask
from kombu import Producer
from kombu.exceptions import KombuError

from accounts.models import Permission, User
from accounts.staff import StaffMember, record_action, validate_reason
from core.backends import QUICK_BROKER_OPTIONS
from core.days import A_DAY, LATEST_COMMIT, day_of, midnight
from core.db.sql import execute
from core.db.transactions import run_transaction
from economy.models import CreditTransaction
from purchases.models import CreditPurchase
from staff.errors import AlreadySwitched, JobNotSent, NoSuchJob, NothingDisputed
from staff.models import ActiveUser, CountedDay, LedgerDay, LedgerHour, MarketExposure
from staff.selectors import DISPUTE_CLOSED, open_disputes

LOOK_RECORDED_EVERY = 60 * 60  # seconds

# Jobs


def switch_job(*, job_id: int, on: bool, by: StaffMember, reason: str, now: datetime) -> PeriodicTask:
    """Switch a job on or off; beat sees it within seconds.

    Raises NotAllowed, ReasonMissing, ReasonTooLong, NoSuchJob, AlreadySwitched.
    """
    by.require(Permission.SWITCH_JOBS)
    reason = validate_reason(reason)

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
    """Run a job now, whether it is switched on or not; while it is running already it doesn't run twice.

    Raises NotAllowed, ReasonMissing, ReasonTooLong, NoSuchJob; JobNotSent once it is on record that it was asked for.
    """
    by.require(Permission.SWITCH_JOBS)
    reason = validate_reason(reason)

    def act() -> PeriodicTask:
        job = lock_job(job_id)
        record_action("run_job", by=by, target=job, reason=reason, before={}, after={"task": job.task}, now=now)
        return job

    job = run_transaction(act)
    send(job.task)
    return job


def send(task: str) -> None:
    """Send a task once, without retries, as somebody waits. Raises JobNotSent."""
    try:
        with current_app.connection_for_write(transport_options=QUICK_BROKER_OPTIONS) as connection:
            current_app.send_task(task, producer=Producer(connection, auto_declare=False), retry=False)
    except (KombuError, OSError) as exc:
        raise JobNotSent from exc


def lock_job(job_id: int) -> PeriodicTask:
    job: PeriodicTask | None = PeriodicTask.objects.select_for_update().filter(pk=job_id).first()
    if job is None:
        raise NoSuchJob
    return job


# Notes, and looks at personal data

NOTE, LOOK = "write_note", "view_user"


def write_note(*, target: Model, text: str, by: StaffMember, now: datetime) -> None:
    """Keep a note on a user or a market for the staff, with who wrote it; it is never changed.

    Raises NotAllowed, ReasonMissing, ReasonTooLong.
    """
    by.require(Permission.WRITE_NOTES)
    run_transaction(lambda: record_action(NOTE, by=by, target=target, reason=text, before={}, after={}, now=now))


def record_look(user: User, *, by: StaffMember, now: datetime) -> None:
    """Record that a member of the staff looked at a user's page, once in a while of looking."""
    if by.user is None or not cache.add(f"staff.looks.{by.user.pk}.{user.pk}", True, LOOK_RECORDED_EVERY):
        return
    reason = "Looked at the page."
    run_transaction(lambda: record_action(LOOK, by=by, target=user, reason=reason, before={}, after={}, now=now))


# Purchases


def close_dispute(*, purchase_id: UUID, by: StaffMember, reason: str, now: datetime) -> None:
    """Record that what the provider said of a purchase was judged; it waits for the staff no more, and nothing moves.

    Raises NotAllowed, ReasonMissing, ReasonTooLong, NothingDisputed.
    """
    by.require(Permission.REFUND_PURCHASES)
    reason = validate_reason(reason)

    def act() -> None:
        purchase = CreditPurchase.objects.select_for_update().filter(pk=purchase_id).first()
        notes = list(open_disputes().filter(purchase_id=purchase_id).order_by("id").values_list("note", flat=True))
        if purchase is None or not notes:
            raise NothingDisputed
        after = {"judged": notes}
        record_action(DISPUTE_CLOSED, by=by, target=purchase, reason=reason, before={}, after=after, now=now)

    run_transaction(act)


# The dashboard's counts

# By the BRIN index on the ledger entries' time: no more is read than the span has.
OF_SPAN = "FROM credit_transactions WHERE created_at >= %(from_at)s AND created_at < %(until_at)s"
COUNT_HOURS = f"""
INSERT INTO ledger_hours AS known (begins_at, transaction_type, counterparty, transfers, given, taken)
SELECT date_trunc('hour', created_at, 'UTC'), transaction_type, counterparty, count(*),
    coalesce(sum(amount) FILTER (WHERE amount > 0), 0), coalesce(-sum(amount) FILTER (WHERE amount < 0), 0)
{OF_SPAN} GROUP BY 1, 2, 3
ON CONFLICT (begins_at, transaction_type, counterparty)
DO UPDATE SET transfers = excluded.transfers, given = excluded.given, taken = excluded.taken
WHERE known.transfers <> excluded.transfers
"""
NOTE_ACTIVE = f"""
INSERT INTO active_users (day, user_id)
SELECT DISTINCT %(day)s::date, user_id {OF_SPAN} AND transaction_type = ANY(%(deeds)s::text[])
ON CONFLICT (day, user_id) DO NOTHING
"""
# The ledger only grows: a day never has fewer than it had.
COUNT_DAY = """
INSERT INTO ledger_days AS known (day, transaction_type, counterparty, transfers, given, taken)
SELECT %(day)s, transaction_type, counterparty, sum(transfers), sum(given), sum(taken) FROM ledger_hours
WHERE begins_at >= %(begins_at)s AND begins_at < %(until_at)s GROUP BY transaction_type, counterparty
ON CONFLICT (day, transaction_type, counterparty)
DO UPDATE SET transfers = excluded.transfers, given = excluded.given, taken = excluded.taken
WHERE known.transfers < excluded.transfers
"""
COUNT_ACTIVE = """
INSERT INTO counted_days AS known (day, active_users, counted_at)
SELECT %(day)s, count(*), %(now)s FROM active_users WHERE day = %(day)s
ON CONFLICT (day) DO UPDATE
SET active_users = greatest(known.active_users, excluded.active_users), counted_at = excluded.counted_at
"""
DELETE_HOURS = "DELETE FROM ledger_hours WHERE begins_at < %(before)s"
DELETE_ACTIVE = "DELETE FROM active_users WHERE day < %(day)s"
# What users do themselves; the rest happens to them.
DEEDS = ["bet_placed", "position_sold", "stock_purchase", "stock_sale", "credit_purchase"]

# Where bets changed since. A bet that is lost has no ledger entry: its market is over, and goes for that.
TOUCHED = """
SELECT bets.market_id FROM credit_transactions AS entry JOIN bets ON bets.id = entry.reference_id
WHERE entry.created_at >= %(since)s AND entry.counterparty = 'escrow'
UNION SELECT market_id FROM settlements WHERE reversed_at >= %(since)s
"""
EVERY = "SELECT DISTINCT market_id FROM bets WHERE status = 'pending'"
# A bet pays the shares of it that are open.
COUNT_EXPOSURES = """
WITH touched AS MATERIALIZED ({touched}), owed AS MATERIALIZED (
    SELECT market_id, count(*) AS bets, sum(amount - sold_amount) AS stake,
        coalesce(sum(shares - sold_shares) FILTER (WHERE side = 'this'), 0) AS this_payout,
        coalesce(sum(shares - sold_shares) FILTER (WHERE side = 'that'), 0) AS that_payout
    FROM bets
    WHERE status = 'pending' AND market_id IN (
        SELECT id FROM touched JOIN markets ON id = market_id WHERE status IN ('open', 'closed')
    ) GROUP BY market_id
), gone AS (
    DELETE FROM market_exposures AS known USING markets
    WHERE markets.id = known.market_id AND (
        markets.status IN ('resolved', 'cancelled')
        OR known.market_id IN (SELECT market_id FROM touched EXCEPT SELECT market_id FROM owed)
    )
)
INSERT INTO market_exposures AS known (market_id, bets, stake, this_payout, that_payout)
SELECT market_id, bets, stake, this_payout, that_payout FROM owed
ON CONFLICT (market_id) DO UPDATE
SET bets = excluded.bets, stake = excluded.stake, this_payout = excluded.this_payout, that_payout = excluded.that_payout
WHERE (known.bets, known.stake, known.this_payout, known.that_payout)
    IS DISTINCT FROM (excluded.bets, excluded.stake, excluded.this_payout, excluded.that_payout)
"""


def refresh_dashboard_counts(*, now: datetime) -> dict[str, int]:
    """Count what happened since the last count, and the open bets of the markets concerned; all of history at first."""
    last = CountedDay.objects.order_by("-day").first()
    # Before the days, which say since when: dying in between leaves nothing out.
    since = last.counted_at - LATEST_COMMIT if last else None
    markets = run_transaction(partial(count_exposures, since))
    spans = list(spans_to_count(start_after(last) if last else first_moment(now), now=now))
    for from_at, until_at in spans:
        run_transaction(partial(count_span, from_at, until_at, now))
    run_transaction(partial(delete_superseded, day_of(now) - A_DAY))
    return {"days": len(spans), "markets": markets}


def rebuild_dashboard_counts(*, now: datetime) -> dict[str, int]:
    """Delete the counts and count everything again."""
    run_transaction(empty)
    return refresh_dashboard_counts(now=now)


def empty() -> None:
    for table in (CountedDay, LedgerDay, LedgerHour, ActiveUser, MarketExposure):
        table.objects.all().delete()


def start_after(last: CountedDay) -> datetime:
    """Return the hour from which entries may be new; `last`: the last day that was counted, and when."""
    return hour_of(min(midnight(last.day + A_DAY), last.counted_at) - LATEST_COMMIT)


def first_moment(now: datetime) -> datetime:
    first = CreditTransaction.objects.aggregate(at=Min("created_at"))["at"]
    return midnight(day_of(min(first, now) if first else now))


def spans_to_count(from_at: datetime, *, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield the spans to count, a day each, the first from its hour on."""
    while from_at <= now:
        until_at = midnight(day_of(from_at) + A_DAY)
        yield from_at, until_at
        from_at = until_at


def count_span(from_at: datetime, until_at: datetime, now: datetime) -> None:
    """Count the hours from then to the day's end, and the day, whose earlier hours are known."""
    day = day_of(from_at)
    span = {"day": day, "begins_at": midnight(day), "from_at": from_at, "until_at": until_at}
    for statement in (COUNT_HOURS, NOTE_ACTIVE, COUNT_DAY, COUNT_ACTIVE):
        execute(statement, {**span, "deeds": DEEDS, "now": now})


def delete_superseded(day: date) -> None:
    """Delete hours and users of days that can't change any more; they only served to sum those."""
    execute(DELETE_HOURS, {"before": midnight(day)})
    execute(DELETE_ACTIVE, {"day": day})


def count_exposures(since: datetime | None) -> int:
    """Count the open bets by market; return how many markets' exposures are different now."""
    statement = COUNT_EXPOSURES.format(touched=TOUCHED if since else EVERY)
    return execute(statement, {"since": since} if since else {})


def hour_of(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
