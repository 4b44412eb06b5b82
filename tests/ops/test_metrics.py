"""`/metrics`: who may see it, what it says, and that its cost and size are bounded."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from core.models import JobRun
from markets.models import Market
from markets.prices import watch_markets
from staff.tasks import count_days
from tests.betting.factories import sign_up
from tests.markets.factories import add_market
from tests.roles import as_superuser
from thisthat.celery import QUEUES, app

TOKEN = "only-for-tests-and-long-enough-to-be-a-token"
SCRAPED_FROM_HERE = {"REMOTE_ADDR": "127.0.0.1"}
ONE_MARKET = "/api/v1/markets/<str:pk>"
FROM_ELSEWHERE = {"REMOTE_ADDR": "203.0.113.7"}


def read(client: Client) -> dict[str, dict[tuple[str, ...], float]]:
    """Each sample's value, by its name and the values of its labels, in the order of the labels' names."""
    response = client.get("/metrics", **SCRAPED_FROM_HERE)
    assert response.status_code == 200
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(response.content.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(value for _, value in sorted(sample.labels.items()))] = sample.value
    return found


class TestAccess:
    @pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1"])
    def test_this_machine_may_look(self, api, db, address):
        response = api.get("/metrics", REMOTE_ADDR=address)
        assert response.status_code == 200
        assert response["Content-Type"].startswith("text/plain; version=")
        assert response["Cache-Control"] == "no-store"

    @pytest.mark.parametrize("address", ["203.0.113.7", "10.0.0.1", "2001:db8::1", "", "nonsense"])
    def test_others_get_404(self, api, address):
        response = api.get("/metrics", REMOTE_ADDR=address)
        nowhere = api.get("/metrix", REMOTE_ADDR=address)
        assert (response.status_code, response.content) == (404, nowhere.content)

    @pytest.mark.parametrize(
        "header", ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Forwarded", "Via"]
    )
    def test_a_proxy_on_this_machine_does_not_open_it_to_the_world(self, api, header):
        assert api.get("/metrics", headers={header: "127.0.0.1"}, **SCRAPED_FROM_HERE).status_code == 404

    def test_a_proxy_that_adds_no_headers_is_recognized_by_the_settings(self, api, settings):
        settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"NUM_PROXIES": 1}
        assert api.get("/metrics", **SCRAPED_FROM_HERE).status_code == 404
        settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"NUM_PROXIES": 0}
        settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
        assert api.get("/metrics", **SCRAPED_FROM_HERE).status_code == 404

    def test_the_token_opens_it_from_anywhere_and_through_a_proxy(self, api, db, settings):
        settings.METRICS_TOKEN = TOKEN
        headers = {"Authorization": f"Bearer {TOKEN}", "X-Forwarded-For": "203.0.113.7"}
        assert api.get("/metrics", headers=headers, **FROM_ELSEWHERE).status_code == 200

    @pytest.mark.parametrize(
        "given", ["", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer é", TOKEN]
    )
    @pytest.mark.parametrize("token", [TOKEN, ""])
    def test_a_wrong_or_missing_token_is_refused(self, api, settings, token, given):
        settings.METRICS_TOKEN = token
        assert api.get("/metrics", headers={"Authorization": given}, **FROM_ELSEWHERE).status_code == 404

    def test_nothing_can_be_sent_to_it(self, api):
        assert api.post("/metrics", **SCRAPED_FROM_HERE).status_code == 404


@pytest.mark.django_db
class TestRequests:
    COUNT = "thisthat_http_request_duration_seconds_count"
    BUCKET = "thisthat_http_request_duration_seconds_bucket"

    def grown(self, api, *labels, act):
        before = read(api).get(self.COUNT, {}).get(labels, 0)
        act()
        return read(api).get(self.COUNT, {}).get(labels, 0) - before

    def test_are_counted_by_pattern_method_and_status(self, api):
        market = add_market()

        def look():
            api.get(f"/api/v1/markets/{market.pk}")
            api.get("/api/v1/markets/0d2c7a3e-0000-7000-8000-000000000000")

        assert self.grown(api, "GET", ONE_MARKET, "200", act=look) == 1
        assert self.grown(api, "GET", ONE_MARKET, "404", act=look) == 1

    def test_have_their_times_in_buckets_from_a_millisecond_to_five_seconds(self, api):
        api.get("/health")
        buckets = [float(le) for le, _, route, _ in read(api)[self.BUCKET] if route == "/health"]
        assert (buckets[0], buckets[-2], buckets[-1]) == (0.001, 5, float("inf"))

    def test_no_client_makes_the_metrics_grow(self, api):
        def bother():
            for number in range(50):
                api.get(f"/{number}/nothing", {"q": number})
                api.get(f"/api/v1/markets/{number}")
                api.generic(f"M{number}", "/health")

        bother()
        read(api)
        series = len(read(api)[self.COUNT])
        assert self.grown(api, "GET", "none", "404", act=bother) >= 50
        assert len(read(api)[self.COUNT]) == series
        assert not any("nothing" in label for labels in read(api)[self.COUNT] for label in labels)


@pytest.mark.django_db
class TestValues:
    def test_jobs_have_metrics(self, api):
        now = timezone.now()
        JobRun.objects.create(
            job="markets.ingest", status="succeeded", started_at=now - timedelta(hours=1, seconds=7), finished_at=now - timedelta(hours=1)
        )  # fmt: skip
        JobRun.objects.create(job="markets.ingest", status="failed", started_at=now, finished_at=now)
        metrics = read(api)
        job = ("markets.ingest",)
        assert metrics["thisthat_job_last_success_timestamp_seconds"][job] == (now - timedelta(hours=1)).timestamp()
        assert metrics["thisthat_job_last_success_duration_seconds"][job] == 7
        assert metrics["thisthat_job_last_run_failed"][job] == 1
        assert metrics["thisthat_job_late"][job] == 1
        assert metrics["thisthat_job_late"].keys() == {(entry["task"],) for entry in app.conf.beat_schedule.values()}

    def test_broken_objects_that_a_run_had_to_skip_have_a_metric(self, api):
        now = timezone.now()
        for job, result in (("markets.resolve", {"errors": 2}), ("markets.ingest", {"created": 1})):
            JobRun.objects.create(job=job, status="succeeded", started_at=now, finished_at=now, result=result)
        broken = read(api)["thisthat_job_last_success_broken_objects"]
        assert broken == {("markets.resolve",): 2, ("markets.ingest",): 0}

    def test_odds_metrics_are_of_watched_markets_alone(self, api):
        now = timezone.now()
        markets = [add_market(slug=f"market-{minutes}") for minutes in (1, 2, 60, 600)]
        for market, minutes in zip(markets, (1, 2, 60, 600), strict=True):
            Market.objects.filter(pk=market.pk).update(
                market_type="polymarket", polymarket_id=market.slug, this_token_id="1", that_token_id="2",
                odds_updated_at=now - timedelta(minutes=minutes),
            )  # fmt: skip
        assert "thisthat_odds_age_seconds" not in read(api)
        watch_markets([market.pk for market in markets[:3]], until=now + timedelta(hours=1))
        metrics = read(api)
        assert metrics["thisthat_watched_markets"][()] == 3
        assert metrics["thisthat_odds_age_seconds"][("oldest",)] == pytest.approx(3600, abs=60)
        assert metrics["thisthat_odds_age_seconds"][("median",)] == pytest.approx(120, abs=60)

    def test_ledger_metrics_are_the_sums_of_its_entries(self, api):
        player, market = sign_up("ann"), add_market()
        for amount in (100, 50):
            player.bet(market, amount, "this")
        count_days()
        metrics = read(api)
        assert metrics["thisthat_ledger_transfers_total"][("bet_placed", "escrow")] == 2
        assert metrics["thisthat_ledger_credits_total"][("bet_placed", "taken", "escrow")] == 150
        assert metrics["thisthat_ledger_credits_total"][("bet_placed", "given", "escrow")] == 0
        assert metrics["thisthat_ledger_credits_total"][("signup_bonus", "given", "issuance")] == 1000
        assert metrics["thisthat_ledger_counted_timestamp_seconds"][()] > 0

    def test_connections_have_metrics(self, api):
        with as_superuser():
            # Whose session the tests' is: those of others are of the state "other".
            metrics = read(api)
        assert metrics["thisthat_database_connections"][("active",)] >= 1
        assert metrics["thisthat_database_connections_max"][()] > 10

    def test_queues_have_metrics(self, api):
        before = read(api)["thisthat_queue_messages"]
        assert before.keys() == {(queue,) for queue in QUEUES}
        app.send_task("betting.settle_markets")
        app.send_task("common.purge_job_runs")
        app.send_task("common.purge_job_runs")
        after = read(api)["thisthat_queue_messages"]
        assert {queue: after[(queue,)] - before[(queue,)] for queue in QUEUES} == {"payments": 1, "default": 2}

    def test_take_as_many_queries_however_much_there_is(self, api, django_assert_num_queries):
        with django_assert_num_queries(7):
            read(api)
        for number in range(5):
            watch_markets([add_market(slug=f"market-{number}").pk], until=timezone.now() + timedelta(hours=1))
            JobRun.objects.create(job=f"job-{number}", started_at=timezone.now())
        with django_assert_num_queries(7):
            read(api)
