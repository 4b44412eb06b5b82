"""Attacks by several requests at once: each test fails if its attack succeeds."""

from collections import Counter
from datetime import UTC, datetime

import pytest

from accounts import errors, services
from accounts.errors import InvalidRefreshToken, TokenReused
from accounts.models import RefreshToken
from tests.accounts.factories import (
    PASSWORD,
    SOMEWHERE,
    live_tokens,
    refresh,
    sign_up,
    stored,
)
from tests.concurrently import all_at_once

pytestmark = pytest.mark.django_db(transaction=True)


def attempt(token):
    try:
        return refresh(token)
    except (InvalidRefreshToken, TokenReused) as exc:
        return exc.code


def assert_consistent(family):
    """A family is a chain: of the successors of one token at most one is not revoked, and there is one end."""
    rows = list(RefreshToken.objects.filter(family=family, revoked_at=None))
    successors = Counter(row.parent_id for row in rows)
    assert set(successors.values()) <= {1}
    assert len([row for row in rows if row.first_used_at is None]) <= 1


def test_two_refreshes_at_once_with_one_token_both_succeed_and_leave_one_good_successor():
    for number in range(5):
        ann = sign_up(f"ann_{number}")
        pairs = all_at_once(lambda ann=ann: attempt(ann.tokens.refresh), 2)
        family = stored(ann.tokens.refresh).family
        assert_consistent(family)
        good = [pair for pair in pairs if stored(pair.refresh).revoked_at is None]
        assert len(good) == 1
        assert attempt(good[0].refresh) != "invalid_refresh_token"


def test_many_refreshes_at_once_with_old_and_new_tokens_leave_one_family_consistent():
    for number in range(5):
        ann = sign_up(f"ann_{number}")
        first = ann.tokens.refresh
        second = refresh(first).refresh
        tokens = iter([first, second] * 4)
        outcomes = all_at_once(lambda tokens=tokens: attempt(next(tokens)), 8)
        assert_consistent(stored(first).family)
        if "token_reused" in outcomes:
            assert live_tokens(ann.user) == 0


def test_replays_at_once_with_the_owners_refresh_never_leave_a_thief_signed_in():
    for number in range(5):
        ann = sign_up(f"ann_{number}")
        stolen = ann.tokens.refresh
        latest = refresh(refresh(stolen).refresh).refresh
        tokens = iter([stolen, latest, stolen, latest])
        outcomes = all_at_once(lambda tokens=tokens: attempt(next(tokens)), 4)
        assert "token_reused" in outcomes
        assert live_tokens(ann.user) == 0


def test_logging_out_while_refreshing_leaves_no_token():
    for number in range(5):
        ann = sign_up(f"ann_{number}")
        moves = iter(["out", "refresh", "refresh", "refresh"])

        def move(ann=ann, moves=moves):
            if next(moves) == "out":
                return services.log_out(refresh_token=ann.tokens.refresh, now=datetime.now(UTC))
            return attempt(ann.tokens.refresh)

        all_at_once(move, 4)
        assert live_tokens(ann.user) == 0


def test_a_login_with_the_old_password_while_it_changes_leaves_only_the_new_token():
    for number in range(5):
        ann = sign_up(f"ann_{number}")
        moves = iter(["change", "login", "login", "login"])

        def move(ann=ann, moves=moves):
            now = datetime.now(UTC)
            if next(moves) == "change":
                return services.change_own_password(
                    user_id=ann.user.pk,
                    session_id=None,
                    current_password=PASSWORD,
                    new_password="staple paper clip 9",
                    client=SOMEWHERE,
                    now=now,
                )
            try:
                return services.log_in(email=ann.user.email, password=PASSWORD, client=SOMEWHERE, now=now)
            except errors.InvalidCredentials as exc:
                return exc

        all_at_once(move, 4)
        assert live_tokens(ann.user) == 1
