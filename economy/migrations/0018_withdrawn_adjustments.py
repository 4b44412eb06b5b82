"""Who asked for an adjustment may decline it, and still not approve it."""

from django.db import migrations, models
from django.db.models import F, Q


class Migration(migrations.Migration):
    dependencies = [("economy", "0017_house_entries")]
    operations = [
        migrations.RemoveConstraint(model_name="creditadjustment", name="credit_adjustments_decided_by_another"),
        migrations.AddConstraint(
            model_name="creditadjustment",
            constraint=models.CheckConstraint(
                condition=Q(decided_by__isnull=True)
                | (Q(requested_by__isnull=True) | ~Q(decided_by=F("requested_by")) | Q(status="declined"))
                & ~Q(decided_by=F("user")),
                name="credit_adjustments_decided_by_another",
            ),
        ),
    ]
