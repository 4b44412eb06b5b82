"""POST /economy/daily-credits: the reward of the day, once."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.errors import AccountSuspended
from accounts.models import User
from economy.models import DailyReward
from tests.economy.factories import ledger_entries
from tests.economy.rewards.factories import A_DAY, CLAIM, MORNING, SCALE, assert_audit_passes, read

pytestmark = pytest.mark.django_db
FIELDS = ["success", "creditsAwarded", "consecutiveDays", "nextAvailableAt", "newBalance"]


def test_the_first_day_is_worth_a_thousand(ann):
    body = read(ann.post())
    assert list(body) == FIELDS
    assert [body[name] for name in ("creditsAwarded", "consecutiveDays", "newBalance")] == [1000, 1, 1000]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT00:00:00\.000Z", body["nextAvailableAt"])
    ahead = datetime.fromisoformat(body["nextAvailableAt"]) - timezone.now()
    assert timedelta() < ahead <= A_DAY
    assert_audit_passes()


def test_the_reward_is_in_the_ledger_under_its_row(ann):
    ann.claim()
    ((kind, amount, counterparty, reference, created_at),) = ledger_entries(
        ann.user, "transaction_type", "amount", "counterparty", "reference_id", "created_at"
    )
    assert (kind, amount, counterparty, created_at) == ("daily_reward", 1000, "issuance", MORNING)
    assert DailyReward.objects.get(pk=reference).user_id == ann.id


def test_claimed_already_awards_nothing_and_says_when_to_come_back(ann):
    first = read(ann.post())
    again = read(ann.post())
    # The day may turn between the two; then the second is another day's.
    if again["nextAvailableAt"] == first["nextAvailableAt"]:
        assert again == {**first, "creditsAwarded": 0}
        assert ann.paid() == [1000]
    assert_audit_passes()


def test_me_shows_the_streak_and_when_it_was_rewarded(ann, api):
    read(ann.post())
    me = api.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {ann.token}"}).json()["user"]
    assert me["consecutiveDaysOnline"] == 1
    assert me["lastDailyRewardAt"]
    assert me["creditBalance"] == 1000


def test_the_scale_of_twenty_days_in_a_row(ann):
    claims = [ann.claim(MORNING + day * A_DAY) for day in range(20)]
    assert [int(claim.credits) for claim in claims] == [*SCALE, 10_000, 10_000]
    assert [claim.streak for claim in claims] == list(range(1, 21))
    assert claims[-1].balance == sum(SCALE) + 20_000
    assert_audit_passes()


def test_the_same_key_gives_the_first_response_again(ann):
    first, again = ann.post(Idempotency_Key="today"), ann.post(Idempotency_Key="today")
    assert read(first)["creditsAwarded"] == 1000
    assert again.content == first.content
    assert again["Idempotency-Replayed"] == "true"
    assert ann.paid() == [1000]


def test_nobody_claims_unknown(api):
    response = api.post(CLAIM)
    assert (response.status_code, response.json()["code"]) == (401, "not_authenticated")
    assert not DailyReward.objects.exists()


def test_a_suspended_user_gets_nothing(ann):
    User.objects.filter(pk=ann.id).update(is_active=False)
    response = ann.post()
    assert (response.status_code, response.json()["code"]) == (403, "account_suspended")
    # Suspended between the check of the token and the reward.
    with pytest.raises(AccountSuspended):
        ann.claim()
    assert ann.days() == []


def test_it_is_no_get(ann, api):
    response = api.get(CLAIM, headers={"Authorization": f"Bearer {ann.token}"})
    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")


def test_a_claim_takes_the_same_few_statements_on_any_day(ann, django_assert_num_queries):
    for day in range(3):
        # Reward, streak, entry and balance; the response. Around them the savepoint and the limit of lock waits.
        with django_assert_num_queries(5):
            ann.claim(MORNING + day * A_DAY)


@pytest.mark.parametrize(
    ("constraint", "wrong"),
    [
        ("daily_rewards_once_a_day", {}),
        ("daily_rewards_streak_positive", {"day": MORNING - A_DAY, "streak": 0}),
        ("daily_rewards_credits_positive", {"day": MORNING - A_DAY, "credits": 0}),
        ("daily_rewards_day_has_begun", {"day": MORNING + A_DAY, "created_at": MORNING}),
    ],
)
def test_the_database_refuses_a_reward_that_cannot_be(ann, constraint, wrong):
    ann.claim()
    moment = wrong.pop("day", MORNING)
    row = {"user_id": ann.id, "day": moment.date(), "streak": 1, "credits": 1, "created_at": moment, **wrong}
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        DailyReward.objects.create(**row)


def test_a_day_is_one_of_utc_wherever_the_moment_is_told(ann):
    tokyo = datetime.fromisoformat("2026-03-06T08:59:00+09:00")  # still the fifth in UTC
    assert ann.claim(tokyo).next_at == datetime(2026, 3, 6, tzinfo=UTC)
    assert [day.isoformat() for day, _, _ in ann.days()] == ["2026-03-05"]
