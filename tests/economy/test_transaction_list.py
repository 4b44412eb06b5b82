"""GET /api/v1/transactions/me."""

from uuid import uuid4

import pytest
from django.db import connection
from rest_framework_simplejwt.tokens import AccessToken

from economy.ledger import post_many
from economy.models import CreditTransaction, TransactionType
from tests.core.conftest import assert_is_error
from tests.economy.factories import NOW, adjustment, give, make_user

PATH = "/api/v1/transactions/me"


@pytest.fixture
def ask(api, ann):
    headers = {"Authorization": f"Bearer {AccessToken.for_user(ann)}"}

    def get(**query):
        return api.get(PATH, query, headers=headers)

    return get


@pytest.fixture
def thirty(ann):
    """Thirty rows more: every third a purchase."""
    kinds = [TransactionType.CREDIT_PURCHASE if i % 3 == 0 else TransactionType.ADMIN_ADJUSTMENT for i in range(30)]
    post_many([adjustment(ann, i + 1, transaction_type=kind) for i, kind in enumerate(kinds)], now=NOW)
    return ann


def test_a_transfer_is_shown_as_the_contract_says(ask, ann):
    reference = uuid4()
    posted = give(ann, "66.60", reference_id=reference, description="Café 🎲")
    response = ask(limit=1)
    assert response.status_code == 200
    assert b'"amount":66.60,' in response.content
    assert b'"balanceAfter":1066.60,' in response.content
    body = response.json()
    assert list(body) == ["success", "transactions", "total", "limit", "offset", "nextCursor", "data"]
    assert body["data"] == body["transactions"]
    assert body["transactions"] == [
        {
            "id": str(posted.id),
            "amount": 66.6,
            "transactionType": "admin_adjustment",
            "referenceId": str(reference),
            "balanceAfter": 1066.6,
            "description": "Café 🎲",
            "createdAt": "2026-03-05T12:00:00.000Z",
            "sequence": 2,
            "counterparty": "staff",
            "occurrence": 0,
            "hash": bytes(CreditTransaction.objects.get(pk=posted.id).hash).hex(),
        }
    ]
    assert (body["total"], body["limit"], body["offset"]) == (2, 1, 0)
    assert response["Cache-Control"] == "private, no-store"


def test_pages_by_offset_are_newest_first_and_complete(ask, thirty):
    amounts = []
    for offset in range(0, 40, 7):
        body = ask(limit=7, offset=offset).json()
        assert body["total"] == 31
        amounts += [row["amount"] for row in body["transactions"]]
    assert amounts == [*range(30, 0, -1), 1000]


def test_a_cursor_neither_repeats_nor_skips_while_rows_are_added(ask, thirty):
    seen, cursor = [], ""
    while cursor is not None:
        body = ask(limit=4, cursor=cursor).json()
        seen += [row["amount"] for row in body["transactions"]]
        cursor = body["nextCursor"]
        give(thirty, 5000)
    assert seen == [*range(30, 0, -1), 1000]


def test_one_type_is_listed_and_counted_alone(ask, thirty):
    seen, cursor = [], ""
    while cursor is not None:
        body = ask(type="credit_purchase", limit=3, cursor=cursor).json()
        assert body["total"] == 10
        seen += [row["amount"] for row in body["transactions"]]
        cursor = body["nextCursor"]
    assert seen == list(range(28, 0, -3))
    body = ask(type="credit_purchase", limit=3, offset=8).json()
    assert [row["amount"] for row in body["transactions"]] == [4, 1]
    assert body["nextCursor"] is None


def test_a_type_that_never_happened_is_an_empty_list(ask):
    body = ask(type="bet_payout").json()
    assert (body["transactions"], body["total"], body["nextCursor"]) == ([], 0, None)


def test_a_page_behind_the_end_is_empty_and_still_knows_the_total(ask, thirty):
    body = ask(offset=100).json()
    assert (body["transactions"], body["total"], body["offset"]) == ([], 31, 100)


@pytest.mark.parametrize(("limit", "counts"), [(0, 1), (-5, 1), (201, 200), (10**9, 200), (200, 200)])
def test_the_limit_is_clamped(ask, limit, counts):
    assert ask(limit=limit).json()["limit"] == counts


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"type": "gift"}, "type"),
        ({"limit": "many"}, "limit"),
        ({"offset": -1}, "offset"),
        ({"offset": 10**30}, "offset"),
        ({"cursor": "nonsense"}, "cursor"),
        ({"cursor": "W10"}, "cursor"),
        ({"cursor": "W3RydWVd"}, "cursor"),
        ({"cursor": "WzBd"}, "cursor"),
        ({"cursor": "Wy0xXQ"}, "cursor"),
        ({"cursor": "WzEsMl0"}, "cursor"),
        ({"cursor": "Wzk5OTk5OTk5OTk5OTk5OTk5OTk5XQ"}, "cursor"),
        ({"cursor": "WzVd", "offset": 1}, "offset"),
    ],
)
def test_what_cant_be_asked_is_refused(ask, query, field):
    body = assert_is_error(ask(**query), 400, "validation_error")
    assert body["details"][0]["field"] == field


def test_nobody_sees_what_is_another_users(ask):
    give(make_user("bob"), 7)
    assert [row["amount"] for row in ask().json()["transactions"]] == [1000]


def test_without_a_token_nothing_is_shown(api, db):
    assert_is_error(api.get(PATH), 401, "not_authenticated")


@pytest.mark.parametrize("query", [{}, {"type": "admin_adjustment"}, {"cursor": "WzIwXQ"}, {"offset": 20}])
def test_a_page_is_one_statement_besides_the_user(ask, thirty, django_assert_num_queries, query):
    ask()  # the first request of a while notes that the user is active
    with django_assert_num_queries(2):
        assert ask(**query).json()["transactions"]


@pytest.mark.parametrize("query", [{}, {"type": "admin_adjustment"}])
def test_a_page_is_read_by_index(thirty, query):
    from economy.selectors import ALL, OF_TYPE

    with connection.cursor() as cursor:
        # Of thirty rows anything is cheap.
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
        facts = {"user_id": thirty.pk, "type": query.get("type"), "before": 2**62, "offset": 0, "limit": 50}
        cursor.execute("EXPLAIN " + (OF_TYPE if query else ALL), facts)
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "Seq Scan" not in plan
    assert "Sort" not in plan
