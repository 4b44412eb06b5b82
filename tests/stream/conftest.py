import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client

from tests.betting.factories import Player, sign_up
from tests.databases import with_database
from tests.ops.servers import Web
from tests.stream.sse import Stream


@pytest.fixture(scope="module")
def web(django_db_setup) -> Iterator[Web]:
    """One server of two processes for the tests of a file, on their database and Redis."""
    folder = Path(os.environ["VAR_DIR"]) / uuid4().hex[:8]
    folder.mkdir(parents=True)
    server = Web(folder, **environment(WEB_WORKERS="2"))
    yield server
    server.stop()
    shutil.rmtree(folder)


def environment(**more: str) -> dict[str, str]:
    name = connection.settings_dict["NAME"]
    return {
        "DATABASE_URL": with_database(os.environ["DATABASE_URL"], name),
        "SECRET_KEY": settings.SECRET_KEY,
        "JWT_ACCESS_SECRET": settings.SIMPLE_JWT["SIGNING_KEY"],
        "HOUSE_MARKET_SPREAD": "0.02",
        **more,
    }


@pytest.fixture
def ann(transactional_db) -> Player:
    return sign_up("ann")


def ticket_of(user: Player) -> str:
    response = Client().post("/api/v1/stream/ticket", headers={"Authorization": f"Bearer {user.token}"})
    return response.json()["ticket"]


def stream_of(web: Web, user: Player, query: str = "", **headers: str) -> Stream:
    return Stream(web.base, f"?ticket={ticket_of(user)}{query}", **headers)
