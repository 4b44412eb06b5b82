"""Users who are rewarded on some days, by themselves or by the nightly run, and what is known of them afterwards."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from django.test import Client
from rest_framework_simplejwt.tokens import AccessToken

from accounts.activity import record_activity
from accounts.models import User
from core.db.transactions import run_transaction
from economy.ledger.audit import audit
from economy.models import CreditTransaction, DailyReward
from economy.rewards import ClaimedReward, claim_daily_reward
from tests.economy.factories import make_user

CLAIM = "/api/v1/economy/daily-credits"
MORNING = datetime(2026, 3, 5, 8, 30, tzinfo=UTC)
A_DAY = timedelta(days=1)
SCALE = [*range(1_000, 9_001, 500), 10_000]  # credits of day 1, 2 … 18


@dataclass(slots=True)
class Regular:
    id: UUID
    token: str

    def post(self, **headers: str) -> Any:
        sent = {
            "Authorization": f"Bearer {self.token}",
            **{name.replace("_", "-"): text for name, text in headers.items()},
        }
        return Client(raise_request_exception=False).post(CLAIM, headers=sent)

    def claim(self, now: datetime = MORNING) -> ClaimedReward:
        return run_transaction(partial(claim_daily_reward, user_id=self.id, now=now))

    def awarded(self, now: datetime) -> int:
        return int(self.claim(now).credits)

    def active(self, *moments: datetime) -> None:
        """Is seen at these moments, one after the other."""
        for moment in moments:
            record_activity(self.user, now=moment)

    @property
    def user(self) -> User:
        return User.objects.get(pk=self.id)

    @property
    def streak(self) -> int:
        return self.user.consecutive_days_online

    def days(self) -> list[tuple[date, int, Decimal]]:
        """Day, streak and credits of each reward."""
        return list(DailyReward.objects.filter(user=self.id).order_by("day").values_list("day", "streak", "credits"))

    def paid(self) -> list[Decimal]:
        rows = CreditTransaction.objects.filter(user=self.id, transaction_type="daily_reward")
        return list(rows.order_by("sequence").values_list("amount", flat=True))


def arrive(username: str, *, active: datetime | None = None, **fields: Any) -> Regular:
    user = make_user(username, last_active_at=active, **fields)
    return Regular(user.pk, str(AccessToken.for_user(user)))


def read(response: Any) -> dict[str, Any]:
    assert response.status_code == 200, response.content
    body: dict[str, Any] = json.loads(response.content, parse_float=Decimal)
    assert body["success"] is True
    return body


def assert_audit_passes() -> None:
    report = audit()
    assert {"rewards", "streaks", "chains"} <= report.findings.keys()
    assert report.passed, report.as_dict()
