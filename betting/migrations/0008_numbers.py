"""NaN is refused in every column of numbers."""

from django.conf import settings
from django.contrib.postgres.operations import AddConstraintNotValid, ValidateConstraint
from django.db import migrations, models


class Migration(migrations.Migration):
    # Rows are looked through in transactions of their own, while others write.
    atomic = False

    dependencies = [
        ('betting', '0007_first_bet_fixes_terms'),
        ('markets', '0017_numbers'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        AddConstraintNotValid(
            model_name='bet',
            constraint=models.CheckConstraint(condition=models.Q(('actual_payout__lt', 10000000000000000), ('potential_payout__lt', 10000000000000000), ('sold_amount__lt', 10000000000000000), ('sold_payout__lt', 10000000000000000)), name='bets_hold_numbers'),
        ),
        AddConstraintNotValid(
            model_name='settlement',
            constraint=models.CheckConstraint(condition=models.Q(('paid__lt', 10000000000000000), ('refunded__lt', 10000000000000000)), name='settlements_hold_numbers'),
        ),
        ValidateConstraint(model_name='bet', name='bets_hold_numbers'),
        ValidateConstraint(model_name='settlement', name='settlements_hold_numbers'),
    ]
