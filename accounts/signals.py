"""The one fact that accounts tell upwards while it happens: receivers run in the transaction that makes the user."""

from django.dispatch import Signal

# Sent with `user`, `referrer` (another user, or None) and `now`.
user_registered = Signal()
