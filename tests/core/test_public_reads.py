"""Public GETs: validators, how long a response holds, and what a process remembers for a moment."""

import pytest

from core.api import responses

pytestmark = pytest.mark.usefixtures("test_views")
CONSTANT = "/tests/news/constant"
REMEMBERED = "/tests/news/remembered"
LARGE = "/tests/news/large"


@pytest.fixture
def remembering(settings):
    """For as long as a test may take."""
    settings.PUBLIC_CACHE_SECONDS = 3_600


def asked(client, path=REMEMBERED):
    return client.get(path).json()["number"]


def test_a_response_has_a_tag_and_says_how_long_it_holds(stranger):
    response = stranger.get(CONSTANT)
    assert response["ETag"].startswith('"')
    assert response["Cache-Control"] == "public, max-age=1"


def test_the_tag_stays_while_the_response_does_and_changes_with_it(stranger):
    assert stranger.get(CONSTANT)["ETag"] == stranger.get(CONSTANT)["ETag"]
    assert stranger.get("/tests/news/fresh")["ETag"] != stranger.get("/tests/news/fresh")["ETag"]


@pytest.mark.parametrize(
    "form", ["{tag}", "W/{tag}", '"other", {tag}', '"other", W/{tag}, "third"', "*", ' {tag} ,"x"']
)
def test_a_copy_that_still_holds_is_not_sent_again(stranger, form):
    tag = stranger.get(CONSTANT)["ETag"]
    response = stranger.get(CONSTANT, headers={"If-None-Match": form.format(tag=tag)})
    assert response.status_code == 304
    assert response.content == b""
    assert response["ETag"] == tag
    assert response["Cache-Control"] == "public, max-age=1"
    assert "Content-Type" not in response


@pytest.mark.parametrize("form", ['"other"', 'W/"other"', "nonsense", "", '"', "W/", '"*"'])
def test_a_copy_that_no_longer_holds_is_sent_again(stranger, form):
    response = stranger.get(CONSTANT, headers={"If-None-Match": form})
    assert response.status_code == 200
    assert response.json() == {"success": True, "number": 42}


def test_a_tag_without_its_quotes_does_not_hold(stranger):
    tag = stranger.get(CONSTANT)["ETag"].strip('"')
    assert stranger.get(CONSTANT, headers={"If-None-Match": tag}).status_code == 200


def test_a_head_has_the_headers_of_the_get_and_no_body(stranger):
    get, head = stranger.get(CONSTANT), stranger.head(CONSTANT)
    assert head.status_code == 200
    assert head.content == b""
    assert (head["ETag"], head["Cache-Control"], head["Content-Type"]) == (
        get["ETag"],
        get["Cache-Control"],
        "application/json",
    )


def test_responses_that_differ_each_time_are_not_cached(stranger):
    assert stranger.get("/tests/news/private")["Cache-Control"] == "private, no-store"


def test_an_error_has_no_tag_and_is_not_remembered(stranger, remembering):
    response = stranger.get("/tests/news/missing")
    assert response.status_code == 404
    assert "ETag" not in response
    assert "Cache-Control" not in response


def test_nothing_is_remembered_unless_the_settings_say_so(stranger):
    assert asked(stranger) != asked(stranger)


def test_responses_that_are_the_same_for_everybody_are_remembered(stranger, api, remembering):
    assert asked(stranger) == asked(api)


def test_the_rest_is_asked_anew(stranger, remembering):
    assert asked(stranger, "/tests/news/fresh") != asked(stranger, "/tests/news/fresh")


def test_another_query_is_another_response(stranger, remembering):
    assert asked(stranger, f"{REMEMBERED}?a=1") != asked(stranger, f"{REMEMBERED}?a=2")


def test_a_remembered_response_is_revalidated_and_headed_like_any(stranger, remembering):
    tag = stranger.get(REMEMBERED)["ETag"]
    assert stranger.get(REMEMBERED, headers={"If-None-Match": tag}).status_code == 304
    assert stranger.head(REMEMBERED)["ETag"] == tag


def test_a_remembered_response_tells_each_origin_what_is_meant_for_it(stranger, remembering):
    stranger.get("/api/v1/nothing")
    allowed = {"Origin": "http://localhost:3000"}
    assert stranger.get(REMEMBERED, headers=allowed)["X-Request-ID"] != stranger.get(REMEMBERED)["X-Request-ID"]


def test_a_memory_that_was_dropped_is_filled_anew(stranger, remembering):
    first = asked(stranger)
    responses.clear_cache()
    assert asked(stranger) != first


def test_a_response_is_remembered_only_for_its_time(stranger, settings):
    settings.PUBLIC_CACHE_SECONDS = 1e-9
    assert asked(stranger) != asked(stranger)


def test_a_very_large_response_is_not_remembered(stranger, remembering):
    path = f"{LARGE}?size={responses.MAX_ENTRY_BYTES}"
    assert asked(stranger, path) != asked(stranger, path)


def remembered_of(client, paths):
    """How many of these, asked once each and in order, are still remembered."""
    first = [asked(client, path) for path in paths]
    return sum(asked(client, path) == response for path, response in reversed(list(zip(paths, first, strict=True))))


def test_the_number_of_remembered_responses_is_bounded(stranger, remembering):
    paths = [f"{REMEMBERED}?page={page}" for page in range(responses.MAX_ENTRIES + 5)]
    assert remembered_of(stranger, paths) <= responses.MAX_ENTRIES


def test_the_memory_that_remembered_responses_take_is_bounded(stranger, remembering):
    size = responses.MAX_ENTRY_BYTES - 1_000
    fitting = responses.MAX_BYTES // size
    assert fitting < responses.MAX_ENTRIES
    paths = [f"{LARGE}?size={size}&page={page}" for page in range(fitting + 5)]
    assert 0 < remembered_of(stranger, paths) <= fitting


def test_what_never_changes_is_made_once_and_no_client_decides_how(stranger):
    responses = [stranger.get("/tests/unchanging?a=1", headers={"X-By": "one"}) for _ in range(2)]
    responses.append(stranger.get("/tests/unchanging"))
    assert [each.json() for each in responses] == [{"made": 1, "query": {}, "by": None}] * 3
    assert {each["Cache-Control"] for each in responses} == {"public, max-age=3600"}
    (tag,) = {each["ETag"] for each in responses}
    assert stranger.get("/tests/unchanging", headers={"If-None-Match": tag}).status_code == 304
    assert stranger.post("/tests/unchanging").status_code == 405
