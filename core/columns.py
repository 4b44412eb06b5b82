"""Columns that models of several apps have: of credits, and what fits in them."""

from typing import Any

from django.db import models

CREDITS_DIGITS, CREDITS_DECIMALS = 18, 2
# What a column of credits holds ends below it. NaN, which PostgreSQL takes for greater than any number, isn't below it.
TOO_MANY_CREDITS = 10 ** (CREDITS_DIGITS - CREDITS_DECIMALS)


def credits_column(*, max_digits: int = CREDITS_DIGITS, **options: Any) -> "models.DecimalField[Any, Any]":
    """Return a column of credits, with two decimals."""
    return models.DecimalField(max_digits=max_digits, decimal_places=CREDITS_DECIMALS, **options)
