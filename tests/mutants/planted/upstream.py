"""Bugs of what others tell: results of markets, payments; and of what follows from them."""

from tests.mutants.mutant import Mutant

POLICY, JOB, STAFF = "markets/resolution/policy.py", "markets/resolution/job.py", "markets/resolution/staff.py"
EVENTS, PURCHASES, PROVIDERS = "purchases/events.py", "purchases/services.py", "purchases/providers.py"

MUTANTS = [
    # Results of markets
    Mutant(
        name="result-without-a-second-source",
        bug="a result is taken though the second source doesn't tell yet",
        file=POLICY,
        fragment="    if second.outcome == first.outcome:\n",
        replacement="    if second.outcome == first.outcome or not second.is_result:\n",
        caught_by=(
            "tests/markets/resolution/test_every_way_it_may_end.py::test_what_upstream_says_decides_and_looking_again_records_nothing_new",
        ),
    ),
    Mutant(
        name="result-against-the-second-source",
        bug="a result is taken though the second source says otherwise",
        file=POLICY,
        fragment="    if second.outcome == first.outcome:\n",
        replacement="    if second.outcome == first.outcome or second.is_result:\n",
        caught_by=(
            "tests/markets/resolution/test_every_way_it_may_end.py::test_what_upstream_says_decides_and_looking_again_records_nothing_new",
        ),
    ),
    Mutant(
        name="result-while-disputed",
        bug="a result that is disputed is paid",
        file=POLICY,
        fragment='WAITING_STATUSES: Final = ("requested", "proposed", "disputed")',
        replacement='WAITING_STATUSES: Final = ("requested", "proposed")',
        caught_by=(
            "tests/markets/resolution/test_every_way_it_may_end.py::test_what_upstream_says_decides_and_looking_again_records_nothing_new",
        ),
    ),
    Mutant(
        name="result-of-a-price-near-one",
        bug="a price of 0.99 is taken for a result",
        file=POLICY,
        fragment="    if prices == [1, 0]:\n",
        replacement='    if prices and prices[0] is not None and prices[0] >= Decimal("0.99"):\n',
        caught_by=(
            "tests/markets/resolution/test_every_way_it_may_end.py::test_what_upstream_says_decides_and_looking_again_records_nothing_new",
        ),
    ),
    Mutant(
        name="result-50-50-before-it-is-resolved",
        bug="prices of 0.5 without a resolution void the market",
        file=POLICY,
        fragment='if prices == [HALF, HALF] and status == "resolved":',
        replacement="if prices == [HALF, HALF]:",
        caught_by=(
            "tests/markets/resolution/test_every_way_it_may_end.py::test_what_upstream_says_decides_and_looking_again_records_nothing_new",
        ),
    ),
    Mutant(
        name="result-of-reordered-outcomes",
        bug="prices that the upstream lists in another order are taken in ours",
        file="markets/identity.py",
        fragment="facts[name] = values.verbatim(listed[::-1])",
        replacement="facts[name] = values.verbatim(listed)",
        caught_by=(
            "tests/betting/test_what_was_bet_on.py::test_a_bet_on_this_is_settled_as_this_whatever_order_the_upstream_lists",
        ),
    ),
    Mutant(
        name="result-that-staff-undid",
        bug="a result that staff undid is taken from the upstream again",
        file=JOB,
        fragment="if previous and outcome.is_result and outcome.outcome in previous.undone:",
        replacement="if previous and not outcome.is_result and outcome.outcome in previous.undone:",
        caught_by=(
            "tests/markets/resolution/test_staff_decide.py::test_a_result_that_staff_undid_is_not_taken_from_polymarket_again",
        ),
    ),
    Mutant(
        name="result-of-a-market-that-is-over",
        bug="staff resolve a market that is resolved",
        file=STAFF,
        fragment="    if market.status not in allowed:\n",
        replacement="    if market.status not in tuple(Status):\n",
        caught_by=(
            "tests/markets/resolution/test_staff_decide.py::test_what_a_status_does_not_allow_is_refused_and_changes_nothing",
        ),
    ),
    Mutant(
        name="result-by-anybody-of-the-staff",
        bug="deciding about a market needs no permission",
        file=STAFF,
        fragment="    by.require(Permission.DECIDE_MARKETS)\n",
        replacement="",
        caught_by=(
            "tests/markets/resolution/test_staff_decide.py::test_staff_who_may_not_decide_are_refused_before_anything_else",
        ),
    ),
    Mutant(
        name="decision-locks-no-market",
        bug="two of the staff decide about a market beside each other",
        file=STAFF,
        fragment='Market.objects.select_for_update().defer("search")',
        replacement='Market.objects.defer("search")',
        caught_by=("tests/markets/resolution/test_at_once.py::test_five_staff_decide_and_one_decision_counts",),
    ),
    Mutant(
        name="house-market-reworded",
        bug="the words of a house market change after somebody bet on it",
        file="markets/house.py",
        fragment="        if set(after) & set(TERMS) and was_bet_on(market_id):\n            raise MarketTermsFixed\n",
        replacement="",
        caught_by=("tests/markets/test_house_edits.py::test_what_somebody_bet_on_is_not_reworded",),
    ),
    # Payments
    Mutant(
        name="purchase-before-it-is-paid",
        bug="credits are granted before they are paid",
        file=PURCHASES,
        fragment="    if not payment.is_paid:\n",
        replacement="    if not payment:\n",
        caught_by=("tests/purchases/test_stripe.py::test_a_purchase_waits_for_its_payment_at_stripes_page",),
    ),
    Mutant(
        name="purchase-of-another-amount",
        bug="any amount pays for a package",
        file=EVENTS,
        fragment="if event.cents == in_cents(purchase.usd_amount) and event.currency == CURRENCY:",
        replacement="if event.currency == CURRENCY:",
        caught_by=(
            "tests/purchases/test_webhook.py::test_another_amount_than_agreed_grants_nothing_and_is_noted_for_staff",
        ),
    ),
    Mutant(
        name="purchase-in-another-currency",
        bug="as many cents of any currency pay for a package",
        file=EVENTS,
        fragment="if event.cents == in_cents(purchase.usd_amount) and event.currency == CURRENCY:",
        replacement="if event.cents == in_cents(purchase.usd_amount):",
        caught_by=(
            "tests/purchases/test_webhook.py::test_another_amount_than_agreed_grants_nothing_and_is_noted_for_staff",
        ),
    ),
    Mutant(
        name="purchase-granted-again",
        bug="another event about a paid session grants its credits again",
        file=EVENTS,
        fragment="if purchase.status in (Status.COMPLETED, Status.REFUNDED):",
        replacement="if purchase.status == Status.REFUNDED:",
        caught_by=("tests/purchases/test_webhook.py::test_another_event_about_a_paid_session_grants_nothing",),
    ),
    Mutant(
        name="purchase-granted-after-a-refund",
        bug="a late event grants credits that were taken back",
        file=EVENTS,
        fragment="if purchase.status in (Status.COMPLETED, Status.REFUNDED):",
        replacement="if purchase.status == Status.COMPLETED:",
        caught_by=("tests/purchases/test_webhook.py::test_a_refunded_purchase_is_not_granted_again",),
    ),
    Mutant(
        name="event-handled-twice",
        bug="an event that is delivered again is handled again",
        file=EVENTS,
        fragment="    if PurchaseEvent.objects.filter(provider_event_id=event.id).exists():\n        return\n",
        replacement="",
        caught_by=("tests/purchases/test_webhook.py::TestLookingUp::test_another_amount_is_for_staff_and_said_once",),
    ),
    Mutant(
        name="refund-of-a-part-takes-all",
        bug="a refund of a part of the money takes all credits",
        file=EVENTS,
        fragment="elif event.type == REFUNDED and event.is_refunded:",
        replacement="elif event.type == REFUNDED:",
        caught_by=(
            "tests/purchases/test_refund_events.py::test_a_refund_of_a_part_is_left_to_staff_and_the_rest_of_it_takes_the_credits",
        ),
    ),
    Mutant(
        name="refund-twice-by-staff",
        bug="staff refund a purchase that is refunded",
        file=PURCHASES,
        fragment="        if purchase.status != Status.COMPLETED:\n            raise PurchaseNotRefundable\n",
        replacement="",
        caught_by=("tests/purchases/test_refund.py::test_a_refund_happens_once",),
    ),
    Mutant(
        name="refund-twice-by-an-event",
        bug="a refund at the provider takes credits that staff took back",
        file=EVENTS,
        fragment="    if purchase.status == Status.REFUNDED:\n        return\n",
        replacement="",
        caught_by=(
            "tests/purchases/test_refund_events.py::test_a_refund_that_staff_began_with_the_credits_takes_nothing_twice",
        ),
    ),
    Mutant(
        name="refund-from-a-hold",
        bug="a refund counts credits on hold as available",
        file=PURCHASES,
        fragment='User.objects.values_list("available_credits", flat=True)',
        replacement='User.objects.values_list("credit_balance", flat=True)',
        caught_by=("tests/purchases/test_refund.py::test_what_is_on_hold_is_not_taken",),
    ),
    Mutant(
        name="refund-without-permission",
        bug="anybody of the staff refunds purchases",
        file=PURCHASES,
        fragment="    by.require(Permission.REFUND_PURCHASES)\n",
        replacement="",
        caught_by=("tests/purchases/test_refund.py::test_without_the_permission_nobody_refunds",),
    ),
    Mutant(
        name="webhook-signature-unchecked",
        bug="events are taken from anybody",
        file=PROVIDERS,
        fragment="        verify_header(body, header)\n",
        replacement="",
        caught_by=("tests/purchases/test_webhook.py::TestSignature::test_one_with_another_secret_is_refused",),
    ),
    Mutant(
        name="webhook-signature-of-the-future",
        bug="a signature of a time in the future is good for ever",
        file=PROVIDERS,
        fragment="if abs(now - signed_at) > SIGNATURE_TOLERANCE_SECONDS:",
        replacement="if now - signed_at > SIGNATURE_TOLERANCE_SECONDS:",
        caught_by=(
            "tests/purchases/test_webhook.py::TestSignature::test_one_that_is_further_away_than_five_minutes_is_refused",
        ),
    ),
    # What is counted of it
    Mutant(
        name="ranks-forget-sales",
        bug="the profit of a settled bet counts the part that was sold before as lost",
        file="leaderboard/services.py",
        fragment="SELECT user_id, resolved_at, 0, actual_payout - (amount - sold_amount) FROM bets",
        replacement="SELECT user_id, resolved_at, 0, actual_payout - amount FROM bets",
        caught_by=(
            "tests/leaderboard/test_periods.py::test_a_sale_realizes_on_its_day_and_the_rest_on_that_of_the_settlement",
        ),
    ),
]
