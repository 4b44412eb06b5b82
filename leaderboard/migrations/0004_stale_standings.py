"""Counting those whom something happened to, and finding them."""

from django.db import migrations, models


# Neither holds a column that bets change.
INDEXES = {
    "users_by_creation": "users (created_at)",
    "users_left_out": "users (id) WHERE NOT is_active OR is_staff",
}


class Migration(migrations.Migration):

    dependencies = [
        ('leaderboard', '0003_standings'),
        ('accounts', '0006_ranks_are_counted'),
    ]

    operations = [
        migrations.CreateModel(
            name='LeftOutUser',
            fields=[
                ('user_id', models.UUIDField(primary_key=True, serialize=False)),
            ],
            options={
                'db_table': 'left_out_users',
            },
        ),
        migrations.CreateModel(
            name='StaleStanding',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('user_id', models.UUIDField()),
            ],
            options={
                'db_table': 'stale_standings',
            },
        ),
        migrations.AddIndex(
            model_name='userday',
            index=models.Index(fields=['user_id', 'day'], name='user_days_by_user'),
        ),
        *[migrations.RunSQL(f"CREATE INDEX {name} ON {what}", f"DROP INDEX {name}") for name, what in INDEXES.items()],
    ]
