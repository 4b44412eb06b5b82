"""NaN is refused in every column of numbers."""

from django.contrib.postgres.operations import AddConstraintNotValid, ValidateConstraint
from django.db import migrations, models


class Migration(migrations.Migration):
    # Rows are looked through in transactions of their own, while others write.
    atomic = False

    dependencies = [
        ('markets', '0016_records_of_ingestion'),
    ]

    operations = [
        AddConstraintNotValid(
            model_name='market',
            constraint=models.CheckConstraint(condition=models.Q(('liquidity__lt', 10000000000000000), ('volume_24hr__lt', 10000000000000000), ('volume__lt', 10000000000000000)), name='markets_hold_numbers'),
        ),
        AddConstraintNotValid(
            model_name='stagedmarket',
            constraint=models.CheckConstraint(condition=models.Q(('ask__lt', 10), ('bid__lt', 10), ('that_odds__lt', 10), ('this_odds__lt', 10), ('liquidity__lt', 10000000000000000), ('volume_24hr__lt', 10000000000000000), ('volume__lt', 10000000000000000)), name='market_staging_hold_numbers'),
        ),
        ValidateConstraint(model_name='market', name='markets_hold_numbers'),
        ValidateConstraint(model_name='stagedmarket', name='market_staging_hold_numbers'),
    ]
