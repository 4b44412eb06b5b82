"""NaN is refused in every column of numbers."""

from django.contrib.postgres.operations import AddConstraintNotValid, ValidateConstraint
from django.db import migrations, models


class Migration(migrations.Migration):
    # Rows are looked through in transactions of their own, while others write.
    atomic = False

    dependencies = [
        ('leaderboard', '0004_stale_standings'),
    ]

    operations = [
        AddConstraintNotValid(
            model_name='milestone',
            constraint=models.CheckConstraint(condition=models.Q(('figure__lt', 10000000000000000)), name='milestones_hold_numbers'),
        ),
        AddConstraintNotValid(
            model_name='standing',
            constraint=models.CheckConstraint(condition=models.Q(('minus_pnl__lt', 10000000000000000), ('minus_volume__lt', 10000000000000000)), name='standings_hold_numbers'),
        ),
        AddConstraintNotValid(
            model_name='userday',
            constraint=models.CheckConstraint(condition=models.Q(('realized_pnl__lt', 10000000000000000)), name='user_days_hold_numbers'),
        ),
        ValidateConstraint(model_name='milestone', name='milestones_hold_numbers'),
        ValidateConstraint(model_name='standing', name='standings_hold_numbers'),
        ValidateConstraint(model_name='userday', name='user_days_hold_numbers'),
    ]
