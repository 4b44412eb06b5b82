"""The example alerts speak of metrics that `/metrics` serves, and say what to do."""

import re

import pytest
import yaml
from django.test import Client

from tests.architecture.conftest import REPOSITORY
from thisthat.celery import QUEUES, app

FILE = REPOSITORY / "docs" / "alerts.yml"
GROUPS = yaml.safe_load(FILE.read_text())["groups"]
RULES = [rule for group in GROUPS for rule in group["rules"]]
METRIC = re.compile(r"thisthat_\w+")
# What Prometheus adds to a histogram's or counter's name.
ENDING = re.compile(r"_(bucket|count|sum|total)$")
SELECTOR = re.compile(r'(\w+)=~?"([^"]*)"')


@pytest.fixture
def served(db) -> set[str]:
    """The names of all families; those without a sample have a line of their type, too."""
    text = Client().get("/metrics", REMOTE_ADDR="127.0.0.1").content.decode()
    return set(re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE))


def test_every_metric_that_an_alert_names_is_served(served):
    named = {name for rule in RULES for name in METRIC.findall(rule["expr"])}
    assert len(named) > 10
    unknown = {name for name in named if not served & {name, ENDING.sub("", name), f"{ENDING.sub('', name)}_total"}}
    assert unknown == set()


def test_every_source_of_metrics_is_watched_by_an_alert(served):
    text = FILE.read_text()
    for part in ("http_request", "job_late", "queue", "odds_age", "upstream", "ledger", "database", "source_up"):
        assert f"thisthat_{part}" in text


def test_queues_and_jobs_that_alerts_select_exist():
    selected = [found for rule in RULES for found in SELECTOR.findall(rule["expr"])]
    jobs = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert {value for label, value in selected if label == "queue"} == set(QUEUES)
    assert {value for label, value in selected if label == "job"} <= jobs | {"thisthat"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_has_what_prometheus_needs_and_says_what_to_do(rule):
    assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"[A-Z][A-Za-z]+", rule["alert"])
    assert re.fullmatch(r"\d+[smh]", rule.get("for", "0s"))
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"]["summary"].endswith(".")
    assert rule["annotations"]["action"].endswith(".")
    assert rule["expr"].count("(") == rule["expr"].count(")")


def test_no_two_alerts_have_one_name():
    names = [rule["alert"] for rule in RULES]
    assert len(names) == len(set(names))
    assert len({group["name"] for group in GROUPS}) == len(GROUPS)
