"""An index of what staff have to judge."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("purchases", "0004_packages_recorded")]
    operations = [
        migrations.AddIndex(
            model_name="purchaseevent",
            index=models.Index(condition=models.Q(("kind", "disputed")), fields=["-id"], name="purchase_events_disputed"),
        ),
    ]
