"""House markets that a market maker prices."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("markets", "0022_feed")]
    operations = [
        migrations.AddField(
            model_name="market", name="is_lmsr", field=models.BooleanField(db_default=False, default=False)
        ),
        migrations.AddConstraint(
            model_name="market",
            constraint=models.CheckConstraint(
                condition=models.Q(("is_lmsr", False), ("market_type", "credits"), _connector="OR"),
                name="markets_lmsr_in_house",
            ),
        ),
    ]
