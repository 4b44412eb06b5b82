"""NaN is refused in every column of numbers."""

from django.conf import settings
from django.contrib.postgres.operations import AddConstraintNotValid, ValidateConstraint
from django.db import migrations, models


class Migration(migrations.Migration):
    # Rows are looked through in transactions of their own, while others write.
    atomic = False

    dependencies = [
        ('economy', '0010_recorded_rules'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        AddConstraintNotValid(
            model_name='debt',
            constraint=models.CheckConstraint(condition=models.Q(('lent__lt', 10000000000000000), ('repaid__lt', 10000000000000000)), name='debts_hold_numbers'),
        ),
        AddConstraintNotValid(
            model_name='stock',
            constraint=models.CheckConstraint(condition=models.Q(('circulating_supply__lt', 10000000000), ('current_price__lt', 10000000000)), name='stocks_hold_numbers'),
        ),
        AddConstraintNotValid(
            model_name='stocktransaction',
            constraint=models.CheckConstraint(condition=models.Q(('total_amount__lt', 10000000000000000)), name='stock_transactions_hold_numbers'),
        ),
        ValidateConstraint(model_name='debt', name='debts_hold_numbers'),
        ValidateConstraint(model_name='stock', name='stocks_hold_numbers'),
        ValidateConstraint(model_name='stocktransaction', name='stock_transactions_hold_numbers'),
    ]
