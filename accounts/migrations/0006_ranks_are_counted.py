"""Ranks are counted in `leaderboard`: docs/adr/0006-ranks-from-milestones.md."""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0005_supervision'),
    ]

    operations = [
        migrations.RemoveField(
            model_name='user',
            name='rank_by_pnl',
        ),
        migrations.RemoveField(
            model_name='user',
            name='rank_by_volume',
        ),
    ]
