"""House markets that price themselves: bets move the odds, and the house never loses more than its subsidy."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.errors import NotAllowed
from accounts.staff import COMMAND_LINE, StaffMember
from betting import rules
from betting.errors import InvalidSubsidy
from betting.makers import add_liquidity
from betting.models import Bet, BetSale, MarketMaker
from betting.reversal import reverse_settlement
from economy.ledger import anchors
from economy.ledger.audit import audit
from economy.models import HouseEntry
from markets import house
from markets.errors import InvalidHouseMarket, MarketStatusConflict, MarketTermsFixed, NotAHouseMarket, OddsFollowBets
from markets.resolution.staff import void_market
from tests.betting.factories import add_lmsr, assert_audit_passes, everything, execute, order, read
from tests.betting.settlement.factories import end, outcome, settle
from tests.betting.test_hostile import refuser
from tests.economy.factories import give
from tests.markets.factories import add_market
from tests.markets.factories import read as read_market

pytestmark = pytest.mark.django_db
CENT = Decimal("0.01")


@pytest.fixture
def rain(db):
    """THIS at 0.5000; the house loses 1,000 at most, so that `b` is 1442.69504088."""
    return add_lmsr()


@pytest.fixture
def bob(new_player):
    return new_player("bob")


@pytest.fixture
def mary(new_player):
    return StaffMember(new_player("mary", is_staff=True, is_superuser=True).user)


def odds_of(market) -> tuple[Decimal, Decimal]:
    market.refresh_from_db()
    return market.this_odds, market.that_odds


def maker_of(market) -> MarketMaker:
    return MarketMaker.objects.get(pk=market.pk)


def entries(market) -> list[tuple[str, Decimal]]:
    return list(
        HouseEntry.objects.filter(reference_id=market.pk).order_by("sequence").values_list("entry_type", "amount")
    )


class TestBets:
    def test_a_bet_buys_shares_and_moves_the_odds(self, ann, rain):
        bet = ann.bet(rain, 100)
        # 1442.695... * ln(1 + (e^(100 / 1442.695...) - 1) / 0.5); the price goes to 1 - 0.5 * e^(-100 / 1442.695...).
        assert (bet["shares"], bet["potentialPayout"]) == (Decimal("193.51"), Decimal("193.51"))
        assert bet["oddsAtBet"] == Decimal("0.5168")
        assert (bet["remainingAmount"], bet["remainingPayout"]) == (100, Decimal("193.51"))
        assert odds_of(rain) == (Decimal("0.5335"), Decimal("0.4665"))
        assert (bet["currentOdds"], bet["currentValue"]) == (Decimal("0.5335"), Decimal("103.23"))
        assert ann.ledger_entries()[-1] == ("bet_placed", Decimal(-100), Decimal(900))
        assert_audit_passes()

    def test_the_same_bet_costs_more_afterwards_and_the_other_side_less(self, ann, bob, rain):
        first, second, other = ann.bet(rain, 100), bob.bet(rain, 100), bob.bet(rain, 100, "that")
        assert first["shares"] > second["shares"]
        assert other["shares"] > first["shares"]
        assert other["oddsAtBet"] < Decimal("0.5")
        assert_audit_passes()

    def test_a_bet_shows_the_same_when_it_is_read_again(self, ann, rain):
        bet = ann.bet(rain, 100)
        assert ann.show(bet) == bet

    def test_a_quote_is_what_the_bet_is_then(self, ann, rain):
        quote = read(ann.post("/quote", order(rain, 100)))["quote"]
        assert (quote["odds"], quote["shares"], quote["profit"]) == (
            Decimal("0.5168"),
            Decimal("193.51"),
            Decimal("93.51"),
        )
        assert (quote["bid"], quote["ask"], quote["spread"]) == (Decimal("0.5"), Decimal("0.5"), 0)
        assert (quote["oddsAfter"], quote["priceImpact"]) == (Decimal("0.5335"), Decimal("0.0336"))
        bet = ann.bet(rain, 100)
        assert (bet["oddsAtBet"], bet["shares"]) == (quote["odds"], quote["shares"])
        assert odds_of(rain)[0] == quote["oddsAfter"]

    def test_a_bet_is_bounded_by_its_average_price(self, ann, rain):
        before = everything(ann)
        response = ann.post("", order(rain, 100, maxOdds=Decimal("0.5167")))
        assert (response.status_code, response.json()["code"]) == (400, "odds_moved")
        assert everything(ann) == before
        assert ann.bet(rain, 100, maxOdds=Decimal("0.5168"))["oddsAtBet"] == Decimal("0.5168")

    def test_a_bet_that_moves_the_price_too_far_is_refused_unless_its_order_bounds_it(self, ann, rain):
        before = everything(ann)
        response = ann.post("", order(rain, 800))
        assert (response.status_code, response.json()["code"]) == (400, "slippage_too_high")
        assert ann.post("/quote", order(rain, 800)).json()["code"] == "slippage_too_high"
        assert everything(ann) == before
        assert ann.bet(rain, 800, maxOdds=Decimal("0.7"))["oddsAtBet"] > Decimal("0.5") + rules.MAX_SLIPPAGE

    def test_no_bet_moves_its_side_beyond_the_limit(self, ann, db):
        sure = add_lmsr("0.97", "100")
        response = ann.post("", order(sure, 1_000, maxOdds=1))
        assert (response.status_code, response.json()["code"]) == (400, "slippage_too_high")
        ann.bet(sure, 30)
        assert Decimal("0.97") < odds_of(sure)[0] <= Decimal("0.99")

    def test_nothing_is_bet_on_a_side_at_the_limit(self, ann, db):
        sure = add_lmsr("0.99", "100")
        assert ann.post("", order(sure, 10)).json()["code"] == "market_not_accepting"
        assert ann.post("/quote", order(sure, 10)).json()["code"] == "market_not_accepting"
        ann.bet(sure, 10, "that", maxOdds=1)

    def test_who_cannot_pay_moves_nothing(self, ann, rain):
        before = everything(ann), odds_of(rain), maker_of(rain).q_this
        response = ann.post("", order(rain, Decimal("1000.01"), maxOdds=1))
        assert (response.status_code, response.json()["code"]) == (400, "insufficient_credits")
        assert (everything(ann), odds_of(rain), maker_of(rain).q_this) == before

    def test_a_bet_takes_no_statement_more_than_on_a_market_of_fixed_odds(self, ann, rain, kettle):
        def count(market) -> int:
            with CaptureQueriesContext(connection) as counted:
                ann.bet(market, 10)
            return len(counted)

        ann.bet(rain, 10), ann.bet(kettle, 10)
        assert count(rain) == count(kettle)


class TestSales:
    def test_a_sale_brings_the_average_price_and_moves_the_odds_back(self, ann, rain):
        bet = ann.bet(rain, 100)
        sold = ann.sell(bet)
        assert sold["creditsReturned"] == Decimal("99.99")
        assert sold["bet"]["status"] == "sold"
        assert odds_of(rain) == (Decimal("0.5000"), Decimal("0.5000"))
        assert (maker_of(rain).q_this, maker_of(rain).collected) == (0, CENT)
        assert_audit_passes()

    def test_a_part_of_the_stake_sells_its_part_of_the_shares(self, ann, rain):
        bet = ann.bet(rain, 100)
        quote = read(ann.post(f"/{bet['id']}/quote", {"amount": 30}))["quote"]
        sold = ann.sell(bet, "30")
        (sale,) = BetSale.objects.all()
        assert (sale.amount, sale.shares) == (30, Decimal("58.06"))
        assert (sold["bet"]["remainingAmount"], sold["bet"]["remainingPayout"]) == (70, Decimal("135.45"))
        assert (quote["creditsReturned"], quote["odds"]) == (sold["creditsReturned"], sale.odds)
        assert quote["oddsAfter"] == odds_of(rain)[0] == sold["bet"]["currentOdds"]
        assert (
            sold["bet"]["currentValue"]
            == sold["currentValue"]
            == (Decimal("135.45") * odds_of(rain)[0]).quantize(CENT, "ROUND_DOWN")
        )
        assert_audit_passes()

    def test_who_bought_before_others_gains_and_they_lose(self, ann, bob, rain):
        first = ann.bet(rain, 100)
        later = bob.bet(rain, 200)
        assert ann.sell(first)["profit"] > 0
        assert bob.sell(later)["profit"] < 0
        assert_audit_passes()

    def test_the_smallest_part_is_sold_even_for_nothing(self, ann, bob, rain):
        bet = ann.bet(rain, 10)
        bob.bet(rain, 900, "that", maxOdds=1)
        assert ann.sell(bet, "0.01")["creditsReturned"] in (0, CENT)
        assert_audit_passes()

    def test_below_the_least_odds_nothing_is_sold(self, ann, rain):
        bet = ann.bet(rain, 100)
        response = ann.post(f"/{bet['id']}/sell", {"minOdds": Decimal("0.5168")})
        assert (response.status_code, response.json()["code"]) == (400, "odds_moved")


class TestWhatIsShown:
    def test_its_pricing_has_no_spread_at_the_margin(self, api, ann, rain):
        ann.bet(rain, 100)
        shown = read_market(api, f"/{rain.pk}")["data"]
        assert shown["pricing"] == "lmsr"
        assert shown["bid"] == shown["ask"] == shown["thisOdds"] == Decimal("0.5335")
        assert shown["spread"] == 0
        assert not shown["illiquid"]

    def test_each_bet_and_sale_is_a_point_of_the_history(self, api, ann, rain):
        bet = ann.bet(rain, 100)
        ann.bet(rain, 50, "that")
        ann.sell(bet)
        recorded = [round(float(odds), 4) for odds in points(rain)]
        assert recorded[0] == 0.5
        assert len(recorded) == 4
        newest = read_market(api, f"/{rain.pk}/history", interval="1h")["data"][-1]
        assert newest["bid"] == newest["ask"] == newest["thisOdds"] == odds_of(rain)[0]


def points(market) -> list[Decimal]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT this_odds / 10000.0 FROM market_points WHERE market_id = %s ORDER BY recorded_at", [market.pk]
        )
        return [odds for (odds,) in cursor.fetchall()]


class TestEnds:
    @pytest.mark.parametrize(("result", "ann_gets", "bob_gets"), [
        ("this", "193.51", "0"),
        ("that", "0", "105.13"),
        ("invalid", "100", "50"),
    ])  # fmt: skip
    def test_shares_of_the_side_that_won_are_paid_and_the_rest_is_the_houses(
        self, ann, bob, rain, result, ann_gets, bob_gets
    ):
        bets = [ann.bet(rain, 100), bob.bet(rain, 50, "that")]
        end(rain, result)
        settle(rain)
        paid = [outcome(bet)[1] for bet in bets]
        assert paid == [Decimal(ann_gets), Decimal(bob_gets)]
        assert entries(rain) == [("subsidy", Decimal(1000)), ("subsidy_return", -(1000 + 150 - sum(paid)))]
        assert_audit_passes()

    def test_only_the_shares_that_are_open_are_paid(self, ann, rain):
        bet = ann.bet(rain, 100)
        ann.sell(bet, "30")
        end(rain, "this")
        settle(rain)
        assert outcome(bet) == ("won", Decimal("135.45"))
        assert_audit_passes()

    def test_a_market_that_nobody_bet_on_returns_its_subsidy(self, rain):
        void_market(market_id=rain.pk, by=COMMAND_LINE, reason="Nobody came.", now=timezone.now())
        settle(rain)
        assert entries(rain) == [("subsidy", Decimal(1000)), ("subsidy_return", Decimal(-1000))]
        assert_audit_passes()

    @pytest.mark.parametrize("result", ["this", "that", "invalid"])
    def test_a_settlement_that_is_undone_takes_the_subsidy_into_escrow_again(self, ann, bob, rain, mary, result):
        ann.bet(rain, 100), bob.bet(rain, 50, "that")
        end(rain, result)
        settle(rain)
        returned = entries(rain)[-1][1]
        reverse_settlement(market_id=rain.pk, by=mary, reason="No.", now=timezone.now())
        assert entries(rain)[-1] == ("subsidy_reversal", -returned)
        assert_audit_passes()
        end(rain, "that")
        settle(rain)
        assert entries(rain)[-1][0] == "subsidy_return"
        assert_audit_passes()

    def test_stakes_go_back_in_part_where_sales_took_more_than_the_subsidy(self, ann, bob, db):
        """Ann buys before Bob moves the price and sells afterwards, again and again; Bob holds both sides."""
        small = add_lmsr("0.5", "100")
        give(bob.user, 9_000)
        free = {"maxOdds": 1}
        held = []
        for _ in range(4):
            mine = ann.bet(small, 100, **free)
            held.append(bob.bet(small, 200, **free))
            ann.sell(mine)
            held.append(bob.bet(small, 300, "that", **free))
        maker = maker_of(small)
        assert maker.collected + maker.subsidy < maker.open_stake
        assert_audit_passes()
        end(small, "invalid")
        settle(small)
        refunds = [outcome(bet) for bet in held]
        assert {status for status, _ in refunds} == {"cancelled"}
        returned = sum(amount for _, amount in refunds)
        left = maker.collected + maker.subsidy
        assert left - len(held) * CENT < returned <= left
        assert_audit_passes()


class TestSubsidy:
    def test_it_lies_in_escrow_and_is_in_the_sums_that_are_published(self, ann, rain):
        first = anchors.anchor(now=timezone.now()).counterparties
        assert Decimal(first["house"]) == -1000
        ann.bet(rain, 100)
        later = anchors.anchor(now=timezone.now()).counterparties
        assert Decimal(later["escrow"]) == 1100
        end(rain, "that")
        settle(rain)
        last = anchors.anchor(now=timezone.now())
        assert (Decimal(last.counterparties["house"]), Decimal(last.counterparties["escrow"])) == (100, 0)
        assert last.circulation + sum(Decimal(amount) for amount in last.counterparties.values()) == 0
        assert_audit_passes()

    @pytest.mark.parametrize("subsidy", ["0", "99.99", "1000000.01", "100.001", "NaN", "-100"])
    def test_an_impossible_one_opens_no_market(self, db, subsidy):
        with pytest.raises(InvalidSubsidy):
            add_lmsr(subsidy=subsidy)

    @pytest.mark.parametrize("odds", ["0.0099", "0.9901", "NaN"])
    def test_it_begins_between_the_limits(self, db, odds):
        with pytest.raises(InvalidHouseMarket):
            add_lmsr(odds)

    def test_added_liquidity_keeps_the_price_and_moves_it_less(self, ann, bob, rain, mary):
        ann.bet(rain, 100)
        before, small = odds_of(rain), read(bob.post("/quote", order(rain, 100)))["quote"]
        add = {"by": mary, "reason": "Many bet.", "now": timezone.now()}
        assert add_liquidity(market_id=rain.pk, amount=Decimal(4000), **add) == 5000
        assert odds_of(rain) == before
        # The most that loses 5,000: if THAT won the house would pay nothing of the 100 that it got, and b ln(1 / 0.4665).
        assert abs(maker_of(rain).b - Decimal("6688.87")) < 1
        large = read(bob.post("/quote", order(rain, 100)))["quote"]
        assert large["oddsAfter"] < small["oddsAfter"]
        assert large["shares"] > small["shares"]
        assert entries(rain)[-1] == ("subsidy", Decimal(4000))
        bob.bet(rain, 100)
        end(rain, "this")
        settle(rain)
        assert_audit_passes()

    @pytest.mark.parametrize("amount", ["0", "-1", "999000.01", "0.001", "NaN"])
    def test_no_impossible_liquidity_is_added(self, rain, mary, amount):
        with pytest.raises(InvalidSubsidy):
            add_liquidity(market_id=rain.pk, amount=Decimal(amount), by=mary, reason="So.", now=timezone.now())

    def test_liquidity_is_for_open_markets_that_price_themselves(self, ann, rain, kettle, mary):
        add = {"amount": Decimal(100), "reason": "So.", "now": timezone.now()}
        with pytest.raises(NotAllowed):
            add_liquidity(market_id=rain.pk, by=StaffMember(ann.user), **add)
        with pytest.raises(NotAHouseMarket):
            add_liquidity(market_id=kettle.pk, by=mary, **add)
        end(rain, "this")
        with pytest.raises(MarketStatusConflict):
            add_liquidity(market_id=rain.pk, by=mary, **add)


class TestStaff:
    def test_nobody_sets_its_odds(self, rain, mary):
        given = {"by": mary, "reason": "So.", "now": timezone.now()}
        with pytest.raises(OddsFollowBets):
            house.change_odds(market_id=rain.pk, this_odds=Decimal("0.7"), **given)

    @pytest.mark.parametrize("add", [add_lmsr, add_market], ids=["lmsr", "fixed"])
    def test_a_paused_market_takes_no_orders_until_it_is_resumed(self, ann, mary, api, add):
        market = add()
        bet = ann.bet(market, 10)
        given = {"market_id": market.pk, "by": mary, "reason": "A leak.", "now": timezone.now()}
        house.pause_house_market(**given)
        assert ann.post("", order(market, 10)).json()["code"] == "market_not_accepting"
        assert ann.post(f"/{bet['id']}/sell").json()["code"] == "market_not_accepting"
        assert read_market(api, f"/{market.pk}")["data"]["acceptingOrders"] is False
        house.resume_house_market(**given)
        ann.bet(market, 10)

    def test_its_question_is_edited_before_the_first_bet_alone(self, ann, rain, mary):
        given = {"market_id": rain.pk, "by": mary, "reason": "A slip.", "now": timezone.now()}
        house.edit_house_market(changes={"title": "Will it rain on Sunday?"}, **given)
        ann.bet(rain, 10)
        with pytest.raises(MarketTermsFixed):
            house.edit_house_market(changes={"title": "Will it rain on Monday?"}, **given)

    def test_it_closes_at_its_end(self, ann, db):
        brief = add_lmsr(expires_at=timezone.now() + timedelta(minutes=1))
        ann.bet(brief, 10)
        assert house.close_expired(now=timezone.now() + timedelta(minutes=2)) == 1
        assert ann.post("", order(brief, 10)).json()["code"] == "market_not_open"


@pytest.mark.parametrize(
    ("by", "statement"),
    [
        ("market_makers_lose_the_subsidy_at_most", "UPDATE market_makers SET q_this = q_this + 1101"),
        ("market_makers_lose_the_subsidy_at_most", "UPDATE market_makers SET collected = collected - 1000"),
        ("market_makers_hold_numbers", "UPDATE market_makers SET q_that = -1"),
        ("market_makers_hold_numbers", "UPDATE market_makers SET collected = 'NaN'"),
        ("market_makers_never_shallower", "UPDATE market_makers SET subsidy = subsidy - 1"),
        ("market_makers_never_shallower", "UPDATE market_makers SET b = 2 * b"),
        ("market_makers_never_shallower", "UPDATE market_makers SET tilt = tilt + 1"),
        ("house_entries_append_only", "UPDATE house_entries SET amount = 1"),
        ("house_entries_append_only", "DELETE FROM house_entries"),
        ("bets_terms_never_change", "UPDATE bets SET on_curve = false"),
        ("markets_lmsr_in_house", "UPDATE markets SET market_type = 'polymarket', polymarket_id = '0x1', this_token_id = '1', that_token_id = '2'"),
    ],
)  # fmt: skip
def test_the_database_refuses_hand_written_changes(ann, rain, by, statement):
    ann.bet(rain, 100)
    assert refuser(lambda: execute(statement)) == by


@pytest.mark.parametrize(
    ("invariant", "statement"),
    [
        ("market_makers", "UPDATE market_makers SET q_this = q_this - 1"),
        ("market_makers", "UPDATE market_makers SET open_stake = open_stake + 1"),
        ("market_makers", "UPDATE markets SET is_lmsr = false"),
        ("house_odds", "UPDATE markets SET this_odds = 0.6, that_odds = 0.4"),
        ("subsidies", "UPDATE market_makers SET subsidy = subsidy + 1"),
        ("subsidies", "INSERT INTO house_entries (amount, entry_type, reference_id, occurrence, created_at) SELECT -1000, 'subsidy_return', market_id, 0, now() FROM market_makers"),
        ("subsidies", "INSERT INTO house_entries (amount, entry_type, reference_id, occurrence, created_at) SELECT 1000, 'subsidy', user_id, 0, now() FROM bets"),
    ],
)  # fmt: skip
def test_the_audit_finds_what_it_cannot_refuse(ann, rain, invariant, statement):
    ann.bet(rain, 100)
    assert execute(statement) == 1
    assert audit().findings[invariant].broken == 1
    assert Bet.objects.count() == 1
