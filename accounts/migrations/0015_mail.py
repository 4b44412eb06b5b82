"""Verified addresses, addresses that wait to be verified, and mails."""

import core.db.sql
import django.db.models.deletion
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models

# X gives no address: theirs are made up, of a domain that nobody signs up with. All others are asked to verify.
X_USERS_ARE_VERIFIED = "UPDATE users SET email_verified_at = created_at WHERE lower(email) LIKE '%@x.oauth'"


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0014_refresh_tokens_sessions'),
    ]

    operations = [
        migrations.AddField(
            model_name='user',
            name='email_verified_at',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='user',
            name='pending_email',
            field=models.EmailField(blank=True, db_default='', default='', editable=False, max_length=254),
        ),
        migrations.CreateModel(
            name='Mail',
            fields=[
                ('id', models.UUIDField(default=core.db.sql.new_id, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('verify_email', 'Verify Email'), ('password_reset', 'Password Reset'), ('email_change_requested', 'Email Change Requested'), ('email_changed', 'Email Changed'), ('password_changed', 'Password Changed')], max_length=30)),
                ('address', models.EmailField(max_length=254)),
                ('status', models.CharField(choices=[('queued', 'Queued'), ('sent', 'Sent'), ('dropped', 'Dropped'), ('failed', 'Failed')], default='queued', max_length=10)),
                ('created_at', models.DateTimeField()),
                ('attempts', models.IntegerField(default=0)),
                ('next_attempt_at', models.DateTimeField(null=True)),
                ('sent_at', models.DateTimeField(null=True)),
                ('error', models.CharField(blank=True, default='', max_length=100)),
                ('user', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='mails', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'db_table': 'mails',
                'indexes': [models.Index(fields=['user', '-created_at'], name='mails_of_user'), models.Index(condition=models.Q(('status', 'queued')), fields=['next_attempt_at'], name='mails_due'), models.Index(fields=['created_at'], name='mails_created_at')],
                'constraints': [models.UniqueConstraint(models.F('kind'), django.db.models.functions.text.Lower('address'), models.F('user'), condition=models.Q(('status', 'queued')), name='mails_queued_once', nulls_distinct=False), models.CheckConstraint(condition=models.Q(models.Q(('next_attempt_at__isnull', False), ('sent_at__isnull', True), ('status', 'queued')), models.Q(('next_attempt_at__isnull', True), ('sent_at__isnull', False), ('status', 'sent')), models.Q(('next_attempt_at__isnull', True), ('sent_at__isnull', True), ('status__in', ['dropped', 'failed'])), _connector='OR'), name='mails_state_possible')],
            },
        ),
        migrations.RunSQL(X_USERS_ARE_VERIFIED, migrations.RunSQL.noop),
    ]
