
import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.functions.datetime
import core.db.sql
from decimal import Decimal
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Market',
            fields=[
                ('polymarket_id', models.CharField(max_length=200, null=True)),
                ('upstream_id', models.CharField(blank=True, default='', max_length=50)),
                ('slug', models.CharField(max_length=300)),
                ('title', models.CharField(max_length=500)),
                ('description', models.TextField(blank=True, default='')),
                ('this_option', models.CharField(max_length=100)),
                ('that_option', models.CharField(max_length=100)),
                ('this_token_id', models.CharField(blank=True, default='', max_length=100)),
                ('that_token_id', models.CharField(blank=True, default='', max_length=100)),
                ('category', models.CharField(max_length=50)),
                ('tags', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=100), default=list, size=None)),
                ('image_url', models.CharField(max_length=2000)),
                ('expires_at', models.DateTimeField(null=True)),
                ('accepting_orders', models.BooleanField(default=True)),
                ('event_id', models.CharField(blank=True, default='', max_length=50)),
                ('event_slug', models.CharField(blank=True, default='', max_length=300)),
                ('event_title', models.CharField(blank=True, default='', max_length=500)),
                ('group_title', models.CharField(blank=True, default='', max_length=300)),
                ('neg_risk', models.BooleanField(default=False)),
                ('neg_risk_id', models.CharField(blank=True, default='', max_length=200)),
                ('upstream_facts', models.JSONField(default=dict)),
                ('id', models.UUIDField(default=core.db.sql.new_id, editable=False, primary_key=True, serialize=False)),
                ('market_type', models.CharField(choices=[('polymarket', 'Polymarket'), ('credits', 'Credits')], default='polymarket', max_length=10)),
                ('status', models.CharField(choices=[('open', 'Open'), ('closed', 'Closed'), ('resolved', 'Resolved'), ('cancelled', 'Cancelled')], default='open', max_length=9)),
                ('resolution', models.CharField(choices=[('this', 'This'), ('that', 'That'), ('invalid', 'Invalid')], max_length=7, null=True)),
                ('resolved_at', models.DateTimeField(null=True)),
                ('author', models.CharField(max_length=100, null=True)),
                ('this_odds', models.DecimalField(decimal_places=4, max_digits=5)),
                ('that_odds', models.DecimalField(decimal_places=4, max_digits=5)),
                ('odds_updated_at', models.DateTimeField()),
                ('odds_live', models.BooleanField(default=False)),
                ('liquidity', models.DecimalField(decimal_places=2, default=Decimal('0'), max_digits=18)),
                ('volume', models.DecimalField(decimal_places=2, default=Decimal('0'), max_digits=18)),
                ('volume_24hr', models.DecimalField(decimal_places=2, default=Decimal('0'), max_digits=18)),
                ('upstream_seen_at', models.DateTimeField(null=True)),
                ('upstream_checked_at', models.DateTimeField(null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('search', models.GeneratedField(db_persist=True, expression=django.contrib.postgres.search.SearchVector('title', 'event_title', config='simple'), output_field=django.contrib.postgres.search.SearchVectorField())),
            ],
            options={
                'db_table': 'markets',
            },
        ),
        migrations.CreateModel(
            name='MarketEdition',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('published_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'market_editions',
            },
        ),
        migrations.CreateModel(
            name='MarketRanking',
            fields=[
                ('pk', models.CompositePrimaryKey('edition', 'sort', 'position', blank=True, editable=False, primary_key=True, serialize=False)),
                ('edition', models.BigIntegerField()),
                ('sort', models.CharField(choices=[('trending', 'Trending'), ('newest', 'Newest'), ('ending', 'Ending'), ('liquidity', 'Liquidity'), ('volume', 'Volume')], max_length=9)),
                ('position', models.IntegerField()),
                ('category', models.CharField(max_length=50)),
                ('category_position', models.IntegerField()),
                ('market_id', models.UUIDField()),
            ],
            options={
                'db_table': 'market_rankings',
            },
        ),
        migrations.CreateModel(
            name='MarketTally',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('status', models.CharField(max_length=9)),
                ('category', models.CharField(max_length=50)),
                ('markets', models.IntegerField()),
            ],
            options={
                'db_table': 'market_tallies',
            },
        ),
        migrations.CreateModel(
            name='StagedMarket',
            fields=[
                ('polymarket_id', models.CharField(max_length=200, null=True)),
                ('upstream_id', models.CharField(blank=True, default='', max_length=50)),
                ('slug', models.CharField(max_length=300)),
                ('title', models.CharField(max_length=500)),
                ('description', models.TextField(blank=True, default='')),
                ('this_option', models.CharField(max_length=100)),
                ('that_option', models.CharField(max_length=100)),
                ('this_token_id', models.CharField(blank=True, default='', max_length=100)),
                ('that_token_id', models.CharField(blank=True, default='', max_length=100)),
                ('category', models.CharField(max_length=50)),
                ('tags', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=100), default=list, size=None)),
                ('image_url', models.CharField(max_length=2000)),
                ('expires_at', models.DateTimeField(null=True)),
                ('accepting_orders', models.BooleanField(default=True)),
                ('event_id', models.CharField(blank=True, default='', max_length=50)),
                ('event_slug', models.CharField(blank=True, default='', max_length=300)),
                ('event_title', models.CharField(blank=True, default='', max_length=500)),
                ('group_title', models.CharField(blank=True, default='', max_length=300)),
                ('neg_risk', models.BooleanField(default=False)),
                ('neg_risk_id', models.CharField(blank=True, default='', max_length=200)),
                ('upstream_facts', models.JSONField(default=dict)),
                ('id', models.UUIDField(primary_key=True, serialize=False)),
                ('ordinal', models.IntegerField()),
                ('listed', models.BooleanField()),
                ('closed', models.BooleanField()),
                ('this_odds', models.DecimalField(decimal_places=4, max_digits=5, null=True)),
                ('that_odds', models.DecimalField(decimal_places=4, max_digits=5, null=True)),
                ('liquidity', models.DecimalField(decimal_places=2, max_digits=18, null=True)),
                ('volume', models.DecimalField(decimal_places=2, max_digits=18, null=True)),
                ('volume_24hr', models.DecimalField(decimal_places=2, max_digits=18, null=True)),
            ],
            options={
                'db_table': 'market_staging',
            },
        ),
        migrations.CreateModel(
            name='MarketWatch',
            fields=[
                ('market', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, serialize=False, to='markets.market')),
                ('watched_until', models.DateTimeField(db_index=True)),
            ],
            options={
                'db_table': 'market_watches',
            },
        ),
        migrations.AddIndex(
            model_name='market',
            index=django.contrib.postgres.indexes.GinIndex(fields=['search'], name='markets_search'),
        ),
        migrations.AddIndex(
            model_name='market',
            index=models.Index(condition=models.Q(('market_type', 'polymarket'), ('status', 'open')), fields=['upstream_checked_at', 'id'], name='markets_to_recheck'),
        ),
        migrations.AddIndex(
            model_name='market',
            index=models.Index(models.F('status'), models.OrderBy(models.F('volume_24hr'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('status', 'open'), _negated=True), name='markets_past_trending'),
        ),
        migrations.AddIndex(
            model_name='market',
            index=models.Index(models.F('status'), models.F('category'), models.OrderBy(models.F('volume_24hr'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('status', 'open'), _negated=True), name='markets_past_in_trending'),
        ),
        migrations.AddIndex(
            model_name='market',
            index=models.Index(models.F('status'), models.OrderBy(models.F('created_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('status', 'open'), _negated=True), name='markets_past_newest'),
        ),
        migrations.AddIndex(
            model_name='market',
            index=models.Index(models.F('status'), models.F('category'), models.OrderBy(models.F('created_at'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('status', 'open'), _negated=True), name='markets_past_in_newest'),
        ),
        migrations.AddIndex(
            model_name='market',
            index=models.Index(models.F('status'), models.OrderBy(django.db.models.functions.comparison.Coalesce('expires_at', models.Value('infinity'), output_field=models.DateTimeField())), models.OrderBy(models.F('id')), condition=models.Q(('status', 'open'), _negated=True), name='markets_past_ending'),
        ),
        migrations.AddIndex(
            model_name='market',
            index=models.Index(models.F('status'), models.F('category'), models.OrderBy(django.db.models.functions.comparison.Coalesce('expires_at', models.Value('infinity'), output_field=models.DateTimeField())), models.OrderBy(models.F('id')), condition=models.Q(('status', 'open'), _negated=True), name='markets_past_in_ending'),
        ),
        migrations.AddIndex(
            model_name='market',
            index=models.Index(models.F('status'), models.OrderBy(models.F('liquidity'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('status', 'open'), _negated=True), name='markets_past_liquidity'),
        ),
        migrations.AddIndex(
            model_name='market',
            index=models.Index(models.F('status'), models.F('category'), models.OrderBy(models.F('liquidity'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('status', 'open'), _negated=True), name='markets_past_in_liquidity'),
        ),
        migrations.AddIndex(
            model_name='market',
            index=models.Index(models.F('status'), models.OrderBy(models.F('volume'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('status', 'open'), _negated=True), name='markets_past_volume'),
        ),
        migrations.AddIndex(
            model_name='market',
            index=models.Index(models.F('status'), models.F('category'), models.OrderBy(models.F('volume'), descending=True), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('status', 'open'), _negated=True), name='markets_past_in_volume'),
        ),
        migrations.AddConstraint(
            model_name='market',
            constraint=models.UniqueConstraint(fields=('polymarket_id',), name='markets_polymarket_id_unique'),
        ),
        migrations.AddConstraint(
            model_name='market',
            constraint=models.CheckConstraint(condition=models.Q(('this_odds__range', (0, 1))), name='markets_this_odds_in_range'),
        ),
        migrations.AddConstraint(
            model_name='market',
            constraint=models.CheckConstraint(condition=models.Q(('that_odds__range', (0, 1))), name='markets_that_odds_in_range'),
        ),
        migrations.AddConstraint(
            model_name='market',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('resolution__isnull', True), ('resolved_at__isnull', True), ('status__in', ['open', 'closed'])), models.Q(('resolution__in', ['this', 'that', 'invalid']), ('resolved_at__isnull', False), ('status', 'resolved')), models.Q(('resolution', 'invalid'), ('resolved_at__isnull', False), ('status', 'cancelled')), _connector='OR'), name='markets_status_and_resolution'),
        ),
        migrations.AddConstraint(
            model_name='market',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('market_type', 'polymarket'), ('polymarket_id__isnull', False), models.Q(('polymarket_id', ''), _negated=True), models.Q(('this_token_id', ''), _negated=True), models.Q(('that_token_id', ''), _negated=True)), models.Q(('market_type', 'credits'), ('polymarket_id__isnull', True)), _connector='OR'), name='markets_type_and_upstream'),
        ),
        migrations.AddConstraint(
            model_name='market',
            constraint=models.CheckConstraint(condition=models.Q(('liquidity__gte', 0), ('volume_24hr__gte', 0), ('volume__gte', 0)), name='markets_figures_not_negative'),
        ),
        migrations.AddConstraint(
            model_name='market',
            constraint=models.CheckConstraint(condition=models.Q(('image_url__regex', '^https?://'), models.Q(('status', 'open'), _negated=True), _connector='OR'), name='markets_open_with_image'),
        ),
        migrations.AddConstraint(
            model_name='market',
            constraint=models.CheckConstraint(condition=models.Q(('category__regex', '^[a-z0-9-]+$')), name='markets_category_lower_case'),
        ),
        migrations.AddConstraint(
            model_name='marketranking',
            constraint=models.UniqueConstraint(fields=('edition', 'sort', 'category', 'category_position'), name='market_rankings_category_unique'),
        ),
        migrations.AddConstraint(
            model_name='markettally',
            constraint=models.UniqueConstraint(fields=('status', 'category'), name='market_tallies_unique'),
        ),
    ]
