"""`manage.py create_demo_users N`."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from tests.accounts.factories import AUTH, bearer, everything, send, success

pytestmark = pytest.mark.django_db


@pytest.fixture
def development(settings):
    settings.DEBUG = True


def printed(*arguments):
    out = StringIO()
    call_command("create_demo_users", *arguments, stdout=out)
    return out.getvalue()


def test_their_tokens_are_printed_and_work(development, api):
    made = json.loads(printed("3", "--json"))
    assert len(made) == User.objects.count() == 3
    for user in made:
        assert set(user) == {"userId", "username", "accessToken", "refreshToken"}
        me = success(api.get(f"{AUTH}/me", headers=bearer(user["accessToken"])))["user"]
        assert (me["id"], me["username"]) == (user["userId"], user["username"])
        success(send(api, f"{AUTH}/refresh", {"refreshToken": user["refreshToken"]}))


def test_it_is_readable_text_without_json(development):
    text = printed("1")
    user = User.objects.get()
    assert f"username: {user.username}" in text
    assert "refreshToken: " in text


def test_more_can_be_made_later(development):
    printed("2")
    printed("2")
    assert User.objects.count() == 4


def test_in_production_mode_it_is_refused_and_nobody_is_made(settings):
    settings.DEBUG = False
    with pytest.raises(CommandError, match="DEBUG=true"):
        printed("1")
    assert everything() == ([], [])


@pytest.mark.parametrize("number", ["0", "-1", "1001", "many"])
def test_a_number_that_makes_no_sense_is_refused(development, number):
    with pytest.raises(CommandError):
        printed(number)
    assert everything() == ([], [])
