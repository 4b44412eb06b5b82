"""Staff find markets among millions without a scan."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("markets", "0009_staged_by_id")]
    operations = [
        migrations.AddIndex("market", models.Index(fields=["status", "-id"], name="markets_staff_status")),
        migrations.AddIndex("market", models.Index(fields=["category", "-id"], name="markets_staff_category")),
        migrations.AddIndex(
            "market",
            models.Index(fields=["-id"], condition=models.Q(market_type="credits"), name="markets_staff_house"),
        ),
        migrations.AddIndex("market", models.Index(fields=["slug"], name="markets_slug")),
    ]
