"""Staff of each role, and browsers that they are signed in with."""

from collections.abc import Callable
from importlib import import_module

import pytest
from django.apps import apps
from django.test import Client
from django.utils import timezone

from accounts.models import User
from accounts.staff import COMMAND_LINE, StaffMember, set_roles
from staff.inbox import read_inbox
from tests.roles import as_owner

roles = import_module("accounts.migrations.0004_staff_rules")
more_roles = import_module("accounts.migrations.0017_more_roles")


@pytest.fixture
def member(db) -> Callable[..., User]:
    """A member of staff: of a role ("support", "market managers"), a superuser, or neither."""
    # A test that commits ends with empty tables, the roles among them.
    with as_owner():
        roles.make_roles(apps, None)
        more_roles.make_roles(apps, None)

    def make(name: str, *, role: str = "", superuser: bool = False) -> User:
        who = {"email": f"{name}@staff.example", "username": name, "password": "a-long-enough-pass"}
        if superuser:
            return User.objects.create_superuser(**who)
        user, granted = User.objects.create_user(**who), [role] if role else []
        change = {"is_staff": True, "roles": granted, "by": COMMAND_LINE, "reason": "A test needs it."}
        return set_roles(user_id=user.pk, now=timezone.now(), **change)

    return make


@pytest.fixture
def browser() -> Callable[[User], Client]:
    """A browser that the user is signed in to the admin with."""

    def sign_in(user: User) -> Client:
        client = Client()
        client.force_login(user)
        # As after the first page: what waits is counted for the sidebar, and only once in a while.
        read_inbox(StaffMember(user), now=timezone.now())
        return client

    return sign_in


@pytest.fixture
def boss(member) -> User:
    """May do everything."""
    return member("boss", superuser=True)


@pytest.fixture
def desk(boss, browser) -> Client:
    """The superuser's browser."""
    return browser(boss)
