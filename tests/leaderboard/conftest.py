"""What the tests of the leaderboards share: users, markets of the house, and the moment."""

from datetime import datetime

import pytest
from django.utils import timezone

from markets.models import Market
from tests.betting.factories import Player, sign_up
from tests.leaderboard.factories import bet_at
from tests.markets.factories import add_market


@pytest.fixture
def now() -> datetime:
    return timezone.now()


@pytest.fixture
def kettle(db) -> Market:
    """A market of the house: THIS at 0.6000, THAT at 0.4000, without an end."""
    return add_market()


@pytest.fixture
def five(kettle, now) -> list[Player]:
    """In the order of their accounts; they staked 10, 30, 50, 30 and nothing, and realized nothing."""
    players = [sign_up(name) for name in ("ann", "bob", "cem", "dee", "eva")]
    for player, amount in zip(players, (10, 30, 50, 30), strict=False):
        bet_at(player, kettle, amount, now)
    return players
