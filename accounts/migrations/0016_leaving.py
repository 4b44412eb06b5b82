"""When the account of a user who is leaving is erased, and what is told and recorded of that."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0015_mail'),
        ('auth', '0012_alter_user_first_name_max_length'),
    ]

    operations = [
        migrations.AddField(
            model_name='user',
            name='deletion_due_at',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AlterField(
            model_name='mail',
            name='kind',
            field=models.CharField(choices=[('verify_email', 'Verify Email'), ('password_reset', 'Password Reset'), ('email_change_requested', 'Email Change Requested'), ('email_changed', 'Email Changed'), ('password_changed', 'Password Changed'), ('deletion_requested', 'Deletion Requested'), ('linked_accounts_changed', 'Linked Accounts Changed')], max_length=30),
        ),
        migrations.AlterField(
            model_name='refreshtoken',
            name='revoked_reason',
            field=models.CharField(blank=True, choices=[('replaced', 'Replaced'), ('reused', 'Reused'), ('logged_out', 'Logged Out'), ('ended_by_user', 'Ended By User'), ('ended_by_staff', 'Ended By Staff'), ('password_changed', 'Password Changed'), ('suspended', 'Suspended'), ('left', 'Left')], default='', max_length=20),
        ),
        migrations.AddIndex(
            model_name='user',
            index=models.Index(models.OrderBy(models.F('id'), descending=True), condition=models.Q(('deletion_due_at__isnull', False)), name='users_leaving'),
        ),
        migrations.AddConstraint(
            model_name='user',
            constraint=models.CheckConstraint(condition=models.Q(('deletion_due_at__isnull', True), models.Q(('erased_at__isnull', True), ('is_active', False)), _connector='OR'), name='users_leaving_not_active'),
        ),
    ]
