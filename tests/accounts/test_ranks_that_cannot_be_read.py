"""What has taken effect is never answered with an error because the ranks beside it can't be read."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection

from leaderboard.services import update_leaderboard
from tests.accounts.factories import AUTH, PASSWORD, USERS, bearer, form, refusal, send, sign_up, success

NEW_PASSWORD = "staple paper clip 9"
PROFILE = f"{USERS}/me"


@contextmanager
def standings_locked() -> Iterator[None]:
    """As while a count puts a table in place and waits for who reads the old one. Here others wait for 50 ms."""
    other = connection.copy()
    other.set_autocommit(False)
    try:
        with other.cursor() as holder, connection.cursor() as cursor:
            holder.execute("LOCK TABLE standings IN ACCESS EXCLUSIVE MODE")
            cursor.execute("SET lock_timeout = '50ms'")
            yield
            cursor.execute("RESET lock_timeout")
    finally:
        other.rollback()
        other.close()


@pytest.mark.django_db(transaction=True)
def test_sign_ins_and_changes_that_are_done_say_so_with_null_for_the_ranks(stranger, now, caplog):
    ann = sign_up("ann")
    update_leaderboard(now=now)
    login = {"email": "ann@example.com", "password": PASSWORD}
    change = {"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD}
    assert success(send(stranger, f"{AUTH}/login", login))["user"]["rankByPnL"] == 1
    with standings_locked():
        responses = [
            success(send(stranger, f"{AUTH}/signup", form("eve", email="eve@example.com")), 201),
            success(send(stranger, f"{AUTH}/login", login)),
            success(send(stranger, PROFILE, {"bio": "New."}, method="PATCH", **bearer(ann))),
            success(send(stranger, f"{AUTH}/password/change", change, **bearer(ann))),
        ]
        # Who only asks may ask again.
        refusal(stranger.get(f"{AUTH}/me", headers=bearer(responses[0]["accessToken"])), 503, "try_again")
    for response in responses:
        assert (response["user"]["rankByPnL"], response["user"]["rankByVolume"]) == (None, None)
    assert caplog.text.count("can't be read") == len(responses)
    user = success(send(stranger, f"{AUTH}/login", login | {"password": NEW_PASSWORD}))["user"]
    assert (user["rankByPnL"], user["bio"]) == (1, "New.")
