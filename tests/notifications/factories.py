"""Users who read their notifications through the API, and what they are told of."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction
from django.test import Client
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import User
from notifications.models import Notification, NotificationType
from notifications.services import Cause, notify
from tests.economy.factories import make_user

ME = "/api/v1/notifications/me"
READ = "/api/v1/notifications/read"
PREFERENCES = "/api/v1/users/me/notification-preferences"
COUNTED = """
SELECT count(*) FROM users WHERE unread_notifications <> (
    SELECT count(*) FROM notifications
    WHERE user_id = users.id AND read_at IS NULL AND sequence > notifications_read_through
) OR notification_sequence < (SELECT coalesce(max(sequence), 0) FROM notifications WHERE user_id = users.id)
"""


@dataclass(slots=True)
class Reader:
    """A user with a client that sends the user's token."""

    user: User

    def send(self, method: str, path: str, body: Any = None, status: int = 200, **query: Any) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {AccessToken.for_user(self.user)}"}
        client = Client(raise_request_exception=False)
        sent = {"content_type": "application/json", "headers": headers}
        if method == "get":
            response = client.get(path, query, headers=headers)
        else:
            response = getattr(client, method)(path, body if isinstance(body, str) else json.dumps(body), **sent)
        assert response.status_code == status, response.content
        read: dict[str, Any] = json.loads(response.content, parse_float=Decimal)
        return read

    def page(self, **query: Any) -> dict[str, Any]:
        return self.send("get", ME, **query)

    def titles(self, **query: Any) -> list[str]:
        return [shown["title"] for shown in self.page(**query)["notifications"]]

    def read(self, *ids: str) -> int:
        """Mark these as read, or all; how many are unread then."""
        unread: int = self.send("post", READ, {"ids": ids} if ids else {"all": True})["unreadCount"]
        return unread

    def prefer(self, **wanted: dict[str, bool]) -> dict[str, Any]:
        chosen: dict[str, Any] = self.send("patch", PREFERENCES, wanted)["preferences"]
        return chosen


def arrive(username: str = "ann", **fields: Any) -> Reader:
    return Reader(make_user(username, **fields))


def tell(reader: Reader, count: int = 1, *, now: datetime | None = None) -> None:
    """Give so many notifications, each of a cause of its own, one transaction each."""
    for number in range(1, count + 1):
        cause = adjusted(reader, number)
        with transaction.atomic():
            notify([cause], now=now or datetime.now(UTC))


def adjusted(reader: Reader, amount: int = 5, reference_id: UUID | None = None) -> Cause:
    kind = NotificationType.CREDITS_ADJUSTED
    about = {"adjustmentId": uuid4(), "amount": Decimal(amount)}
    return Cause(user_id=reader.user.pk, type=kind, reference_id=reference_id or uuid4(), data=about)


def told(user_id: Any) -> list[tuple[str, Any]]:
    """The types of a user's notifications, and what each is about, oldest first."""
    rows = Notification.objects.filter(user_id=user_id).order_by("sequence")
    return [(row.type, row.data) for row in rows]


def types(user_id: Any) -> list[str]:
    return [kind for kind, _ in told(user_id)]
