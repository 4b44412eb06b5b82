"""Rules of notifications: how long they are kept, sizes of lists, and what an announcement may be."""

from datetime import timedelta

KEPT_FOR = timedelta(days=90)

# The list of the user's notifications, and how many of them are marked as read by their ids at once.
LIST_LIMIT, LIST_LIMIT_MAX = 20, 100
READ_MAX = 100

MAX_TITLE_LENGTH, MAX_BODY_LENGTH = 120, 500
# Who signed up so long before an announcement is a newcomer to it.
NEWCOMER_FOR = timedelta(days=30)
