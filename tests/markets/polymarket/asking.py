"""What the tests of the client ask and are answered."""

from markets.polymarket.client import Patience
from tests.markets.polymarket.scripted_server import Reply

QUICK = Patience(connect=1, read=0.3, total=2, attempts=3, backoff=0.01, backoff_max=0.02)


def events(*ids, cursor=None):
    return Reply({"events": [{"id": number} for number in ids]} | ({"next_cursor": cursor} if cursor else {}))


def markets(*ids, **more):
    return Reply({"markets": [{"conditionId": name} for name in ids]} | more)


def first_page(client):
    return next(client.iter_event_pages())
