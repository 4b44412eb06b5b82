
import accounts.rules
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
import django.db.models.functions.text
import core.db.sql
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
    ]

    operations = [
        migrations.CreateModel(
            name='User',
            fields=[
                ('password', models.CharField(max_length=128, verbose_name='password')),
                ('is_superuser', models.BooleanField(default=False, help_text='Designates that this user has all permissions without explicitly assigning them.', verbose_name='superuser status')),
                ('id', models.UUIDField(default=core.db.sql.new_id, editable=False, primary_key=True, serialize=False)),
                ('email', models.EmailField(max_length=254)),
                ('username', models.CharField(max_length=50)),
                ('name', models.CharField(max_length=100)),
                ('avatar_url', models.URLField(blank=True, default='', max_length=500)),
                ('bio', models.CharField(blank=True, default='', max_length=280)),
                ('x_username', models.CharField(blank=True, default='', max_length=50)),
                ('is_active', models.BooleanField(default=True)),
                ('is_staff', models.BooleanField(default=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('last_login_at', models.DateTimeField(editable=False, null=True)),
                ('last_active_at', models.DateTimeField(editable=False, null=True)),
                ('credit_balance', models.DecimalField(db_default=0, decimal_places=2, default=0, editable=False, max_digits=18)),
                ('held_credits', models.DecimalField(db_default=0, decimal_places=2, default=0, editable=False, max_digits=18)),
                ('available_credits', models.GeneratedField(db_persist=True, expression=django.db.models.expressions.CombinedExpression(models.F('credit_balance'), '-', models.F('held_credits')), output_field=models.DecimalField(decimal_places=2, max_digits=18))),
                ('locked_credits', models.DecimalField(db_default=0, decimal_places=2, default=0, editable=False, max_digits=18)),
                ('expended_credits', models.DecimalField(db_default=0, decimal_places=2, default=0, editable=False, max_digits=18)),
                ('total_volume', models.DecimalField(db_default=0, decimal_places=2, default=0, editable=False, max_digits=18)),
                ('overall_pnl', models.DecimalField(db_default=0, decimal_places=2, default=0, editable=False, max_digits=18)),
                ('journal_length', models.BigIntegerField(db_default=0, default=0, editable=False)),
                ('consecutive_days_online', models.IntegerField(db_default=0, default=0, editable=False)),
                ('last_daily_reward_at', models.DateTimeField(editable=False, null=True)),
                ('rank_by_pnl', models.IntegerField(editable=False, null=True)),
                ('rank_by_volume', models.IntegerField(editable=False, null=True)),
                ('referral_code', models.CharField(default=accounts.rules.new_referral_code, editable=False, max_length=8)),
                ('referral_count', models.IntegerField(db_default=0, default=0, editable=False)),
                ('referral_credits_earned', models.DecimalField(db_default=0, decimal_places=2, default=0, editable=False, max_digits=18)),
                ('groups', models.ManyToManyField(blank=True, help_text='The groups this user belongs to. A user will get all permissions granted to each of their groups.', related_name='user_set', related_query_name='user', to='auth.group', verbose_name='groups')),
                ('referred_by', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='referred', to=settings.AUTH_USER_MODEL)),
                ('user_permissions', models.ManyToManyField(blank=True, help_text='Specific permissions for this user.', related_name='user_set', related_query_name='user', to='auth.permission', verbose_name='user permissions')),
            ],
            options={
                'db_table': 'users',
                'constraints': [models.UniqueConstraint(django.db.models.functions.text.Lower('email'), name='users_email_unique'), models.UniqueConstraint(django.db.models.functions.text.Lower('username'), name='users_username_unique'), models.UniqueConstraint(fields=('referral_code',), name='users_referral_code_unique'), models.CheckConstraint(condition=models.Q(('username__regex', '^[A-Za-z0-9_]{3,50}$')), name='users_username_valid'), models.CheckConstraint(condition=models.Q(('credit_balance__gte', 0)), name='users_balance_not_negative'), models.CheckConstraint(condition=models.Q(('held_credits__gte', 0)), name='users_held_not_negative'), models.CheckConstraint(condition=models.Q(('credit_balance__gte', models.F('held_credits'))), name='users_available_not_negative'), models.CheckConstraint(condition=models.Q(('locked_credits__gte', 0)), name='users_locked_not_negative'), models.CheckConstraint(condition=models.Q(('expended_credits__gte', 0), ('referral_credits_earned__gte', 0), ('total_volume__gte', 0)), name='users_totals_not_negative'), models.CheckConstraint(condition=models.Q(('consecutive_days_online__gte', 0), ('journal_length__gte', 0), ('referral_count__gte', 0)), name='users_counts_not_negative'), models.CheckConstraint(condition=models.Q(('referred_by__isnull', True), models.Q(('referred_by', models.F('id')), _negated=True), _connector='OR'), name='users_not_referred_by_self')],
            },
        ),
    ]
