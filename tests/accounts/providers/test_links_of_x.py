"""Who signed in with X before there were other providers signs in as the same user after the migration."""

from datetime import UTC, datetime
from importlib import import_module

import pytest
from allauth.socialaccount.models import SocialAccount
from django.db import connection

from accounts.models import User
from accounts.providers.models import OAuthAccount
from tests.accounts.providers.browser import told
from tests.roles import as_owner

JOINED, LAST = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 2, tzinfo=UTC)


def link_of_old(name: str, uid: str, **fields) -> User:
    user = User.objects.create_user(email=f"{uid}@x.oauth", username=name, name_chosen=False, **fields)
    account = SocialAccount.objects.create(user=user, provider="twitter_oauth2", uid=uid)
    SocialAccount.objects.filter(pk=account.pk).update(date_joined=JOINED)
    return user


def migrate() -> None:
    statement = import_module("accounts.providers.migrations.0002_oauth_accounts").LINKS_OF_X
    with as_owner(), connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.parametrize("provider", ["x"])
def test_a_link_is_kept_with_what_is_known_of_it(browser):
    user = link_of_old("ada", "1001", x_username="ada_x", last_login_at=LAST)
    migrate()
    account = OAuthAccount.objects.get()
    assert (account.provider, account.provider_account_id, account.username) == ("x", "1001", "ada_x")
    assert (account.linked_at, account.last_used_at, account.fills_profile) == (JOINED, LAST, True)
    assert told(browser.sign_in(**{"as": "ada_l"}))["userId"] == str(user.pk)
    user.refresh_from_db()
    assert (user.name, user.x_username) == ("Ada Lovelace", "ada_l")


@pytest.mark.django_db
def test_who_never_signed_in_again_and_who_was_erased_are_no_obstacle():
    link_of_old("bob", "2")
    link_of_old("gone", "3", erased_at=LAST, is_active=False)
    migrate()
    account = OAuthAccount.objects.get()
    assert (account.provider_account_id, account.last_used_at) == ("2", JOINED)
