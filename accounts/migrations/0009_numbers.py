"""NaN is refused in every column of numbers."""

from django.contrib.postgres.operations import AddConstraintNotValid, ValidateConstraint
from django.db import migrations, models


class Migration(migrations.Migration):
    # Rows are looked through in transactions of their own, while others write.
    atomic = False

    dependencies = [
        ('accounts', '0008_roles_on_record'),
        ('auth', '0012_alter_user_first_name_max_length'),
    ]

    operations = [
        AddConstraintNotValid(
            model_name='user',
            constraint=models.CheckConstraint(condition=models.Q(('available_credits__lt', 10000000000000000), ('credit_balance__lt', 10000000000000000), ('expended_credits__lt', 10000000000000000), ('held_credits__lt', 10000000000000000), ('locked_credits__lt', 10000000000000000), ('overall_pnl__lt', 10000000000000000), ('referral_credits_earned__lt', 10000000000000000), ('total_volume__lt', 10000000000000000)), name='users_hold_numbers'),
        ),
        ValidateConstraint(model_name='user', name='users_hold_numbers'),
    ]
