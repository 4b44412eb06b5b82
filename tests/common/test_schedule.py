"""The clock: what it sends exists, and nothing waits for ever."""

from celery.schedules import crontab, schedule

from thisthat.celery import AT_START, app


def test_every_job_of_the_schedule_exists():
    app.loader.import_default_modules()
    names = {entry["task"] for entry in app.conf.beat_schedule.values()} | set(AT_START)
    assert "markets.ingest" in names
    assert "common.purge_job_runs" in names
    assert names <= set(app.tasks)


def test_every_job_has_a_time():
    for entry in app.conf.beat_schedule.values():
        assert isinstance(entry["schedule"], (int, crontab, schedule))


def test_no_job_may_run_for_ever():
    assert 0 < app.conf.task_soft_time_limit < app.conf.task_time_limit <= 300


def test_times_are_utc():
    assert app.conf.timezone == "UTC"
