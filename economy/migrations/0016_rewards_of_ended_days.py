"""A day may be rewarded after it has ended."""

from django.contrib.postgres.operations import AddConstraintNotValid, ValidateConstraint
from django.db import migrations, models
from django.db.models.functions import TruncDate


class Migration(migrations.Migration):
    # Rows are looked through in transactions of their own, while others write.
    atomic = False

    dependencies = [("economy", "0015_anchors")]

    operations = [
        AddConstraintNotValid(
            model_name="dailyreward",
            constraint=models.CheckConstraint(
                condition=models.Q(day__lte=TruncDate("created_at")), name="daily_rewards_day_has_begun"
            ),
        ),
        migrations.RemoveConstraint(model_name="dailyreward", name="daily_rewards_day_is_that_of_the_time"),
        ValidateConstraint(model_name="dailyreward", name="daily_rewards_day_has_begun"),
    ]
