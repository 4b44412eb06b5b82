"""Days of users are kept for more than a year, and added up by month when they are purged."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('leaderboard', '0008_categories'),
    ]

    operations = [
        migrations.CreateModel(
            name='UserMonth',
            fields=[
                ('pk', models.CompositePrimaryKey('user_id', 'month', blank=True, editable=False, primary_key=True, serialize=False)),
                ('user_id', models.UUIDField()),
                ('month', models.DateField()),
                ('volume', models.DecimalField(decimal_places=2, max_digits=18)),
                ('realized_pnl', models.DecimalField(decimal_places=2, max_digits=18)),
            ],
            options={
                'db_table': 'user_months',
                'constraints': [models.CheckConstraint(condition=models.Q(('realized_pnl__lt', 10000000000000000)), name='user_months_hold_numbers'), models.CheckConstraint(condition=models.Q(('volume__gte', 0), ('volume__lt', 10000000000000000)), name='user_months_volume_not_negative'), models.CheckConstraint(condition=models.Q(('month__day', 1)), name='user_months_begin_a_month')],
            },
        ),
        # Days were kept for five weeks: the next update counts all that are kept now.
        migrations.RunSQL("DELETE FROM boards", migrations.RunSQL.noop),
    ]
