"""Leaving, coming back, betting and the erasure at the same moment."""

from contextlib import suppress
from datetime import UTC, datetime

import pytest

from accounts import errors, services
from accounts.models import Mail, User
from ops.personal_data import erase_if_due
from tests.accounts.factories import PASSWORD, SOMEWHERE, live_tokens, sign_up, sign_up_verified, suspend
from tests.betting.factories import Player, assert_audit_passes, order
from tests.concurrently import all_at_once
from tests.markets.factories import add_market

pytestmark = pytest.mark.django_db(transaction=True)
TIMES = 3


def now():
    return datetime.now(UTC)


def leave(user):
    return services.leave(user_id=user.pk, password=PASSWORD, now=now())


def leave_unless_suspended(user):
    with suppress(errors.AccountSuspended):
        leave(user)


def log_in(user):
    try:
        return services.log_in(email=user.email, password=PASSWORD, client=SOMEWHERE, now=now())
    except errors.InvalidCredentials as exc:
        return exc


def together(*moves):
    """What each returned; they began at the same moment."""
    waiting = iter(range(len(moves)))

    def move():
        turn = next(waiting)
        return turn, moves[turn]()

    return [outcome for _, outcome in sorted(all_at_once(move, len(moves)), key=lambda each: each[0])]


def test_two_deletions_are_one_with_one_date_and_one_mail():
    ann = sign_up_verified("ann").user
    dates = together(*[lambda: leave(ann)] * 4)
    assert set(dates) == {User.objects.get(pk=ann.pk).deletion_due_at}
    assert Mail.objects.filter(kind="deletion_requested").count() == 1


def test_a_login_while_leaving_leaves_the_user_either_in_or_out():
    for number in range(TIMES):
        ann = sign_up(f"ann_{number}").user
        together(lambda ann=ann: leave(ann), lambda ann=ann: log_in(ann))
        user = User.objects.get(pk=ann.pk)
        # Whichever came last counts: no session of somebody who is leaving, and nobody back without one.
        assert (user.is_active, live_tokens(ann)) in ((True, 1), (False, 0))
        assert user.is_active == (user.deletion_due_at is None)


def test_a_bet_while_leaving_is_placed_whole_or_not_at_all():
    for number in range(TIMES):
        ann = sign_up(f"ann_{number}")
        player, market = Player(ann.user, ann.tokens.access), add_market()
        _, response = together(
            lambda ann=ann: leave(ann.user), lambda player=player, market=market: player.post("", order(market, 100))
        )
        assert response.status_code in (201, 401), response.content
        assert player.booked()["locked_credits"] == (100 if response.status_code == 201 else 0)
    assert_audit_passes()


def test_a_suspension_while_leaving_wins_whichever_came_first():
    for number in range(TIMES):
        ann = sign_up(f"ann_{number}").user
        together(lambda ann=ann: leave_unless_suspended(ann), lambda ann=ann: suspend(ann, now=now()))
        user = User.objects.get(pk=ann.pk)
        assert (user.is_active, user.deletion_due_at) == (False, None)
        with pytest.raises(errors.AccountSuspended):
            log_in(ann)
    assert_audit_passes()


def test_of_coming_back_and_the_erasure_one_wins():
    for number in range(TIMES):
        ann = sign_up(f"ann_{number}").user
        due_at = leave(ann)
        signed_in, erased, again = together(
            lambda ann=ann: log_in(ann),
            lambda ann=ann, due_at=due_at: erase_if_due(user_id=ann.pk, now=due_at),
            lambda ann=ann, due_at=due_at: erase_if_due(user_id=ann.pk, now=due_at),
        )
        user = User.objects.get(pk=ann.pk)
        assert user.deletion_due_at is None
        assert [erased, again].count(None) == (1 if user.erased_at else 2)
        assert isinstance(signed_in, errors.InvalidCredentials) == (user.erased_at is not None)
        assert user.is_active == (user.erased_at is None)
        assert live_tokens(ann) == (0 if user.erased_at else 1)
    assert_audit_passes()
