"""Attacks on accounts: each test fails if its attack succeeds. More are in `test_attacks_on_tokens.py`,
`test_attacks_at_once.py` and, on sign-in with X, in `x/`.
"""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from accounts import errors, services
from accounts.models import User
from tests.accounts import hashers
from tests.accounts.factories import (
    AUTH,
    ME_FIELDS,
    PASSWORD,
    SOMEWHERE,
    USERS,
    bearer,
    everything,
    faults,
    form,
    refusal,
    send,
    sign_up,
    success,
    suspend,
)

ME = f"{AUTH}/me"
REFRESH = f"{AUTH}/refresh"


@pytest.fixture
def ann(db):
    return sign_up("ann")


SPELLINGS = {
    "creditBalance": 1_000_000,
    "credit_balance": 1_000_000,
    "availableCredits": 1_000_000,
    "available_credits": 1_000_000,
    "heldCredits": -5,
    "held_credits": -5,
    "lockedCredits": 5,
    "locked_credits": 5,
    "totalVolume": 5,
    "total_volume": 5,
    "overallPnL": 5,
    "overallPnl": 5,
    "overall_pnl": 5,
    "rankByPnL": 1,
    "rank_by_pnl": 1,
    "rankByVolume": 1,
    "rank_by_volume": 1,
    "consecutiveDaysOnline": 99,
    "consecutive_days_online": 99,
    "lastDailyRewardAt": None,
    "referralCode": "AAAAAAAA",
    "referral_code": "AAAAAAAA",
    "referralCount": 9,
    "referral_count": 9,
    "referralCreditsEarned": 9,
    "referredBy": "00000000-0000-7000-8000-000000000000",
    "referred_by": "00000000-0000-7000-8000-000000000000",
    "isStaff": True,
    "is_staff": True,
    "isSuperuser": True,
    "is_superuser": True,
    "isActive": False,
    "is_active": False,
    "groups": [1],
    "id": "00000000-0000-7000-8000-000000000000",
    "pk": "00000000-0000-7000-8000-000000000000",
    "email": "mallory@example.com",
    "password": "another password 9",
    "createdAt": "2000-01-01T00:00:00.000Z",
    "created_at": "2000-01-01T00:00:00.000Z",
    "x_username": "jack",
    "avatar_url": "javascript:alert(1)",
    "__class__": "x",
    "constructor": {"prototype": {}},
}


def test_mass_assignment_in_a_change_of_profile_changes_nothing(stranger, ann):
    success(stranger.get(ME, headers=bearer(ann)))
    before = everything()
    # Another address may be asked for: it waits to be verified.
    others = {name: value for name, value in SPELLINGS.items() if name != "email"}
    success(send(stranger, f"{USERS}/me", others, method="PATCH", **bearer(ann)))
    assert everything() == before
    assert success(stranger.get(ME, headers=bearer(ann)))["user"]["email"] == "ann@example.com"


def test_mass_assignment_in_a_signup_sets_nothing(stranger, db):
    more = {name: value for name, value in SPELLINGS.items() if name not in ("email", "password", "referralCode")}
    plain = success(send(stranger, f"{AUTH}/signup", form("ann", email="ann@example.com")), 201)["user"]
    given = success(send(stranger, f"{AUTH}/signup", form("bob", email="bob@example.com") | more), 201)["user"]
    own = {"id", "username", "email", "referralCode", "createdAt", "lastLoginAt"}
    assert {field: given[field] for field in ME_FIELDS - own} == {field: plain[field] for field in ME_FIELDS - own}
    ann, bob = User.objects.get(username="ann"), User.objects.get(username="bob")
    for field in ("is_staff", "is_superuser", "is_active", "x_username", "avatar_url", "held_credits", "referred_by"):
        assert getattr(bob, field) == getattr(ann, field)
    assert bob.created_at > datetime.now(UTC) - timedelta(minutes=1)
    assert given["referralCode"] != "AAAAAAAA"


LOOK_ALIKES = [
    "\u0430nn",
    "ann\u200b",
    "\uff41nn",
    "ann\u0301",
    "\uff21nn",
    "an\u0578",
    "ann\u00a0x",
    "ann\u202e",
    "\u212aate",
    "\ufb01nn",
]


@pytest.mark.parametrize("username", LOOK_ALIKES)
def test_a_username_that_looks_like_anothers_is_refused(stranger, ann, username):
    assert "username" in faults(send(stranger, f"{AUTH}/signup", form(username, email="other@example.com")))
    mallory = sign_up("mallory")
    assert "username" in faults(
        send(stranger, f"{USERS}/me", {"username": username}, method="PATCH", **bearer(mallory))
    )
    mallory.user.refresh_from_db()
    assert mallory.user.username == "mallory"


@pytest.mark.parametrize(
    "email",
    [
        "\u212aate@example.com",
        "kate@ex\u0430mple.com",
        "ka\u200bte@example.com",
        "kate@example.com\n",
        "kate@exam\u00adple.com",
    ],
)
def test_an_email_that_looks_like_anothers_is_no_second_account(stranger, db, email):
    sign_up("kate")
    response = send(stranger, f"{AUTH}/signup", form("mallory", email=email))
    assert response.status_code in (400, 409)
    assert User.objects.count() == 1


@pytest.mark.parametrize("email", ["12345@x.oauth", "12345@X.OAuth"])
def test_the_address_that_stands_for_somebody_on_x_can_not_be_taken(stranger, db, email):
    assert faults(send(stranger, f"{AUTH}/signup", form("mallory", email=email))) == {"email": "invalid"}


LOGINS = {
    "right e-mail, wrong password": ("ann@example.com", "not the password"),
    "unknown e-mail": ("nobody@example.com", PASSWORD),
    "no e-mail": ("nonsense", PASSWORD),
    "account without a password": ("demo@example.com", PASSWORD),
    "suspended": ("bob@example.com", "not the password"),
}


@pytest.mark.parametrize("kind", LOGINS)
def test_a_refused_login_hashes_once_and_says_the_same_whether_or_not_the_email_exists(
    stranger, db, settings, kind, now
):
    settings.PASSWORD_HASHERS = ["tests.accounts.hashers.CountingHasher"]
    sign_up("ann")
    suspend(sign_up("bob").user, now=now)
    User.objects.filter(pk=services.create_demo_user(now=now).user.pk).update(email="demo@example.com")
    hashers.runs.clear()
    email, password = LOGINS[kind]
    response = send(stranger, f"{AUTH}/login", {"email": email, "password": password})
    assert response.json() == {"success": False, "error": "Invalid email or password", "code": "invalid_credentials"}
    assert response.status_code == 401
    assert hashers.runs == ["encode"]


@pytest.mark.parametrize("email", ["ann@example.com", "nobody@example.com"])
def test_a_refused_login_computes_one_argon2_hash_of_the_same_cost_whether_or_not_the_email_exists(db, settings, email):
    """The time of a refused login is the time of its hash: with equal work it tells nothing."""
    settings.PASSWORD_HASHERS = ["tests.accounts.hashers.CountingArgon2Hasher"]
    sign_up("ann")
    hashers.argon2_costs.clear()
    with pytest.raises(errors.InvalidCredentials):
        services.log_in(email=email, password="not the password", client=SOMEWHERE, now=timezone.now())
    assert hashers.argon2_costs == [(2, 19_456, 1)]


def test_probing_signup_for_many_emails_is_throttled(stranger, db):
    responses = Counter(
        send(
            stranger,
            f"{AUTH}/signup",
            form(f"user_{number}", email="taken@example.com" if number == 0 else f"{number}@example.com"),
        ).status_code
        for number in range(62)
    )
    assert responses == {201: 60, 429: 2}


def test_the_email_of_another_user_is_in_no_response(stranger, db):
    secret = "very.secret@example.com"
    bob = sign_up("bob", email=secret)
    ann = sign_up("ann", referral_code=bob.user.referral_code)
    responses = [
        stranger.get(f"{USERS}/{bob.user.pk}"),
        stranger.get(f"{USERS}/{bob.user.pk}", headers=bearer(ann)),
        stranger.get(ME, headers=bearer(ann)),
        send(stranger, f"{USERS}/me", {"username": "BOB"}, method="PATCH", **bearer(ann)),
        send(stranger, f"{USERS}/me", {"name": "Ann"}, method="PATCH", **bearer(ann)),
        send(stranger, f"{AUTH}/signup", form("bob", email="other@example.com")),
        send(stranger, f"{AUTH}/signup", form("carl", email="carl@example.com", referralCode=bob.user.referral_code)),
        send(stranger, f"{AUTH}/signup", form("dora", email=secret.upper())),
        send(stranger, f"{AUTH}/login", {"email": secret, "password": "wrong"}),
        send(stranger, REFRESH, {"refreshToken": ann.tokens.refresh}),
    ]
    for response in responses:
        text = response.content.decode().lower()
        assert "secret" not in text
        assert "very." not in text


def test_one_does_not_sign_in_by_username_or_by_a_pattern(stranger, ann):
    for email in ("ann", "%", "_nn@example.com", "ann@example.com%", "ann@example.com' OR '1'='1"):
        refusal(send(stranger, f"{AUTH}/login", {"email": email, "password": PASSWORD}), 401, "invalid_credentials")


def test_a_stranger_who_knows_a_token_of_a_suspended_user_gets_nothing(stranger, ann, now):
    suspend(ann.user, now=now)
    before = everything()
    refusal(stranger.get(ME, headers=bearer(ann)), 403, "account_suspended")
    refusal(send(stranger, REFRESH, {"refreshToken": ann.tokens.refresh}), 401, "invalid_refresh_token")
    refusal(
        send(stranger, f"{AUTH}/login", {"email": "ann@example.com", "password": PASSWORD}), 403, "account_suspended"
    )
    assert everything() == before
