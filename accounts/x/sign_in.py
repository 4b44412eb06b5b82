"""Whom X vouches for becomes a user of ours, or is one already."""

import logging
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from allauth.socialaccount.models import SocialAccount
from django.db import IntegrityError, transaction

from accounts.clients import Client
from accounts.models import User
from accounts.registration import EmailTaken, InvalidReferralCode, UsernameTaken, register
from accounts.tokens import TokenPair, issue_token_pair
from accounts.x.profile import Profile, placeholder_emails, usernames
from accounts.x.protocol import PROVIDER

logger = logging.getLogger(__name__)


class SignedIn(NamedTuple):
    user_id: UUID
    tokens: TokenPair


def sign_in(*, profile: Profile, referral_code: str, client: Client, now: datetime) -> SignedIn:
    """Makes the user at the first sign-in, updates name, avatar and X username at later ones. Raises AccountSuspended.

    The user is found by X's id alone: neither a username nor an e-mail address makes anybody the owner of an account.
    """
    with transaction.atomic(durable=True):
        user = returning_user(profile) or new_user(profile, referral_code=referral_code, now=now)
        tokens = issue_token_pair(user=user, user_agent=client.user_agent, ip=client.ip, now=now)
    return SignedIn(user.pk, tokens)


def returning_user(profile: Profile) -> User | None:
    user = User.objects.filter(socialaccount__provider=PROVIDER, socialaccount__uid=profile.x_id).first()
    if user:
        user.name, user.x_username = profile.name, profile.username
        # X says nothing of an avatar for some accounts: what we have is better than none.
        user.avatar_url = profile.avatar_url or user.avatar_url
        user.save(update_fields=["name", "x_username", "avatar_url"])
    return user


def new_user(profile: Profile, *, referral_code: str, now: datetime) -> User:
    """Tries until nothing is in the way.

    What is taken may have been taken by the same person's sign-in in another window: the unique indexes let one of the
    two make the user, and the other finds it after the conflict.
    """
    names, emails = usernames(profile.username), placeholder_emails(profile.x_id)
    username, email = next(names), next(emails)
    while True:
        try:
            return make_user(profile, username=username, email=email, referral_code=referral_code, now=now)
        except InvalidReferralCode:
            logger.warning("sign-in with X: the referral code %s is nobody's, and is ignored", referral_code)
            referral_code = ""
        except (UsernameTaken, EmailTaken, IntegrityError) as conflict:
            user = returning_user(profile)
            if user:
                return user
            if isinstance(conflict, UsernameTaken):
                username = next(names)
            elif isinstance(conflict, EmailTaken):
                email = next(emails)
            else:
                raise


def make_user(profile: Profile, *, username: str, email: str, referral_code: str, now: datetime) -> User:
    """All or nothing, and the caller's transaction goes on after a refusal."""
    with transaction.atomic():
        user = register(
            username=username,
            email=email,
            name=profile.name,
            password=None,
            referral_code=referral_code or None,
            avatar_url=profile.avatar_url,
            x_username=profile.username,
            now=now,
        )
        SocialAccount.objects.create(user=user, provider=PROVIDER, uid=profile.x_id)
    return user
