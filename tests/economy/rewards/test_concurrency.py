"""Real threads and committed transactions: two claims at once, and a claim against the nightly task."""

from datetime import UTC, datetime
from itertools import cycle
from threading import Lock

import pytest

from economy.models import DailyReward
from economy.rewards import reward_active_users
from tests.concurrently import all_at_once
from tests.economy.factories import give
from tests.economy.rewards.factories import arrive, assert_audit_passes, read

pytestmark = pytest.mark.django_db(transaction=True)
MIDNIGHT = datetime(2026, 3, 6, tzinfo=UTC)
YESTERDAY = datetime(2026, 3, 5, 12, tzinfo=UTC)


def taking_turns(*works):
    turn, lock = cycle(works), Lock()

    def work():
        with lock:
            mine = next(turn)
        return mine()

    return work


def test_twenty_claims_at_once_award_once():
    ann = arrive("ann")
    awards = all_at_once(lambda: int(ann.claim(MIDNIGHT).credits), 20)
    assert sorted(awards) == [0] * 19 + [1000]
    assert (len(ann.days()), ann.streak, ann.paid()) == (1, 1, [1000])
    assert_audit_passes()


def test_claims_over_http_at_once_award_once_a_day():
    ann = arrive("ann")
    responses = [read(response) for response in all_at_once(ann.post, 10)]
    # Midnight may pass meanwhile.
    days = {response["nextAvailableAt"] for response in responses}
    assert sum(response["creditsAwarded"] > 0 for response in responses) == len(days) == len(ann.days())
    assert {response["newBalance"] for response in responses} <= {1000, 2500}


def test_a_claim_against_the_nightly_task_awards_once():
    """Who was active yesterday claims just after midnight, while the run rewards yesterday: both days, in order."""
    users = [arrive(f"user{i}", active=YESTERDAY) for i in range(10)]

    def claim_all():
        return sum(int(person.claim(MIDNIGHT).credits) for person in users)

    def nightly_run():
        return int(reward_active_users(now=MIDNIGHT).credits)

    awarded = all_at_once(taking_turns(claim_all, nightly_run), 8)
    assert sum(awarded) in range(15_000, 25_001, 1_000)  # a claim returns its own day's reward, the run yesterday's
    assert DailyReward.objects.count() == 20
    assert [person.paid() for person in users] == [[1000, 1500]] * 10
    assert_audit_passes()


def test_rewards_beside_other_credits_of_the_same_users_keep_every_balance_right():
    users = [arrive(f"user{i}", active=YESTERDAY) for i in range(5)]

    def give_all():
        for person in users:
            give(person.id, 10, now=MIDNIGHT)

    def claim_all():
        for person in reversed(users):
            person.claim(MIDNIGHT)

    all_at_once(taking_turns(give_all, claim_all, lambda: reward_active_users(now=MIDNIGHT)), 12)
    assert [person.user.credit_balance for person in users] == [2_540] * 5
    assert [person.streak for person in users] == [2] * 5
    assert_audit_passes()
