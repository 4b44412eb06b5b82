"""Markets, what ingestion stages, why markets got their results, and the editions that lists are read from."""

from decimal import Decimal

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Now

from core.db.sql import new_id
from markets.feed import models as feed  # noqa: F401 - Django looks for an app's models here
from markets.history import models as history  # noqa: F401 - Django looks for an app's models here
from markets.indexes import SORTS, past_indexes, resolution_indexes
from markets.polymarket import parsing
from markets.words import MarketWord  # noqa: F401 - Django looks for an app's models here

ZERO = Decimal(0)


class EventFields(models.Model):
    """What is copied from the market's event: known only where Polymarket listed the market with its event.

    The event's slug and title are copies of those in `market_events`: a change there is one of the market's row, by
    whose version rendered markets are cached.
    """

    category = models.CharField(max_length=parsing.CATEGORY_MAX)
    tags = ArrayField(models.CharField(max_length=parsing.TAG_MAX), default=list)
    image_url = models.CharField(max_length=parsing.IMAGE_URL_MAX)
    event_slug = models.CharField(max_length=parsing.SLUG_MAX, blank=True, default="")
    event_title = models.CharField(max_length=parsing.TITLE_MAX, blank=True, default="")
    neg_risk = models.BooleanField(default=False)
    neg_risk_id = models.CharField(max_length=parsing.ID_MAX, blank=True, default="")

    class Meta:
        abstract = True


class MarketFields(models.Model):
    """What is copied from Polymarket's market itself, as it stands."""

    upstream_id = models.CharField(max_length=parsing.ID_MAX, blank=True, default="")
    slug = models.CharField(max_length=parsing.SLUG_MAX)
    title = models.CharField(max_length=parsing.TITLE_MAX)
    description = models.TextField(blank=True, default="")
    this_option = models.CharField(max_length=parsing.OPTION_MAX)
    that_option = models.CharField(max_length=parsing.OPTION_MAX)
    # Token ids have up to 78 digits: text.
    this_token_id = models.CharField(max_length=parsing.ID_MAX, blank=True, default="")
    that_token_id = models.CharField(max_length=parsing.ID_MAX, blank=True, default="")
    expires_at = models.DateTimeField(null=True)
    accepting_orders = models.BooleanField(default=True)
    group_title = models.CharField(max_length=parsing.GROUP_TITLE_MAX, blank=True, default="")
    # Its outcome has no name yet, or is all that have none: what it means changes when others get their names.
    is_placeholder = models.BooleanField(default=False, db_default=False)
    # What resolution needs of Polymarket's object, word for word.
    upstream_facts = models.JSONField(default=dict)

    class Meta:
        abstract = True


class MirroredFields(MarketFields, EventFields):
    """What is copied from Polymarket: a field added here and in `polymarket.parsing` is ingested without more code.

    Not so one that may be missing and then stays as it was: see StagedMarket, and AMOUNTS of `staging`.
    """

    polymarket_id = models.CharField(max_length=parsing.ID_MAX, null=True)

    class Meta:
        abstract = True


class MarketEvent(models.Model):
    """What groups markets, as Polymarket groups them: the candidates of an election, the dates of one question.

    Mirrored. It is never deleted: without open markets it is in no list.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    polymarket_id = models.CharField(max_length=parsing.ID_MAX)
    slug = models.CharField(max_length=parsing.SLUG_MAX, blank=True)
    title = models.CharField(max_length=parsing.TITLE_MAX)
    image_url = models.CharField(max_length=parsing.IMAGE_URL_MAX)
    category = models.CharField(max_length=parsing.CATEGORY_MAX)
    tags = ArrayField(models.CharField(max_length=parsing.TAG_MAX), default=list)
    # Exactly one of its markets ends with THIS, if all outcomes have a market.
    neg_risk = models.BooleanField(default=False)
    expires_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "market_events"
        verbose_name = "event"
        indexes = [
            # What staff look for.
            models.Index(fields=["slug"], name="market_events_slug"),
            models.Index(fields=["category", "-id"], name="market_events_staff_category"),
            models.Index(fields=["-id"], condition=Q(neg_risk=True), name="market_events_staff_neg_risk"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["polymarket_id"], name="market_events_polymarket_id_unique"),
            models.CheckConstraint(condition=~Q(polymarket_id=""), name="market_events_with_upstream_id"),
            models.CheckConstraint(condition=~Q(title=""), name="market_events_with_title"),
            models.CheckConstraint(
                condition=Q(category__regex=r"^[a-z0-9-]+$"), name="market_events_category_lower_case"
            ),
        ]

    def __str__(self) -> str:
        return self.title


class Market(MirroredFields):
    """A binary question: THIS or THAT. Mirrored from Polymarket, or made in the house for credits alone."""

    class Status(models.TextChoices):
        OPEN = "open"
        CLOSED = "closed"  # no more bets, outcome not known yet
        RESOLVED = "resolved"
        CANCELLED = "cancelled"  # voided by staff

    class Resolution(models.TextChoices):
        THIS = "this"
        THAT = "that"
        INVALID = "invalid"  # 50-50 or void: stakes go back

    class Type(models.TextChoices):
        POLYMARKET = "polymarket"
        CREDITS = "credits"  # a house market

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    market_type = models.CharField(max_length=10, choices=Type, default=Type.POLYMARKET)
    is_lmsr = models.BooleanField(default=False, db_default=False)  # a market maker prices it: `betting.makers`
    event = models.ForeignKey(MarketEvent, on_delete=models.PROTECT, null=True, related_name="markets", db_index=False)
    status = models.CharField(max_length=9, choices=Status, default=Status.OPEN)
    resolution = models.CharField(max_length=7, choices=Resolution, null=True)
    resolved_at = models.DateTimeField(null=True)
    author = models.CharField(max_length=100, null=True)
    # Probabilities; 0 and 1 can be shown but not bet on.
    this_odds = models.DecimalField(max_digits=5, decimal_places=4)
    that_odds = models.DecimalField(max_digits=5, decimal_places=4)
    # Of THIS, on Polymarket; null where unknown. Those of a house market follow from its odds (`serializers`).
    bid = models.DecimalField(max_digits=5, decimal_places=4, null=True)
    ask = models.DecimalField(max_digits=5, decimal_places=4, null=True)
    odds_updated_at = models.DateTimeField()
    # Whether odds, bid and ask are the order book's own, not the catalogue's copy, which may be minutes old.
    odds_live = models.BooleanField(default=False)
    # US dollars on Polymarket.
    liquidity = models.DecimalField(max_digits=18, decimal_places=2, default=ZERO)
    volume = models.DecimalField(max_digits=18, decimal_places=2, default=ZERO)
    volume_24hr = models.DecimalField(max_digits=18, decimal_places=2, default=ZERO)
    # When Polymarket was first seen saying `upstream_facts`, and when this market was last requested from it by its id,
    # as it is for markets that left the list of open ones.
    upstream_seen_at = models.DateTimeField(null=True)
    upstream_checked_at = models.DateTimeField(null=True)
    # Why an open market takes no orders, is in no list and in no sample: what the upstream did to it (`identity`).
    suspended_reason = models.TextField(blank=True, default="", db_default="")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)
    search = models.GeneratedField(
        expression=Func("title", "event_title", function="market_search_vector"),
        output_field=SearchVectorField(),
        db_persist=True,
    )

    class Meta:
        db_table = "markets"
        # Lists of open markets are read from an edition (MarketRanking), so the volumes that every ingestion changes
        # need no index here. Markets that are over change no more: theirs are indexed for every sort.
        indexes = [
            GinIndex(fields=["search"], name="markets_search"),
            *resolution_indexes(),
            models.Index(fields=["event"], condition=Q(event__isnull=False), name="markets_of_event"),
            models.Index(fields=["expires_at"], condition=Q(status="open"), name="markets_open_by_end"),
            # What staff look for: newest first, by what they choose, and by the address that somebody sent them.
            models.Index(fields=["status", "-id"], name="markets_staff_status"),
            models.Index(fields=["category", "-id"], name="markets_staff_category"),
            models.Index(fields=["-id"], condition=Q(market_type="credits"), name="markets_staff_house"),
            models.Index(fields=["slug"], name="markets_slug"),
            models.Index(
                fields=["-id"], condition=Q(status="open") & ~Q(suspended_reason=""), name="markets_suspended"
            ),
            *past_indexes(),
        ]
        constraints = [
            # NaN is greater than any number.
            models.CheckConstraint(
                condition=Q(liquidity__lt=10**16, volume__lt=10**16, volume_24hr__lt=10**16),
                name="markets_hold_numbers",
            ),
            models.UniqueConstraint(fields=["polymarket_id"], name="markets_polymarket_id_unique"),
            models.CheckConstraint(condition=Q(this_odds__range=(0, 1)), name="markets_this_odds_in_range"),
            models.CheckConstraint(condition=Q(that_odds__range=(0, 1)), name="markets_that_odds_in_range"),
            models.CheckConstraint(condition=Q(bid__range=(0, 1)), name="markets_bid_in_range"),
            models.CheckConstraint(condition=Q(ask__range=(0, 1)), name="markets_ask_in_range"),
            models.CheckConstraint(condition=Q(bid__lt=F("ask")), name="markets_bid_below_ask"),
            models.CheckConstraint(
                condition=Q(market_type="polymarket") | Q(bid__isnull=True, ask__isnull=True),
                name="markets_house_prices_not_stored",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["open", "closed"], resolution__isnull=True, resolved_at__isnull=True)
                # "Not null" is to be said: without a resolution `IN` is NULL, and a check that is NULL lets the row in.
                | Q(
                    status="resolved",
                    resolution__isnull=False,
                    resolution__in=["this", "that", "invalid"],
                    resolved_at__isnull=False,
                )
                | Q(
                    status="cancelled",
                    resolution__isnull=False,
                    resolution="invalid",
                    resolved_at__isnull=False,
                ),
                name="markets_status_and_resolution",
            ),
            models.CheckConstraint(
                condition=(
                    Q(market_type="polymarket", polymarket_id__isnull=False)
                    & ~Q(polymarket_id="")
                    & ~Q(this_token_id="")
                    & ~Q(that_token_id="")
                )
                | Q(market_type="credits", polymarket_id__isnull=True),
                name="markets_type_and_upstream",
            ),
            models.CheckConstraint(condition=Q(is_lmsr=False) | Q(market_type="credits"), name="markets_lmsr_in_house"),
            models.CheckConstraint(
                condition=Q(liquidity__gte=0, volume__gte=0, volume_24hr__gte=0), name="markets_figures_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(image_url__regex=r"^https?://") | ~Q(status="open"), name="markets_open_with_image"
            ),
            models.CheckConstraint(condition=Q(category__regex=r"^[a-z0-9-]+$"), name="markets_category_lower_case"),
        ]

    def __str__(self) -> str:
        return self.title


class StagedMarket(MirroredFields):
    """What a run of ingestion has read so far. An unlogged table: it is emptied by the next run, and by a crash.

    A row with a `problem` stands for an object that is no market any more: its other texts are empty.
    """

    id = models.UUIDField(primary_key=True)
    ordinal = models.IntegerField()  # the order in which Polymarket listed it
    listed = models.BooleanField()  # with its event; otherwise requested by its id
    closed = models.BooleanField()
    problem = models.TextField(blank=True, default="")
    # Of its event: what `market_events` is made of.
    upstream_event_id = models.CharField(max_length=parsing.ID_MAX, blank=True, default="")
    event_image_url = models.CharField(max_length=parsing.IMAGE_URL_MAX, blank=True, default="")
    event_expires_at = models.DateTimeField(null=True)
    event_neg_risk = models.BooleanField(default=False)
    # NULL: not sent, so what is stored stays.
    this_odds = models.DecimalField(max_digits=5, decimal_places=4, null=True)
    that_odds = models.DecimalField(max_digits=5, decimal_places=4, null=True)
    bid = models.DecimalField(max_digits=5, decimal_places=4, null=True)
    ask = models.DecimalField(max_digits=5, decimal_places=4, null=True)
    liquidity = models.DecimalField(max_digits=18, decimal_places=2, null=True)
    volume = models.DecimalField(max_digits=18, decimal_places=2, null=True)
    volume_24hr = models.DecimalField(max_digits=18, decimal_places=2, null=True)

    class Meta:
        db_table = "market_staging"
        # Without statistics, as right after a first ingestion, joins are planned for few rows: then each is a look-up.
        indexes = [models.Index(fields=["polymarket_id"], name="market_staging_by_id")]
        constraints = [
            # NaN is greater than any number.
            models.CheckConstraint(
                condition=Q(this_odds__lt=10, that_odds__lt=10, bid__lt=10, ask__lt=10)
                & Q(liquidity__lt=10**16, volume__lt=10**16, volume_24hr__lt=10**16),
                name="market_staging_hold_numbers",
            ),
        ]

    def __str__(self) -> str:
        return self.title


class MarketTerms(models.Model):
    """A market that somebody has bet on: its token ids and option words never change again (a trigger refuses it).

    Added by a trigger of the first bet; by each of several that came at once, so that none waits for another: nothing
    is unique here. A table of its own, because bets hold share locks on the market's row.
    """

    market = models.ForeignKey(Market, on_delete=models.PROTECT, related_name="terms", db_index=False)
    fixed_at = models.DateTimeField(db_default=Now())
    # A hash of what stays; a trigger sets it.
    fingerprint = models.BinaryField(max_length=32, db_default=Value(b""), editable=False)

    class Meta:
        db_table = "market_terms"
        indexes = [models.Index(fields=["market"], name="market_terms_of_market")]

    def __str__(self) -> str:
        return f"{self.market_id} since {self.fixed_at}"


class MarketText(models.Model):
    """A title and description that were shown until they were edited, of a market that somebody had bet on.

    Added by a trigger, never changed. What is shown now is in the market's own row.
    """

    market = models.ForeignKey(Market, on_delete=models.PROTECT, related_name="texts", db_index=False)
    title = models.CharField(max_length=parsing.TITLE_MAX)
    description = models.TextField()
    # From the first bet, or the edit before, to the edit.
    shown_at = models.DateTimeField()
    replaced_at = models.DateTimeField()

    class Meta:
        db_table = "market_texts"
        indexes = [models.Index(fields=["market", "-id"], name="market_texts_of_market")]

    def __str__(self) -> str:
        return self.title


class MarketTally(models.Model):
    """How many markets there are of each status and category; kept by a trigger, in the same transaction.

    Open ones that are suspended aren't counted: no list shows them.
    """

    status = models.CharField(max_length=9)
    category = models.CharField(max_length=parsing.CATEGORY_MAX)
    markets = models.IntegerField()

    class Meta:
        db_table = "market_tallies"
        constraints = [models.UniqueConstraint(fields=["status", "category"], name="market_tallies_unique")]

    def __str__(self) -> str:
        return f"{self.status} {self.category}: {self.markets}"


class MarketSkip(models.Model):
    """A market that a user doesn't want to see again before `ends_at`; purged afterwards."""

    pk = models.CompositePrimaryKey("user_id", "market_id")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, db_index=False, related_name="market_skips")
    market = models.ForeignKey(Market, models.CASCADE, db_index=False, related_name="skips")
    ends_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "market_skips"

    def __str__(self) -> str:
        return f"{self.market_id} until {self.ends_at}"


class MarketResolution(models.Model):
    """Resolution record: what was decided about a market, by whom, from what, and when. Rows are added, never changed.

    One a decision that changed, not one a check: a market that waits for weeks has one row.
    """

    class Decision(models.TextChoices):
        OPEN = "open"  # closed here, but open upstream, or open again; by staff: opened again
        WAITING = "waiting"
        UNKNOWN = "unknown"
        UNCONFIRMED = "unconfirmed"
        DISAGREEMENT = "disagreement"
        HELD = "held"
        CLOSED = "closed"
        THIS = "this"
        THAT = "that"
        INVALID = "invalid"
        CANCELLED = "cancelled"
        REOPENED = "reopened"  # a result was undone
        CHANGED = "changed"  # resolved here, and Polymarket tells another result now

    class Source(models.TextChoices):
        POLYMARKET = "polymarket"
        CATALOGUE = "catalogue"  # Polymarket's, as ingestion read it
        STAFF = "staff"
        CLOCK = "clock"  # a house market reached its end

    market = models.ForeignKey(Market, on_delete=models.PROTECT, related_name="resolution_records", db_index=False)
    decision = models.CharField(max_length=12, choices=Decision)
    source = models.CharField(max_length=10, choices=Source)
    # Null as well when staff used a command.
    staff = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    reason = models.TextField()
    # What both sources sent (`gamma`, `clob`), or the result that was undone (`undone`).
    facts = models.JSONField(default=dict)
    seen_at = models.DateTimeField()

    class Meta:
        db_table = "market_resolutions"
        indexes = [
            models.Index(fields=["market", "-id"], name="market_resolutions_latest"),
            models.Index(fields=["market"], condition=Q(decision="unknown"), name="market_resolutions_unknown"),
            models.Index(fields=["market"], condition=Q(decision="changed"), name="market_resolutions_changed"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    decision__in=[
                        *("open", "waiting", "unknown", "unconfirmed", "disagreement", "held"),
                        *("closed", "this", "that", "invalid", "cancelled", "reopened", "changed"),
                    ]
                ),
                name="market_resolutions_known_decision",
            ),
            models.CheckConstraint(
                condition=Q(source__in=["polymarket", "catalogue", "staff", "clock"]),
                name="market_resolutions_known_source",
            ),
            models.CheckConstraint(condition=Q(reason__regex=r"\S"), name="market_resolutions_with_reason"),
            models.CheckConstraint(
                condition=Q(source="staff") | Q(staff__isnull=True), name="market_resolutions_staff_by_staff"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.market_id}: {self.decision}"


class MarketEdition(models.Model):
    """One ordering of all open markets and of their events, made in one instant.

    A list and its cursors stay on one edition.
    """

    published_at = models.DateTimeField()

    class Meta:
        db_table = "market_editions"

    def __str__(self) -> str:
        return f"edition {self.pk}"


class MarketRanking(models.Model):
    """A market's place in an edition: positions count from 1 without gaps, over all and within the category."""

    pk = models.CompositePrimaryKey("edition", "sort", "position")
    edition = models.BigIntegerField()
    sort = models.CharField(max_length=9, choices=[(name, name.capitalize()) for name in SORTS])
    position = models.IntegerField()
    category = models.CharField(max_length=parsing.CATEGORY_MAX)
    category_position = models.IntegerField()
    market_id = models.UUIDField()

    class Meta:
        db_table = "market_rankings"
        constraints = [
            models.UniqueConstraint(
                fields=["edition", "sort", "category", "category_position"], name="market_rankings_category_unique"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.sort} {self.position}"


class EventRanking(models.Model):
    """An event's place in an edition, of the events that have markets in it: positions count from 1 without gaps."""

    pk = models.CompositePrimaryKey("edition", "sort", "position")
    edition = models.BigIntegerField()
    sort = models.CharField(max_length=9, choices=[(name, name.capitalize()) for name in SORTS])
    position = models.IntegerField()
    category = models.CharField(max_length=parsing.CATEGORY_MAX)
    event_id = models.UUIDField()

    class Meta:
        db_table = "event_rankings"
        indexes = [models.Index(fields=["edition", "sort", "category", "position"], name="event_rankings_in_category")]

    def __str__(self) -> str:
        return f"{self.sort} {self.position}"


class MarketWatch(models.Model):
    """A market whose odds are worth keeping seconds old: somebody looks at it, or has a bet on it, until then."""

    market = models.OneToOneField(Market, on_delete=models.CASCADE, primary_key=True)
    watched_until = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "market_watches"

    def __str__(self) -> str:
        return f"{self.market_id} until {self.watched_until}"
