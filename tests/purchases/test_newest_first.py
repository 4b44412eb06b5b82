"""Lists that grow for ever are read from an index in their order, newest first, from any place on: none is sorted."""

import pytest
from django.db import connection

from core.db.sql import new_id
from economy.models import DailyReward
from economy.stocks.models import StockPrice, StockStatusChange, StockTransaction
from purchases.models import CreditPurchase, PurchaseEvent

pytestmark = pytest.mark.django_db
HERE = new_id()  # where a page ended
# Keys begin with the time: the greatest is the newest.
LISTS = {
    "purchases": CreditPurchase.objects.order_by("-id").filter(id__lt=HERE),
    "purchases of a user": CreditPurchase.objects.order_by("-created_at", "-id").filter(user=HERE),
    "what became of a purchase": PurchaseEvent.objects.filter(purchase=HERE),
    "rewards": DailyReward.objects.order_by("-id").filter(id__lt=HERE),
    "rewards of a user": DailyReward.objects.order_by("-day").filter(user=HERE, day__lt="2026-03-05"),
    "trades": StockTransaction.objects.order_by("-id").filter(id__lt=HERE),
    "trades of a user": StockTransaction.objects.order_by("-sequence").filter(user=HERE, sequence__lt=99),
    "prices": StockPrice.objects.order_by("-id").filter(id__lt=HERE),
    "prices of a stock": StockPrice.objects.order_by("-sequence").filter(stock=HERE, sequence__lt=99),
    "statuses of a stock": StockStatusChange.objects.order_by("-sequence").filter(stock=HERE, sequence__lt=99),
}


@pytest.mark.parametrize("name", LISTS)
def test_the_newest_are_found_by_an_index_in_their_order(name):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off")
    plan = LISTS[name][:50].explain()
    assert "Index" in plan
    assert "Sort" not in plan
    # All conditions are the index's own: nothing that is read is thrown away.
    assert ("Index Cond" in plan, "Filter" in plan) == (True, False)
