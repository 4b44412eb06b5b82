from django.dispatch import Signal

# Sent on commit with `market_id`: a market is resolved or cancelled. A nudge alone: whoever acts on markets that ended
# finds them by their rows too, so a lost signal costs seconds.
market_ended = Signal()
