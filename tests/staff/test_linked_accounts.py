"""Staff see the accounts that a user signs in with and when they were used, and unlink one on the record."""

from datetime import UTC, datetime

import pytest

from accounts.models import RefreshToken, User
from accounts.providers.models import OAuthAccount
from accounts.providers.profiles import Profile
from accounts.providers.sign_in import sign_in
from tests.accounts.factories import SOMEWHERE
from tests.staff.pages import WHY, act, page, records, text_of

pytestmark = pytest.mark.django_db
USED = datetime(2026, 3, 5, 12, 34, tzinfo=UTC)
GRACE = Profile("1002", "grace_h", "Grace Hopper", "", "grace@ships.example", is_verified=True)


@pytest.fixture
def grace():
    return sign_in("discord", GRACE, referral_code="", client=SOMEWHERE, now=USED)


def shown(response) -> list[tuple]:
    (found,) = [
        block for block in response.context["detail"].blocks if getattr(block, "title", "") == "Linked accounts"
    ]
    return found.rows


def test_a_users_page_says_which_and_when_they_were_last_used(desk, grace):
    (row,) = shown(desk.get(page(grace.user)))
    assert row == (
        "Discord",
        "@grace_h",
        "Grace Hopper",
        "grace@ships.example (not verified)",
        "2026-03-05 12:34:00",
        "2026-03-05 12:34:00",
    )


def test_one_is_unlinked_on_the_record_even_the_last(desk, grace):
    assert "nothing else does" in text_of(desk.get(act("unlink-account", grace.user)))
    desk.post(act("unlink-account", grace.user), {"account": "discord", **WHY})
    assert not OAuthAccount.objects.exists()
    (record,) = records("unlink_account")
    assert (record.target_id, record.before, record.after) == (
        str(grace.user.pk),
        {"linked": ["discord"]},
        {"linked": []},
    )
    assert shown(desk.get(page(grace.user))) == []
    again = sign_in("discord", GRACE, referral_code="", client=SOMEWHERE, now=datetime.now(UTC)).user
    assert again != grace.user
    # What is signed in stays so.
    assert RefreshToken.objects.get(user=grace.user).revoked_at is None


def test_without_a_reason_or_of_another_provider_nothing_happens(desk, grace):
    for body in ({"account": "discord"}, {"account": "x", **WHY}, {"account": "github", **WHY}, WHY):
        assert desk.post(act("unlink-account", grace.user), body).status_code == 400
    assert OAuthAccount.objects.count() == 1
    assert not records("unlink_account")


def test_who_has_none_is_offered_nothing(desk, grace):
    OAuthAccount.objects.all().delete()
    assert "unlink-account" not in desk.get(page(grace.user)).content.decode()
    desk.post(act("unlink-account", grace.user), {"account": "discord", **WHY})
    assert not records("unlink_account")


def test_support_unlinks_none_of_the_staffs(member, browser, grace):
    User.objects.filter(pk=grace.user.pk).update(is_staff=True)
    browser(member("sue", role="support")).post(act("unlink-account", grace.user), {"account": "discord", **WHY})
    assert OAuthAccount.objects.count() == 1
