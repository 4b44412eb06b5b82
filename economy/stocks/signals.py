from django.dispatch import Signal

# Sent with `stock_id` once a new price is committed. A nudge: the sweep finds what is to be closed without it, too.
price_changed = Signal()
