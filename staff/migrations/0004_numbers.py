"""NaN is refused in every column of numbers."""

from django.contrib.postgres.operations import AddConstraintNotValid, ValidateConstraint
from django.db import migrations, models


class Migration(migrations.Migration):
    # Rows are looked through in transactions of their own, while others write.
    atomic = False

    dependencies = [
        ('markets', '0017_numbers'),
        ('staff', '0003_jobs'),
    ]

    operations = [
        AddConstraintNotValid(
            model_name='ledgerday',
            constraint=models.CheckConstraint(condition=models.Q(('given__lt', 1000000000000000000), ('taken__lt', 1000000000000000000)), name='ledger_days_hold_numbers'),
        ),
        AddConstraintNotValid(
            model_name='ledgerhour',
            constraint=models.CheckConstraint(condition=models.Q(('given__lt', 1000000000000000000), ('taken__lt', 1000000000000000000)), name='ledger_hours_hold_numbers'),
        ),
        AddConstraintNotValid(
            model_name='marketexposure',
            constraint=models.CheckConstraint(condition=models.Q(('stake__lt', 1000000000000000000), ('that_payout__lt', 1000000000000000000), ('this_payout__lt', 1000000000000000000), ('worst__lt', 1000000000000000000)), name='market_exposures_hold_numbers'),
        ),
        ValidateConstraint(model_name='ledgerday', name='ledger_days_hold_numbers'),
        ValidateConstraint(model_name='ledgerhour', name='ledger_hours_hold_numbers'),
        ValidateConstraint(model_name='marketexposure', name='market_exposures_hold_numbers'),
    ]
