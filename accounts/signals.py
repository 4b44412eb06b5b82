"""Signals of accounts. Receivers run in the transaction that creates the user."""

from django.dispatch import Signal

# Sent with `user`, `referrer` (another user, or None) and `now`.
user_registered = Signal()
