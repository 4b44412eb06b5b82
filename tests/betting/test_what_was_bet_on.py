"""What was bet on stays what it is: token ids and words are fixed, other orders mapped back, and the rest refused."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction

from betting.models import Bet
from betting.orders import clear_cache, get_market_snapshot, validate_order
from betting.pricing import price_order
from betting.services import place_bet
from markets import identity, prices, tasks
from markets.errors import PriceUnavailable
from markets.models import Market, MarketTerms, MarketText, MarketWatch
from tests.betting.factories import assert_audit_passes, execute, order, set_book, sign_up
from tests.betting.settlement.factories import settle
from tests.markets.factories import ingest, polymarket_client, refusal
from tests.markets.resolution.factories import decisions, last, resolve, state
from tests.roles import as_owner

pytestmark = pytest.mark.django_db
SIDES = ("this_token_id", "that_token_id", "this_option", "that_option")
# What stays when nothing of an object is applied: all but that it is suspended.
KEPT = (*SIDES, "title", "description", "this_odds", "that_odds", "status", "upstream_facts", "accepting_orders")
PARTS = [
    ({"prices": False, "tokens": False}, identity.OPTIONS_REORDERED),
    ({"outcomes": False, "prices": False}, identity.TOKENS_REORDERED),
    ({"outcomes": False, "tokens": False}, identity.PRICES_REORDERED),
    ({"outcomes": False}, identity.TOKENS_REORDERED),
    ({"tokens": False}, identity.OPTIONS_REORDERED),
    ({"prices": False}, identity.PRICES_REORDERED),
]
NAMES = ["outcomes", "tokens", "prices", "tokens and prices", "outcomes and prices", "outcomes and tokens"]


@pytest.fixture
def market(mirrored, there, upstream) -> Market:
    """Mirrored at 0.4000 as it is there."""
    set_book(there, "0.3900", "0.4100")
    ingest(upstream)
    mirrored.refresh_from_db()
    assert mirrored.this_odds == Decimal("0.4000")
    return mirrored


def row(market: Market, names=KEPT) -> dict:
    return Market.objects.filter(pk=market.pk).values(*names).get()


def resolve_now(market: Market, upstream) -> None:
    """A run once the market is past its planned end, so that it is asked for."""
    Market.objects.filter(pk=market.pk).update(expires_at=datetime.now(UTC) - timedelta(minutes=1))
    resolve(upstream)


def suspended(market: Market) -> str:
    return Market.objects.values_list("suspended_reason", flat=True).get(pk=market.pk)


@pytest.mark.parametrize(("winner", "became"), [("this", "won"), ("that", "lost")])
def test_a_bet_on_this_is_settled_as_this_whatever_order_the_upstream_lists(
    ann, market, there, upstream, winner, became
):
    """Lesson 43: a bet on Yes became a bet on No, and was settled lost."""
    bet = ann.bet(market, 100, "this")
    sides = row(market, SIDES)
    there.reorder()
    ingest(upstream)
    there.resolve(winner)
    resolve_now(market, upstream)
    assert state(market) == ("resolved", winner)
    assert row(market, SIDES) == sides
    settle(market)
    assert ann.show(bet)["status"] == became
    assert_audit_passes()


def test_odds_and_words_come_back_to_their_tokens(ann, market, there, upstream):
    ann.bet(market, 10)
    sides = row(market, SIDES)
    there.reorder()
    there.set_price(Decimal("0.3500"))
    ingest(upstream)
    now = row(market)
    assert (now["this_odds"], now["that_odds"]) == (Decimal("0.3500"), Decimal("0.6500"))
    assert row(market, SIDES) == sides
    assert suspended(market) == ""
    assert ann.bet(market, 10)["oddsAtBet"] == Decimal("0.3510")


@pytest.mark.parametrize(("parts", "why"), PARTS, ids=NAMES)
def test_where_only_some_lists_are_reordered_nothing_is_applied_and_no_order_taken(
    ann, market, there, upstream, parts, why
):
    bet = ann.bet(market, 100)
    before = row(market)
    there.reorder(**parts)
    there.edit(description="Other rules.")
    ingest(upstream)
    assert row(market) == before
    assert suspended(market) == why
    refusal(ann.post("", order(market)), 400, "market_not_accepting")
    refusal(ann.post("/quote", order(market)), 400, "market_not_accepting")
    ann.sell(bet, "40")
    there.reorder(**parts)
    ingest(upstream)
    assert suspended(market) == ""
    assert row(market)["description"] == "Other rules."
    ann.bet(market, 10)
    assert_audit_passes()


@pytest.mark.parametrize(("parts", "why"), PARTS, ids=NAMES)
def test_where_only_some_lists_are_reordered_at_the_end_nobody_is_paid(ann, market, there, upstream, parts, why):
    bet = ann.bet(market, 100)
    there.reorder(**parts)
    there.resolve("this")
    resolve_now(market, upstream)
    status, result = state(market)
    assert (status in ("open", "closed"), result) == (True, None)
    assert decisions(market)[-1] in ("unknown", "disagreement")
    assert ann.show(bet)["status"] == "pending"


def test_unknown_tokens_suspend_the_market_and_tell_no_result(ann, market, there, upstream):
    ann.bet(market, 100)
    before = row(market)
    there.change_tokens()
    ingest(upstream)
    assert row(market) == before
    assert suspended(market) == identity.OTHER_TOKENS
    clear_cache()
    refusal(ann.post("", order(market)), 400, "market_not_accepting")
    there.resolve("this")
    resolve_now(market, upstream)
    assert decisions(market) == ["unknown"]
    assert state(market)[1] is None


def test_other_words_suspend_the_market_and_tell_no_result(ann, market, there, upstream):
    ann.bet(market, 100)
    before = row(market)
    there.rename_outcomes("Left", "Right")
    ingest(upstream)
    assert row(market) == before
    assert suspended(market) == f"{identity.OTHER_WORDS}: “Left” and “Right”."
    there.resolve("this")
    resolve_now(market, upstream)
    assert (decisions(market), last(market).reason) == (["unknown"], suspended(market))
    assert state(market)[1] is None


def test_a_suspended_market_that_closes_long_before_its_end_is_looked_at_by_the_next_run(ann, market, there, upstream):
    """It may be another market's end, so nothing is closed or paid: staff see it."""
    bet = ann.bet(market, 100)
    Market.objects.filter(pk=market.pk).update(expires_at=datetime.now(UTC) + timedelta(days=90))
    MarketWatch.objects.all().delete()
    there.rename_outcomes("Left", "Right")
    ingest(upstream)
    resolve(upstream)
    assert decisions(market) == []
    there.resolve("this")
    ingest(upstream)
    assert suspended(market).endswith(identity.CLOSED_THERE)
    assert resolve(upstream)["unknown"] == 1
    assert decisions(market) == ["unknown"]
    assert last(market).reason.startswith(identity.OTHER_WORDS)
    assert state(market) == ("open", None)
    clear_cache()
    refusal(ann.post("", order(market)), 400, "market_not_accepting")
    assert ann.show(bet)["status"] == "pending"
    there.rename_outcomes(market.this_option, market.that_option)
    ingest(upstream)
    assert state(market) == ("closed", None)
    resolve(upstream)
    assert state(market) == ("resolved", "this")


def test_words_that_differ_in_case_and_spacing_are_the_same(ann, market, there, upstream):
    ann.bet(market, 100)
    sides = row(market, SIDES)
    there.rename_outcomes(*(f" {word.upper()}  " for word in there.outcomes))
    ingest(upstream)
    assert (row(market, SIDES), suspended(market)) == (sides, "")
    there.resolve("that")
    resolve_now(market, upstream)
    assert state(market) == ("resolved", "that")


def test_prices_in_doubt_are_the_order_books_to_tell(ann, market, there, upstream):
    ann.bet(market, 100)
    there.reorder(outcomes=False, tokens=False)
    ingest(upstream)
    assert suspended(market) == identity.PRICES_REORDERED
    moment = datetime.now(UTC) + timedelta(seconds=30)
    tasks.run_odds_refresh(client=polymarket_client(upstream), now=moment)
    ingest(upstream, now=moment)
    assert suspended(market) == ""
    assert row(market)["this_odds"] == Decimal("0.4000")


@pytest.mark.parametrize(
    "change",
    [
        lambda there: there.reorder(),
        lambda there: there.reorder(prices=False, tokens=False),
        lambda there: there.change_tokens(),
        lambda there: there.rename_outcomes("Left", "Right"),
    ],
    ids=["reordered", "outcomes alone", "other tokens", "other words"],
)
def test_before_anybody_has_bet_the_new_identity_is_taken(market, there, upstream, change):
    change(there)
    ingest(upstream)
    swapped = -1 if "tokens" in there.reordered else 1
    renamed = -1 if "outcomes" in there.reordered else 1
    assert row(market, SIDES[:2]) == dict(zip(SIDES[:2], there.tokens[::swapped], strict=True))
    assert row(market, SIDES[2:]) == dict(zip(SIDES[2:], there.outcomes[::renamed], strict=True))
    assert suspended(market) == ""


def test_no_odds_of_the_old_sides_are_bet_at_after_they_changed(ann, market, there, upstream):
    prices.live_odds(market, client=polymarket_client(upstream), now=datetime.now(UTC))
    there.reorder()
    ingest(upstream)
    assert ann.bet(market, 10, "this")["oddsAtBet"] == Decimal("0.6100")


@pytest.mark.parametrize(
    "change", [lambda there: there.reorder(), lambda there: there.rename_outcomes("Left", "Right")]
)
def test_an_order_priced_before_the_sides_changed_is_refused(ann, market, there, upstream, change):
    now = datetime.now(UTC)
    wanted = validate_order(order(market))
    snapshot = get_market_snapshot(str(market.pk))
    priced = price_order(order=wanted, market=snapshot, now=now, before_upstream=lambda: None)
    change(there)
    ingest(upstream)
    with pytest.raises(PriceUnavailable), transaction.atomic():
        place_bet(priced=priced, user_id=ann.id, clock=lambda: now)
    assert not Bet.objects.exists()


@pytest.mark.parametrize("column", [*SIDES, "polymarket_id"])
def test_the_database_itself_refuses_other_terms_once_somebody_has_bet(ann, market, column):
    statement = f"UPDATE markets SET {column} = 'another' WHERE id = %s"  # noqa: S608
    with transaction.atomic():
        assert execute(statement, market.pk) == 1, "before the first bet"
        transaction.set_rollback(True)
    ann.bet(market, 10)
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        execute(statement, market.pk)
    assert caught.value.__cause__.diag.constraint_name == "markets_terms_never_change"


@pytest.mark.parametrize("column", ["title", "description"])
def test_the_words_of_a_house_market_are_refused_by_the_database_too(ann, kettle, column):
    ann.bet(kettle, 10)
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        execute(f"UPDATE markets SET {column} = 'another' WHERE id = %s", kettle.pk)  # noqa: S608
    assert caught.value.__cause__.diag.constraint_name == "markets_house_words_never_change"


def test_the_first_bet_alone_notes_that_terms_are_fixed(ann, kettle):
    """The trigger `bets_fix_terms`."""
    assert not MarketTerms.objects.exists()
    ann.bet(kettle, 10)
    sign_up("bob").bet(kettle, 10)
    assert MarketTerms.objects.get().market_id == kettle.pk


@pytest.mark.parametrize("table", ["market_terms", "market_texts"])
def test_what_was_noted_is_kept(ann, market, there, upstream, table):
    ann.bet(market, 10)
    there.edit(question="Which?")
    ingest(upstream)
    connection.check_constraints()
    for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET id = id + 1", f"TRUNCATE {table}"):  # noqa: S608
        with pytest.raises(IntegrityError), as_owner(), transaction.atomic():
            execute(statement)


def test_texts_that_were_shown_since_the_first_bet_are_kept(ann, market, there, upstream):
    there.edit(question="Before any bet?")
    ingest(upstream)
    bet = ann.bet(market, 10)
    described = row(market)["description"]
    moments = [datetime.now(UTC) + timedelta(minutes=minutes) for minutes in (5, 10, 15)]
    there.edit(question="Edited once?")
    ingest(upstream, now=moments[0])
    there.edit(description="Edited twice.")
    ingest(upstream, now=moments[1])
    there.set_price(Decimal("0.4100"))
    ingest(upstream, now=moments[2])
    kept = MarketText.objects.filter(market=market).order_by("id")
    assert list(kept.values_list("title", "description")) == [
        ("Before any bet?", described),
        ("Edited once?", described),
    ]
    placed = Bet.objects.get(pk=bet["id"]).placed_at
    assert list(kept.values_list("shown_at", "replaced_at")) == [(placed, moments[0]), (moments[0], moments[1])]
    assert (row(market)["title"], row(market)["description"]) == ("Edited once?", "Edited twice.")


def test_of_two_markets_under_one_id_the_one_with_the_stored_tokens_counts(ann, market, there, upstream):
    """In the catalogue and at the end, with bets or without."""
    other = next(each for each in upstream.world.good_markets() if each.event is not there.event)
    unbet = next(each for each in upstream.world.good_markets() if each not in (there, other))
    ann.bet(market, 10)
    first = {
        one.condition_id: list(Market.objects.filter(polymarket_id=one.condition_id).values(*SIDES))
        for one in (there, unbet)
    }
    other.set_volume(10_000_000)
    other.duplicate_condition_id(there)
    ingest(upstream)
    assert (row(market, SIDES), suspended(market)) == (first[there.condition_id][0], "")
    other.duplicate_condition_id(unbet)
    ingest(upstream)
    assert list(Market.objects.filter(polymarket_id=unbet.condition_id).values(*SIDES)) == first[unbet.condition_id]
    other.duplicate_condition_id(there)
    there.resolve("this")
    ingest(upstream)
    resolve_now(market, upstream)
    assert state(market) == ("resolved", "this")
