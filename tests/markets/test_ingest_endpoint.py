"""POST /api/v1/markets/ingest: public, so made safe (lesson 40)."""

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework.throttling import SimpleRateThrottle

from core.models import JobRun
from markets.models import Market
from tests.markets.factories import MARKETS, fields_of, refusal
from tests.roles import as_owner

pytestmark = pytest.mark.django_db
COUNTS = {"total", "created", "updated", "skipped", "errors", "unchanged", "reasons", "coalesced"}


def post(api, body=None, **headers):
    return api.post(f"{MARKETS}/ingest", body or {}, content_type="application/json", headers=headers)


def data(response):
    assert response.status_code == 200, response.content
    return response.json()["data"]


def test_it_ingests_and_says_how_many(upstream, api):
    response = post(api)
    assert data(response).keys() == COUNTS
    assert data(response)["created"] == len(upstream.world.good_markets()) == Market.objects.count()
    assert data(response)["coalesced"] is False
    assert response.json()["success"] is True


@pytest.mark.parametrize("path", [f"{MARKETS}/ingest", f"{MARKETS}/ingest/"])
def test_no_body_at_all_is_fine(upstream, api, path):
    assert data(api.generic("POST", path))["created"] == len(upstream.world.good_markets())


def test_a_limit_and_a_category_are_heeded(upstream, api):
    assert data(post(api, {"limit": 2, "category": "Sports"}))["created"] == 2
    assert set(Market.objects.values_list("category", flat=True)) == {"sports"}


def test_within_the_interval_the_last_result_is_returned_and_nothing_requested(upstream, api):
    first = data(post(api))
    upstream.requests.clear()
    again = [data(post(api, body)) for body in ({}, {"limit": 3}, {"category": "sports"})]
    assert again == [first | {"coalesced": True}] * 3
    assert len(upstream.requests) == 0
    assert JobRun.objects.count() == 1


def test_after_the_interval_polymarket_is_requested_again(upstream, api, market_rules):
    market_rules.INGEST_MIN_INTERVAL = 0
    assert [data(post(api))["coalesced"] for _ in range(2)] == [False, False]


def test_a_failure_says_when_to_try_again_and_is_not_repeated_within_the_interval(upstream, api):
    upstream.faults.set("status", status=400)
    first = post(api)
    refusal(first, 503, "upstream_unavailable")
    assert 1 <= int(first["Retry-After"]) <= 60
    upstream.requests.clear()
    second = post(api)
    refusal(second, 503, "upstream_unavailable")
    assert 1 <= int(second["Retry-After"]) <= 60
    assert len(upstream.requests) == 0
    assert JobRun.objects.get().status == JobRun.Status.FAILED


def test_a_failure_of_ours_is_never_reported_as_polymarkets(upstream, api):
    """Nor its text told to anybody."""
    with as_owner(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE market_editions ADD CONSTRAINT swordfish CHECK (id < 0) NOT VALID")
    refusal(post(api), 500, "internal_error")
    assert JobRun.objects.get().error.startswith("IntegrityError")
    upstream.requests.clear()
    again = post(api)
    body = refusal(again, 503, "ingestion_failed")
    assert "swordfish" not in str(body)
    assert 1 <= int(again["Retry-After"]) <= 60
    assert len(upstream.requests) == 0


def test_a_run_whose_process_died_is_not_polymarkets_failure_either(upstream, api):
    now = timezone.now()
    JobRun.objects.create(
        job="markets.ingest", status="abandoned", started_at=now, finished_at=now, error="The process died."
    )
    refusal(post(api), 503, "ingestion_failed")


def test_what_was_broken_is_counted_for_everybody_and_named_for_staff(upstream, api):
    upstream.world.good_markets()[0].poison("outcomes", 7)
    response = post(api)
    assert data(response).keys() == COUNTS
    assert data(response)["errors"] == 1
    assert JobRun.objects.get().result["skippedObjects"]
    assert data(post(api)).keys() == COUNTS


def test_after_a_failure_the_next_run_recovers(upstream, api, market_rules):
    upstream.faults.set("status", status=400, times=1)
    refusal(post(api), 503, "upstream_unavailable")
    market_rules.INGEST_MIN_INTERVAL = 0
    assert data(post(api))["created"] == len(upstream.world.good_markets())


@pytest.mark.parametrize("signed_in", [False, True])
def test_only_staff_may_force(upstream, api, bearer, signed_in):
    post(api)
    upstream.requests.clear()
    response = post(api, {"force": True}, **(bearer() if signed_in else {}))
    refusal(response, 403, "permission_denied")
    assert len(upstream.requests) == 0


def test_staff_force_a_run_within_the_interval(upstream, api, bearer):
    post(api)
    upstream.requests.clear()
    assert data(post(api, {"force": True}, **bearer(is_staff=True)))["coalesced"] is False
    assert len(upstream.requests) > 0


def test_staff_may_request_more_than_the_service_keeps_up_itself(upstream, api, bearer, market_rules):
    market_rules.INGEST_LIMIT = 10
    refusal(post(api, {"limit": 11}), 400, "validation_error")
    assert data(post(api, {"limit": 20}, **bearer(is_staff=True)))["created"] == 20


@pytest.mark.parametrize(
    "body",
    [
        *({"limit": limit} for limit in (0, -1, 501, 10**18, 1.5, "many", None, True, [], {})),
        *({"category": category} for category in ("x" * 51, "a\x00b", [], {"a": 1})),
        *({"force": force} for force in ("perhaps", 7, None)),
    ],
)
def test_bad_values_are_refused_by_name(upstream, api, body):
    said = refusal(post(api, body), 400, "validation_error")
    assert fields_of(said) == list(body)
    assert len(upstream.requests) == 0


@pytest.mark.parametrize("body", [b"[]", b'"limit"', b"7", b"null"])
def test_a_body_that_is_no_object_is_refused(upstream, api, body):
    refusal(api.post(f"{MARKETS}/ingest", body, content_type="application/json"), 400, "validation_error")


@pytest.mark.parametrize("body", [b"{", b"limit=3", b"\xff\xfe", b"{'limit': 3}"])
def test_a_body_that_is_not_json_is_refused(upstream, api, body):
    refusal(api.post(f"{MARKETS}/ingest", body, content_type="application/json"), 400, "parse_error")


def test_a_form_is_no_json(upstream, api):
    refusal(api.post(f"{MARKETS}/ingest", {"limit": 3}), 415, "unsupported_media_type")


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_other_methods_are_refused(upstream, api, method):
    refusal(getattr(api, method)(f"{MARKETS}/ingest"), 405, "method_not_allowed")


def test_a_bad_token_is_as_good_as_none(upstream, api):
    for token in ("Bearer nonsense", "Bearer a.b.c", "Bearer", "Basic dTpw"):
        assert post(api, Authorization=token).status_code == 200
        assert api.get(MARKETS, headers={"Authorization": token}).status_code == 200


def test_one_client_cannot_run_it_in_a_loop(upstream, api, monkeypatch):
    monkeypatch.setitem(SimpleRateThrottle.THROTTLE_RATES, "ingest", "2/min")
    assert [post(api).status_code for _ in range(3)] == [200, 200, 429]
    assert int(post(api)["Retry-After"]) >= 1


def test_lists_show_the_new_markets_at_once(upstream, api, settings):
    settings.PUBLIC_CACHE_SECONDS = 60
    assert api.get(MARKETS).json()["total"] == 0
    post(api)
    assert api.get(MARKETS).json()["total"] == len(upstream.world.good_markets())
