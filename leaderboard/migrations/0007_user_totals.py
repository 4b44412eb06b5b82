"""How many bets each user placed, won and lost, kept by the statements that write bets; and the biggest win by index."""

from django.db import migrations, models

# One change of totals for each user of a statement, however many bets it writes. Whoever writes a user's bets holds
# the lock of the user's row, so that no two wait for each other's totals.
TRIGGERS = """
CREATE FUNCTION bets_count_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO user_totals AS known (user_id, bets, won, lost)
    SELECT user_id, count(*), count(*) FILTER (WHERE status = 'won'), count(*) FILTER (WHERE status = 'lost')
    FROM added GROUP BY user_id
    ON CONFLICT (user_id) DO UPDATE
    SET bets = known.bets + excluded.bets, won = known.won + excluded.won, lost = known.lost + excluded.lost;
    RETURN NULL;
END
$$;
CREATE TRIGGER bets_count_added AFTER INSERT ON bets
REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION bets_count_added();
ALTER TABLE bets ENABLE ALWAYS TRIGGER bets_count_added;

CREATE FUNCTION bets_count_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE user_totals SET won = user_totals.won + change.won, lost = user_totals.lost + change.lost
    FROM (
        SELECT user_id, sum(step) FILTER (WHERE status = 'won') AS won, sum(step) FILTER (WHERE status = 'lost') AS lost
        FROM (
            SELECT user_id, status, 1 AS step FROM after UNION ALL SELECT user_id, status, -1 FROM before
        ) AS steps
        WHERE status IN ('won', 'lost') GROUP BY user_id
    ) AS counted, LATERAL (SELECT coalesce(counted.won, 0) AS won, coalesce(counted.lost, 0) AS lost) AS change
    WHERE user_totals.user_id = counted.user_id AND (change.won, change.lost) <> (0, 0);
    RETURN NULL;
END
$$;
CREATE TRIGGER bets_count_changed AFTER UPDATE ON bets
REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION bets_count_changed();
ALTER TABLE bets ENABLE ALWAYS TRIGGER bets_count_changed;

INSERT INTO user_totals (user_id, bets, won, lost)
SELECT user_id, count(*), count(*) FILTER (WHERE status = 'won'), count(*) FILTER (WHERE status = 'lost')
FROM bets GROUP BY user_id;

CREATE INDEX bets_won_of_user ON bets (user_id, (actual_payout - (amount - sold_amount))) WHERE status = 'won';
"""
UNDO = """
DROP INDEX bets_won_of_user;
DROP TRIGGER bets_count_added ON bets;
DROP TRIGGER bets_count_changed ON bets;
DROP FUNCTION bets_count_added();
DROP FUNCTION bets_count_changed();
"""


class Migration(migrations.Migration):
    dependencies = [("leaderboard", "0006_tables_by_their_owner"), ("betting", "0009_settlement_records")]
    operations = [
        migrations.CreateModel(
            name="UserTotals",
            fields=[
                ("user_id", models.UUIDField(primary_key=True, serialize=False)),
                ("bets", models.IntegerField(db_default=0)),
                ("won", models.IntegerField(db_default=0)),
                ("lost", models.IntegerField(db_default=0)),
            ],
            options={
                "db_table": "user_totals",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("bets__gte", models.F("won") + models.F("lost")), ("lost__gte", 0), ("won__gte", 0)
                        ),
                        name="user_totals_add_up",
                    )
                ],
            },
        ),
        migrations.RunSQL(TRIGGERS, UNDO),
    ]
