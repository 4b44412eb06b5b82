"""The admin's sidebar leads each role where it may go, and nowhere else."""

import re

import pytest
from django.contrib import admin
from django.core import checks

pytestmark = pytest.mark.django_db


def test_django_finds_nothing_wrong_with_any_page():
    """`manage.py check` loads the pages with the URLs, possibly after it looked at them."""
    admin.autodiscover()
    assert len(admin.site._registry) > 10
    assert checks.run_checks(tags=[checks.Tags.admin]) == []


def links(client):
    page = client.get("/admin/").content.decode()
    return {link for link in re.findall(r'href="(/admin/[^"?#]*)"', page) if "logout" not in link}


@pytest.mark.parametrize("role", ["support", "market managers", ""])
def test_every_link_of_a_role_opens(member, browser, role):
    client = browser(member("sue", role=role))
    found = links(client)
    assert "/admin/" in found
    assert {page: client.get(page).status_code for page in found} == dict.fromkeys(found, 200)
    assert ("/admin/markets/market/" in found) == bool(role)
    assert "/admin/staff/job/" not in found


def test_every_link_of_a_superuser_opens(desk):
    found = links(desk)
    assert {page: desk.get(page).status_code for page in found} == dict.fromkeys(found, 200)
    assert found >= {
        "/admin/markets/market/",
        "/admin/accounts/user/",
        "/admin/accounts/staffaction/",
        "/admin/staff/job/",
        "/admin/common/jobrun/",
    }


def test_nothing_is_fetched_from_another_host(desk):
    for page in links(desk):
        body = desk.get(page).content.decode()
        assert not re.findall(r'(?:src|href)="(?:https?:)?//[^"]*"', body), page
