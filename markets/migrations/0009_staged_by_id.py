
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('markets', '0008_unknown_evidence'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='stagedmarket',
            index=models.Index(fields=['polymarket_id'], name='market_staging_by_id'),
        ),
    ]
