"""Commands of a newcomer: `make admin`, and what other commands know of a `make run` in the same folder."""

import os
import subprocess
import sys
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import StaffAction, User
from core.file_locks import open_lock, try_lock
from devtools import startup
from tests.betting.factories import assert_audit_passes
from tests.devtools.conftest import REPOSITORY
from tests.economy.factories import make_user

SECRET = "a long sentence for staff"


def create_admin(**options):
    said = StringIO()
    call_command("create_admin", stdout=said, **options)
    return said.getvalue()


@pytest.fixture
def development(settings):
    settings.DEBUG = True


@pytest.mark.django_db(transaction=True)
def test_a_superuser_is_made_and_given_a_new_password_the_next_time(development):
    said = create_admin()
    assert said.startswith("Made the superuser admin@example.com.")
    user = User.objects.get()
    first = said.split()[-1]
    assert (user.is_superuser, user.is_staff, user.username) == (True, True, "admin")
    assert user.check_password(first)
    again = create_admin(password=SECRET)
    assert again.startswith("admin@example.com is a superuser, with a new password.")
    user.refresh_from_db()
    assert user.check_password(SECRET)
    assert not user.check_password(first)
    assert list(StaffAction.objects.order_by("pk").values_list("action", flat=True)) == [
        "create_superuser",
        "reset_password",
    ]
    assert_audit_passes()


@pytest.mark.django_db(transaction=True)
def test_a_user_who_signed_up_becomes_a_superuser_on_record(development):
    user = make_user("ada")
    create_admin(email=user.email.upper(), password=SECRET)
    user.refresh_from_db()
    assert (user.is_superuser, user.is_staff) == (True, True)
    record = StaffAction.objects.get(action="set_roles")
    assert record.after == {"staff": True, "superuser": True, "roles": []}
    assert_audit_passes()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"password": "admin"}, "too short"),
        ({"email": "nobody"}, "valid email"),
        ({"username": "ada", "password": SECRET}, "The username ada is taken"),
    ],
)
def test_what_cannot_be_is_refused_in_words(development, options, why):
    make_user("ada")
    with pytest.raises(CommandError, match=why):
        create_admin(**options)
    assert not User.objects.filter(is_staff=True).exists()


@pytest.mark.django_db(transaction=True)
def test_a_suspended_user_stays_out(development):
    user = make_user("ada", is_active=False)
    with pytest.raises(CommandError, match="suspended"):
        create_admin(email=user.email, password=SECRET)


def test_production_has_commands_of_its_own(settings):
    settings.DEBUG = False
    with pytest.raises(CommandError, match="createsuperuser"):
        create_admin()


def test_outside_the_virtual_environment_one_line_says_what_to_do():
    # Without its site packages, as the machine's own Python is.
    command = [sys.executable, "-I", "-S", "manage.py", "check"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1
    assert "has no django" in line
    assert ".venv/bin/python manage.py" in line


UPSTREAM = {"POLYMARKET_GAMMA_URL": "http://127.0.0.1:4321", "POLYMARKET_CLOB_URL": "http://127.0.0.1:4321"}


@pytest.mark.parametrize(
    ("own", "is_taken"), [("", True), ("simulator", True), ("http://127.0.0.1:1", True), ("http://other", False)]
)
def test_commands_beside_a_make_run_ask_its_simulator_unless_told_another(directory, monkeypatch, own, is_taken):
    monkeypatch.setenv("POLYMARKET_GAMMA_URL", "http://127.0.0.1:1")
    startup.publish_running(directory, UPSTREAM)
    monkeypatch.setenv("POLYMARKET_GAMMA_URL", own)
    assert startup.running_environment(directory) == {}, "Nothing runs there."
    lock = open_lock(directory / startup.LOCK)
    assert try_lock(lock)
    try:
        assert (startup.running_environment(directory).get("POLYMARKET_GAMMA_URL") is not None) == is_taken
    finally:
        os.close(lock)


@pytest.mark.parametrize("left", [b"{", b"{}", b"\xff", b"[]"])
def test_what_a_make_run_left_half_written_is_no_matter(directory, left):
    (directory / startup.RUNNING).write_bytes(left)
    lock = open_lock(directory / startup.LOCK)
    assert try_lock(lock)
    try:
        assert startup.running_environment(directory) == {}
        assert startup.previous_simulator_port(directory) == 0
    finally:
        os.close(lock)
