"""Notifications, announcements, and what of both was read."""

import core.db.sql
import notifications.models
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='NotificationReadMark',
            fields=[
                ('pk', models.CompositePrimaryKey('user_id', 'through', blank=True, editable=False, primary_key=True, serialize=False)),
                ('user_id', models.UUIDField()),
                ('through', models.BigIntegerField()),
                ('read_at', models.DateTimeField(db_index=True)),
            ],
            options={
                'db_table': 'notification_read_marks',
            },
        ),
        migrations.CreateModel(
            name='Announcement',
            fields=[
                ('id', models.UUIDField(default=core.db.sql.new_id, editable=False, primary_key=True, serialize=False)),
                ('segment', models.CharField(choices=[('everybody', 'Everybody'), ('newcomers', 'Who signed up in the 30 days before it'), ('bettors', 'Who has ever bet'), ('never_bet', 'Who has never bet')], max_length=10)),
                ('title', models.CharField(max_length=120)),
                ('body', models.CharField(max_length=500)),
                ('created_at', models.DateTimeField(db_index=True)),
                ('withdrawn_at', models.DateTimeField(null=True)),
            ],
            options={
                'db_table': 'announcements',
                'constraints': [models.CheckConstraint(condition=models.Q(('segment__in', ['everybody', 'newcomers', 'bettors', 'never_bet'])), name='announcements_segment_known'), models.CheckConstraint(condition=models.Q(models.Q(('title', ''), _negated=True), models.Q(('body', ''), _negated=True)), name='announcements_say_something')],
            },
        ),
        migrations.CreateModel(
            name='AnnouncementRead',
            fields=[
                ('pk', models.CompositePrimaryKey('user_id', 'announcement', blank=True, editable=False, primary_key=True, serialize=False)),
                ('user_id', models.UUIDField()),
                ('read_at', models.DateTimeField()),
                ('announcement', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='reads', to='notifications.announcement')),
            ],
            options={
                'db_table': 'announcement_reads',
            },
        ),
        migrations.CreateModel(
            name='Notification',
            fields=[
                ('id', models.UUIDField(default=core.db.sql.new_id, editable=False, primary_key=True, serialize=False)),
                ('sequence', models.BigIntegerField()),
                ('type', models.CharField(choices=[('bet_won', 'Bet Won'), ('bet_lost', 'Bet Lost'), ('bet_refunded', 'Bet Refunded'), ('settlement_reversed', 'Settlement Reversed'), ('daily_reward', 'Daily Reward'), ('referral_joined', 'Referral Joined'), ('stock_liquidated', 'Stock Liquidated'), ('purchase_completed', 'Purchase Completed'), ('purchase_refunded', 'Purchase Refunded'), ('credits_adjusted', 'Credits Adjusted'), ('market_closing', 'Market Closing')], max_length=20)),
                ('reference_id', models.UUIDField()),
                ('occurrence', models.IntegerField(db_default=0, default=0)),
                ('data', models.JSONField(decoder=notifications.models.ExactDecoder)),
                ('created_at', models.DateTimeField()),
                ('read_at', models.DateTimeField(null=True)),
                ('user', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='notifications', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'db_table': 'notifications',
                'constraints': [models.UniqueConstraint(fields=('user', 'sequence'), name='notifications_sequence_unique'), models.UniqueConstraint(fields=('reference_id', 'user', 'type', 'occurrence'), name='notifications_once'), models.CheckConstraint(condition=models.Q(('sequence__gte', 1)), name='notifications_sequence_positive'), models.CheckConstraint(condition=models.Q(('type__in', ['bet_won', 'bet_lost', 'bet_refunded', 'settlement_reversed', 'daily_reward', 'referral_joined', 'stock_liquidated', 'purchase_completed', 'purchase_refunded', 'credits_adjusted', 'market_closing'])), name='notifications_type_known')],
            },
        ),
    ]
