"""Requests made of docs/openapi.yaml, valid and not, by every kind of client: nothing fails but what is documented.

The same requests in every run; `make fuzz SECONDS=600 SEED=7` for a longer one.
"""

import os

import pytest

from tests.betting.factories import assert_audit_passes
from tests.fuzzing.fuzzer import PHASES, Report, fuzz
from tests.fuzzing.known import KNOWN

SEED = int(os.environ.get("FUZZ_SEED", "1"))
SECONDS = int(os.environ.get("FUZZ_SECONDS", "0"))
# How many examples of each operation a phase sends, where there is no time to be filled.
BOUNDED = {
    "nobody": {"fuzzing": 2},
    "user": {"coverage": 1, "fuzzing": 2, "stateful": 3},
    "staff": {"fuzzing": 2, "stateful": 2},
    "garbage": {"fuzzing": 3},
}
EVERYTHING = dict.fromkeys(PHASES, 10**6)
LEAST_REQUESTS, LEAST_CHECK_KINDS = 1_500, 14


def run(served, folder) -> list[Report]:
    """Fuzz as each client, with an equal part of the time; print what was done."""
    reports = []
    for client in served.clients:
        phases = EVERYTHING if SECONDS else BOUNDED[client.name]
        part = SECONDS // len(served.clients) or None
        reports.append(fuzz(served.web.base, client, folder, seed=SEED, phases=phases, seconds=part))
        # The figures of a long run.
        print(reports[-1], *reports[-1].unexplained(), sep="\n", flush=True)  # noqa: T201
    return reports


@pytest.mark.django_db(transaction=True)
def test_nothing_fails_but_what_is_documented_and_money_still_balances(served, folder):
    reports = run(served, folder)
    failures = [line for report in reports for line in report.unexplained()]
    assert not failures, "\n".join(failures)
    assert not [error for report in reports for error in report.errors]
    assert served.web.said("Traceback") == 0, served.web.log[-5_000:]
    if not SECONDS:  # else how much is sent depends on the machine
        used = set().union(*(report.used for report in reports))
        unused = [known for known in KNOWN if known not in used and not known.rare]
        assert unused == [], "not needed any more: remove it"
    assert sum(report.requests for report in reports) >= LEAST_REQUESTS
    assert len(set().union(*(report.checks for report in reports))) >= LEAST_CHECK_KINDS
    assert_audit_passes()
