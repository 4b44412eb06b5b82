"""Staff look at a market's bets, newest first, whatever became of them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("betting", "0003_settlements")]
    operations = [
        migrations.AddIndex("bet", models.Index("market", models.F("id").desc(), name="bets_of_market")),
    ]
