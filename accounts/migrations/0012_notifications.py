"""Counts of notifications, and what of them users want, in the rows of users; and a permission to announce."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0011_referrer_never_changes'),
        ('auth', '0012_alter_user_first_name_max_length'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='staffaction',
            options={'default_permissions': (), 'permissions': [('view_markets', 'See markets, their bets and their stocks'), ('view_people', 'See users, their journals, rewards and purchases'), ('view_system', 'See jobs and what staff did'), ('manage_house_markets', 'Make and edit house markets'), ('decide_markets', 'Close, resolve and void markets'), ('reverse_markets', "Undo a market's settlement"), ('suspend_users', 'Suspend and restore users, and log them out everywhere'), ('hold_credits', "Put a user's credits on hold, and let them go"), ('adjust_credits', 'Give and take credits, and approve what another asked for'), ('refund_purchases', 'Refund purchases'), ('set_stock_prices', "Set a stock's price and status"), ('switch_jobs', 'Switch jobs on and off'), ('announce', 'Announce something to users, and withdraw it')]},
        ),
        migrations.AddField(
            model_name='user',
            name='emailed_notifications',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=20), db_default=[], default=list, editable=False, size=None),
        ),
        migrations.AddField(
            model_name='user',
            name='muted_notifications',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=20), db_default=[], default=list, editable=False, size=None),
        ),
        migrations.AddField(
            model_name='user',
            name='notification_sequence',
            field=models.BigIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.AddField(
            model_name='user',
            name='notifications_read_through',
            field=models.BigIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.AddField(
            model_name='user',
            name='unread_notifications',
            field=models.IntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.AddConstraint(
            model_name='user',
            constraint=models.CheckConstraint(condition=models.Q(('notification_sequence__gte', models.F('notifications_read_through')), ('notifications_read_through__gte', 0), ('unread_notifications__gte', 0)), name='users_notifications_counted'),
        ),
    ]
