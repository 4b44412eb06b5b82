"""One index less to write when a bet is settled: of a market that is over nearly all bets are settled."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("betting", "0004_bets_of_market")]
    operations = [migrations.RemoveIndex("bet", "bets_settled_of_market")]
