"""What the rules of the house are checked on."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
APPS = [
    *(
        "core",
        "accounts",
        "notifications",
        "economy",
        "markets",
        "betting",
        "purchases",
        "leaderboard",
        "stream",
        "staff",
    ),
    *("ops", "thisthat"),
    "devtools",
]


def modules():
    """Every module of the service, tests and migrations apart."""
    found = [
        path for app in APPS for path in sorted((REPOSITORY / app).rglob("*.py")) if "migrations" not in path.parts
    ]
    assert len(found) > 30
    return [REPOSITORY / "manage.py", *found]


def name_of(path):
    return str(path.relative_to(REPOSITORY))
