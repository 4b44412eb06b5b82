from django.db import migrations, models

WIDENED = ("event_id", "that_token_id", "this_token_id", "upstream_id")


class Migration(migrations.Migration):
    """Makes every id of Polymarket's as long as the parser lets it be. PostgreSQL rewrites no row for it."""

    dependencies = [("markets", "0012_resolution_records_related_name")]

    operations = [
        migrations.AlterField(
            model_name=model, name=name, field=models.CharField(blank=True, default="", max_length=200)
        )
        for model in ("market", "stagedmarket")
        for name in WIDENED
    ]
