"""Words beside quotation marks and dashes beyond ASCII are found, whatever the database's LC_CTYPE.

A generated column can't be altered, only made anew.
"""

import django.contrib.postgres.indexes
import django.contrib.postgres.search
from django.db import migrations, models

PUNCTUATION = "“”„‘’‚«»‹›—–…¿¡·•"


def words_of(field):
    return models.Func(
        models.F(field),
        models.Value(PUNCTUATION),
        models.Value(" " * len(PUNCTUATION)),
        function="translate",
        output_field=models.TextField(),
    )


class Migration(migrations.Migration):
    dependencies = [("markets", "0004_resolution_is_known")]
    operations = [
        migrations.RemoveIndex(model_name="market", name="markets_search"),
        migrations.RemoveField(model_name="market", name="search"),
        migrations.AddField(
            model_name="market",
            name="search",
            field=models.GeneratedField(
                db_persist=True,
                expression=django.contrib.postgres.search.SearchVector(
                    words_of("title"), words_of("event_title"), config="simple"
                ),
                output_field=django.contrib.postgres.search.SearchVectorField(),
            ),
        ),
        migrations.AddIndex(
            model_name="market",
            index=django.contrib.postgres.indexes.GinIndex(fields=["search"], name="markets_search"),
        ),
    ]
