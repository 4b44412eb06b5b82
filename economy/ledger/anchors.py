"""Anchors: once an hour, a hash over all that the chains came to, kept for good, logged, and published elsewhere.

A chain shows that a part of it was changed; whoever owns the database can compute all of it anew. An anchor is what it
came to at a time: of every user who has new entries, the last one's hash (`ledger_anchor_heads`); of the other chains
the last hash; and the hash of the anchor before. The audit compares them with today's rows, and with copies outside.
"""

import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path

import requests

from core.api.json import iso_utc
from core.db.sql import fetch_all
from core.db.transactions import require_no_transaction, run_transaction
from core.resilience import BoundedSession
from economy import rules
from economy.errors import AnchorsUnpublished
from economy.ledger.audit import EXAMPLES, Finding, Invariant, by_sql, register
from economy.models import Counterparty, LedgerAnchor

logger = logging.getLogger(__name__)
Opener = Callable[[str], AbstractContextManager[Callable[[str], None]]]
PUBLISHED_PER_RUN = 1_000
# For one anchor, in seconds; the response's body isn't read for anything.
URL_SECONDS, MAX_RESPONSE_BYTES = 10.0, 64 * 1024
# Chains besides the users': tables with `sequence` and `hash`.
CHAINS: list[str] = []

# SHA-256 over heads, by `anchor`. In 256 parts, whose hashes are hashed: no text is longer than the database allows.
HEADS_HASH = """
SELECT anchor, sha256(string_agg(part_hash, ''::bytea ORDER BY part)) AS heads_hash
FROM (
    SELECT anchor, get_byte(uuid_send(user_id), 15) AS part,
        sha256(string_agg(uuid_send(user_id) || int8send(sequence) || hash, ''::bytea ORDER BY user_id)) AS part_hash
    FROM {heads} GROUP BY anchor, part
) AS parts GROUP BY anchor
"""
# One statement, so that all of it is of one moment. What is added to the sums is between the last anchor's heads and
# these.
ANCHOR = """
WITH previous AS MATERIALIZED (
    SELECT coalesce(max(sequence), 0) AS sequence FROM ledger_anchors
), heads AS MATERIALIZED (
    SELECT previous.sequence + 1 AS anchor, users.id AS user_id, journal_length AS sequence, ledger_head AS hash,
        coalesce(anchored.sequence, 0) AS anchored
    FROM previous CROSS JOIN users LEFT JOIN LATERAL (
        SELECT sequence FROM ledger_anchor_heads WHERE user_id = users.id ORDER BY sequence DESC LIMIT 1
    ) AS anchored ON true
    WHERE journal_length > coalesce(anchored.sequence, 0)
), kept AS (
    INSERT INTO ledger_anchor_heads (anchor, user_id, sequence, hash)
    SELECT anchor, user_id, sequence, hash FROM heads
), moved AS (
    SELECT counterparty, sum(amount) AS amount FROM (
        SELECT counterparty, amount FROM heads JOIN credit_transactions AS entry
        ON entry.user_id = heads.user_id AND entry.sequence > heads.anchored AND entry.sequence <= heads.sequence
        UNION ALL
        SELECT counterparty, sign * amount FROM house_entries CROSS JOIN (
            VALUES ('house', 1), ('escrow', -1)
        ) AS ends (counterparty, sign)
        WHERE sequence > coalesce((
            SELECT (chains -> 'house_entries' ->> 'length')::bigint FROM ledger_anchors
            WHERE sequence = (SELECT sequence FROM previous)
        ), 0)
    ) AS entries GROUP BY counterparty
), sums AS (
    SELECT jsonb_object_agg(account, (coalesce((counterparties ->> account)::numeric, 0) - coalesce(amount, 0))::text)
        AS counterparties
    FROM unnest(%(accounts)s::text[]) AS account LEFT JOIN moved ON counterparty = account
    LEFT JOIN ledger_anchors ON sequence = (SELECT sequence FROM previous)
), totals AS (
    SELECT count(*) AS users, coalesce(sum(journal_length), 0) AS entries,
        coalesce(sum(credit_balance), 0) AS circulation
    FROM users
)
INSERT INTO ledger_anchors (
    sequence, anchored_at, users, entries, circulation, counterparties, chains, heads_hash, hash
)
SELECT previous.sequence + 1, %(now)s, totals.users, totals.entries, circulation, sums.counterparties, {chains},
    coalesce(heads_hash, sha256('')), ''
FROM previous CROSS JOIN totals CROSS JOIN sums LEFT JOIN ({heads_hash}) AS hashed ON true
RETURNING sequence
"""
CHAIN_HEAD = """
'{table}', (SELECT jsonb_build_object('length', sequence, 'head', encode(hash, 'hex'))
FROM {table} ORDER BY sequence DESC LIMIT 1)
"""


def anchor(*, now: datetime) -> LedgerAnchor:
    """Write an anchor of this moment, and log it."""
    chains = f"jsonb_build_object({', '.join(CHAIN_HEAD.format(table=table) for table in CHAINS)})"
    statement = ANCHOR.format(chains=chains, heads_hash=HEADS_HASH.format(heads="heads"))
    parameters = {"now": now, "accounts": list(Counterparty.values)}
    ((sequence,),) = run_transaction(lambda: fetch_all(statement, parameters))
    made = LedgerAnchor.objects.get(pk=sequence)
    logger.info("ledger anchor %s", as_line(made))
    return made


def as_line(made: LedgerAnchor) -> str:
    """Return what is published of an anchor: one line of JSON."""
    return json.dumps(
        {
            "sequence": made.sequence,
            "anchoredAt": iso_utc(made.anchored_at),
            "entries": made.entries,
            "users": made.users,
            "hash": bytes(made.hash).hex(),
        }
    )


def publish(*, now: datetime) -> dict[str, int]:
    """Publish the anchors that aren't yet, where the environment says; return how many.

    One that was published right before this process died is published again. Raises AnchorsUnpublished where a place
    couldn't be written to; the next run tries again.
    """
    require_no_transaction("publish")
    published, failed = {}, []
    places: list[tuple[str, str, Opener]] = [
        ("filed_at", rules.ANCHOR_FILE, open_file),
        ("posted_at", rules.ANCHOR_URL, open_url),
    ]
    for column, place, open_place in places:
        if not place:
            continue
        done: list[int] = []
        try:
            write_waiting(column, place, open_place, done)
        except (OSError, requests.RequestException) as exc:
            logger.warning("ledger anchors couldn't be published: %s", exc)
            failed.append(f"{type(exc).__name__}: {exc}")
        LedgerAnchor.objects.filter(sequence__in=done).update(**{column: now})
        published[column] = len(done)
    if failed:
        raise AnchorsUnpublished("; ".join(failed))
    return published


def write_waiting(column: str, place: str, open_place: Opener, done: list[int]) -> None:
    """Write the anchors that weren't published yet, the oldest first; add those that were written to `done`."""
    waiting = LedgerAnchor.objects.filter(**{column: None}).order_by("sequence")[:PUBLISHED_PER_RUN]
    with open_place(place) as write:
        for made in waiting:
            write(as_line(made))
            done.append(made.sequence)


@contextmanager
def open_file(path: str) -> Iterator[Callable[[str], None]]:
    with Path(path).open("a", encoding="utf-8") as file:

        def write(line: str) -> None:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())

        yield write


@contextmanager
def open_url(url: str) -> Iterator[Callable[[str], None]]:
    with BoundedSession(total=URL_SECONDS, max_body=MAX_RESPONSE_BYTES) as session:

        def write(line: str) -> None:
            response = session.post(url, data=line, headers={"Content-Type": "application/json"})
            # A redirect isn't followed: what it leads to has nothing.
            if response.status_code >= 300:  # noqa: PLR2004
                raise requests.HTTPError(f"the response was {response.status_code}")

        yield write


def compare_published(lines: Iterable[str]) -> Finding:
    """Compare the lines of ANCHOR_FILE with the table: each anchor that was published must be there, unchanged."""
    known = {as_line(made) for made in LedgerAnchor.objects.iterator()}
    examined, broken = 0, []
    for line in lines:
        if line.strip():
            examined += 1
            if line.strip() not in known:
                broken.append(line.strip())
    return Finding(examined, len(broken), broken[:EXAMPLES])


# The audit


def chain_breaches(table: str) -> str:
    """Return a SELECT of the rows of a chain that don't follow the one before, by their `sequence`."""
    return f"""
SELECT '{table} ' || sequence AS id FROM (
    SELECT sequence, sequence = lag(sequence, 1, 0::bigint) OVER chain + 1
        AND hash = {table}_hash(lag(hash) OVER chain, link) AS follows
    FROM {table} AS link WINDOW chain AS (ORDER BY sequence)
) AS links WHERE NOT follows
"""  # noqa: S608 - constants of the apps


def register_chain(name: str, statement: str, *, table: str, breaches: str = "") -> None:
    """Have a chain anchored and audited: a table whose `hash` is `<table>_hash` of the row and the hash before it.

    `breaches` is a SELECT of `id` of what else breaks the invariant.
    """
    CHAINS.append(table)
    found = " UNION ALL ".join([chain_breaches(table), *([breaches] if breaches else [])])
    register(by_sql(name, statement, examined=f"SELECT count(*) FROM {table}", breaches=found))  # noqa: S608


LINKS = chain_breaches("ledger_anchors")
# What the anchors say of the heads is what the heads are; and each of these is still the hash of its entry.
HEADS = f"""
SELECT 'ledger_anchors ' || coalesce(made.sequence, hashed.anchor) AS id
FROM ledger_anchors AS made FULL JOIN ({HEADS_HASH.format(heads="ledger_anchor_heads")}) AS hashed ON anchor = sequence
WHERE made.heads_hash IS DISTINCT FROM coalesce(hashed.heads_hash, sha256(''))
UNION ALL
SELECT 'users ' || head.user_id FROM ledger_anchor_heads AS head LEFT JOIN credit_transactions AS entry
ON entry.user_id = head.user_id AND entry.sequence = head.sequence WHERE entry.hash IS DISTINCT FROM head.hash
"""  # noqa: S608 - constants of this module
# All sums are 0 together, and the heads that moved since the anchor before did so by the entries that it has more.
SUMS = """
SELECT 'ledger_anchors ' || sequence AS id FROM (
    SELECT sequence,
        circulation + coalesce((SELECT sum(value::numeric) FROM jsonb_each_text(counterparties)), 0) AS rest,
        entries - coalesce(lag(entries) OVER (ORDER BY sequence), 0) - coalesce(posted, 0) AS unseen
    FROM ledger_anchors LEFT JOIN (
        SELECT anchor, sum(head - before) AS posted FROM (
            SELECT anchor, sequence AS head,
                lag(sequence, 1, 0::bigint) OVER (PARTITION BY user_id ORDER BY anchor) AS before
            FROM ledger_anchor_heads
        ) AS heads GROUP BY anchor
    ) AS moved ON anchor = sequence
) AS sums WHERE rest <> 0 OR unseen <> 0
"""
HEADS_OF_CHAIN = """
SELECT '{table} ' || (chains -> '{table}' ->> 'length') AS id FROM ledger_anchors AS made LEFT JOIN {table} AS link
ON link.sequence = (chains -> '{table}' ->> 'length')::bigint
WHERE jsonb_typeof(chains -> '{table}') = 'object'
AND encode(link.hash, 'hex') IS DISTINCT FROM chains -> '{table}' ->> 'head'
"""


def find_broken_anchors() -> Finding:
    """Compare the anchors with one another and with today's rows of every chain."""
    breaches = [LINKS, HEADS, SUMS, *(HEADS_OF_CHAIN.format(table=table) for table in CHAINS)]
    return by_sql("", "", examined="SELECT count(*) FROM ledger_anchors", breaches=" UNION ALL ".join(breaches)).find()


register(
    Invariant(
        name="anchors",
        statement="Every anchor follows the one before, and each head in it is still the hash of its entry.",
        find=find_broken_anchors,
    )
)
register_chain(
    "house_entries_chain",
    "The hash of every entry between house and escrow covers it and all before.",
    table="house_entries",
)
register_chain("staff_actions_chain", "The hash of every staff action covers it and all before.", table="staff_actions")
