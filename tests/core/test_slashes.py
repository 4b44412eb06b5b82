"""A missing or an extra slash at the end of a path changes nothing; the admin keeps Django's."""

import pytest

from tests.core.conftest import assert_is_error

pytestmark = pytest.mark.usefixtures("test_views")
ENDINGS = ["", "/", "//", "///"]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("path", ["/health", "/api/hello", "/api/docs"])
def test_a_path_is_the_same_with_any_number_of_slashes_at_its_end(stranger, path, ending):
    assert stranger.get(path + ending).status_code == 200


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_post_keeps_its_body_and_its_query_whatever_the_slashes(stranger, ending):
    response = stranger.post(f"/tests/echo{ending}?a=1&b=/", {"c": 2}, content_type="application/json")
    assert response.status_code == 200
    assert response.json() == {"got": {"c": 2}, "query": {"a": "1", "b": "/"}}


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_unknown_path_is_unknown_with_any_slashes(stranger, ending):
    assert_is_error(stranger.get(f"/api/v1/nothing{ending}"), 404, "not_found")


def test_the_admin_has_its_own_page_to_sign_in(stranger):
    response = stranger.get("/admin/login/")
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/html")
    assert "csrfmiddlewaretoken" in response.content.decode()


@pytest.mark.parametrize("path", ["/admin", "/admin/", "/admin/accounts"])
def test_the_admin_leads_those_who_are_not_signed_in_to_that_page(stranger, path):
    response = stranger.get(path, follow=True)
    assert response.status_code == 200
    assert response.request["PATH_INFO"] == "/admin/login/"


def test_signing_in_to_the_admin_needs_the_token_of_its_form(stranger):
    assert stranger.post("/admin/login/", {"username": "a", "password": "b"}).status_code == 403


def test_a_path_that_begins_like_the_admins_is_an_ordinary_one(stranger):
    assert_is_error(stranger.get("/administrators/"), 404, "not_found")
