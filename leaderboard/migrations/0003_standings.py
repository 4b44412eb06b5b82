"""Figures in order instead of ranks: docs/adr/0006-ranks-from-milestones.md."""

from django.db import migrations, models

# A table for each period, so that one can be replaced by another at once; Django knows no such tables.
CREATE = """
CREATE TABLE standings (
    period varchar(5) NOT NULL,
    user_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    minus_pnl numeric(18, 2) NOT NULL,
    minus_volume numeric(18, 2) NOT NULL,
    CONSTRAINT standings_pkey PRIMARY KEY (user_id, period)
) PARTITION BY LIST (period);
CREATE TABLE standings_all_a PARTITION OF standings FOR VALUES IN ('all');
CREATE TABLE standings_day_a PARTITION OF standings FOR VALUES IN ('day');
CREATE TABLE standings_week_a PARTITION OF standings FOR VALUES IN ('week');
CREATE TABLE standings_month_a PARTITION OF standings FOR VALUES IN ('month');
"""


class Migration(migrations.Migration):

    dependencies = [
        ('leaderboard', '0002_indexes'),
    ]

    operations = [
        migrations.CreateModel(
            name='Milestone',
            fields=[
                ('pk', models.CompositePrimaryKey('period', 'order', 'figure', 'created_at', 'user_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('period', models.CharField(choices=[('all', 'All'), ('day', 'Day'), ('week', 'Week'), ('month', 'Month')], max_length=5)),
                ('order', models.CharField(choices=[('pnl', 'Pnl'), ('volume', 'Volume')], max_length=6)),
                ('figure', models.DecimalField(decimal_places=2, max_digits=18)),
                ('created_at', models.DateTimeField()),
                ('user_id', models.UUIDField()),
                ('passed', models.IntegerField()),
            ],
            options={
                'db_table': 'milestones',
            },
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(CREATE, "DROP TABLE standings")],
            state_operations=[
                migrations.CreateModel(
                    name='Standing',
                    fields=[
                        ('pk', models.CompositePrimaryKey('user_id', 'period', blank=True, editable=False, primary_key=True, serialize=False)),
                        ('period', models.CharField(choices=[('all', 'All'), ('day', 'Day'), ('week', 'Week'), ('month', 'Month')], max_length=5)),
                        ('user_id', models.UUIDField()),
                        ('created_at', models.DateTimeField()),
                        ('minus_pnl', models.DecimalField(decimal_places=2, max_digits=18)),
                        ('minus_volume', models.DecimalField(decimal_places=2, max_digits=18)),
                    ],
                    options={
                        'db_table': 'standings',
                    },
                ),
            ],
        ),
        # Nothing is counted until the first recount; what was counted before is in another shape.
        migrations.RunSQL("DELETE FROM boards", migrations.RunSQL.noop),
        migrations.DeleteModel(
            name='Rank',
        ),
        migrations.AddIndex(
            model_name='milestone',
            index=models.Index(fields=['period', 'order', 'passed'], name='milestones_by_place'),
        ),
        migrations.AddConstraint(
            model_name='milestone',
            constraint=models.CheckConstraint(condition=models.Q(('period__in', ['all', 'day', 'week', 'month'])), name='milestones_period_known'),
        ),
        migrations.AddConstraint(
            model_name='milestone',
            constraint=models.CheckConstraint(condition=models.Q(('order__in', ['pnl', 'volume'])), name='milestones_order_known'),
        ),
        migrations.AddConstraint(
            model_name='milestone',
            constraint=models.CheckConstraint(condition=models.Q(('passed__gte', 0)), name='milestones_passed_not_negative'),
        ),
        migrations.AddIndex(
            model_name='standing',
            index=models.Index(fields=['minus_pnl', 'created_at', 'user_id'], include=('period',), name='standings_by_pnl'),
        ),
        migrations.AddIndex(
            model_name='standing',
            index=models.Index(fields=['minus_volume', 'created_at', 'user_id'], include=('period',), name='standings_by_volume'),
        ),
        migrations.AddConstraint(
            model_name='standing',
            constraint=models.CheckConstraint(condition=models.Q(('period__in', ['all', 'day', 'week', 'month'])), name='standings_period_known'),
        ),
    ]
