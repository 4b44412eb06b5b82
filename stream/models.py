from django.db import models

from accounts.models import User


class StreamTicket(models.Model):
    """A ticket that hasn't been used: using it deletes the row, so that of any number of processes one succeeds."""

    # SHA-256 of the ticket.
    hash = models.BinaryField(primary_key=True, max_length=32)
    user = models.ForeignKey(User, models.CASCADE, db_index=False, related_name="+")
    # The session it was issued in, and the user's `sessions_ended` then: a ticket ends with the session. None for an
    # access token that names none.
    session_id = models.UUIDField(null=True)
    sessions_ended = models.IntegerField()
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "stream_tickets"

    def __str__(self) -> str:
        return f"of {self.user_id}"
