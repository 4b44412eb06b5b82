"""Price history: points a minute and an hour, in partitions that the owner's functions add and drop."""

import django.contrib.postgres.indexes
import django.db.models.deletion
from django.db import migrations, models

# `recorded_at` first, and the short columns last: no bytes are lost to alignment.
COLUMNS = """
    recorded_at timestamptz NOT NULL,
    market_id uuid NOT NULL,
    this_odds smallint NOT NULL,
    bid smallint,
    ask smallint,
    is_backfilled boolean NOT NULL DEFAULT false
"""
IN_RANGE = """
    CHECK (this_odds BETWEEN 0 AND 10000 AND bid BETWEEN 0 AND 10000 AND ask BETWEEN 0 AND 10000)
"""
TABLES = f"""
CREATE TABLE market_points ({COLUMNS},
    CONSTRAINT market_points_pkey PRIMARY KEY (market_id, recorded_at),
    CONSTRAINT market_points_in_range {IN_RANGE}
) PARTITION BY RANGE (recorded_at);
CREATE INDEX market_points_by_time ON market_points
    USING brin (recorded_at) WITH (pages_per_range = 32, autosummarize = on);
CREATE TABLE market_hourly_points ({COLUMNS},
    CONSTRAINT market_hourly_points_pkey PRIMARY KEY (market_id, recorded_at),
    CONSTRAINT market_hourly_points_in_range {IN_RANGE}
) PARTITION BY RANGE (recorded_at);

CREATE TRIGGER market_points_append_only BEFORE UPDATE OR DELETE ON market_points
    FOR EACH STATEMENT EXECUTE FUNCTION market_resolutions_refuse();
CREATE TRIGGER market_points_never_emptied BEFORE TRUNCATE ON market_points
    FOR EACH STATEMENT EXECUTE FUNCTION market_resolutions_refuse();
CREATE TRIGGER market_hourly_points_append_only BEFORE UPDATE OR DELETE ON market_hourly_points
    FOR EACH STATEMENT EXECUTE FUNCTION market_resolutions_refuse();
CREATE TRIGGER market_hourly_points_never_emptied BEFORE TRUNCATE ON market_hourly_points
    FOR EACH STATEMENT EXECUTE FUNCTION market_resolutions_refuse();
ALTER TABLE market_points ENABLE ALWAYS TRIGGER market_points_append_only;
ALTER TABLE market_points ENABLE ALWAYS TRIGGER market_points_never_emptied;
ALTER TABLE market_hourly_points ENABLE ALWAYS TRIGGER market_hourly_points_append_only;
ALTER TABLE market_hourly_points ENABLE ALWAYS TRIGGER market_hourly_points_never_emptied;
"""
UNDO_TABLES = """
DROP TABLE market_hourly_points;
DROP TABLE market_points;
"""

# Only an owner makes and drops tables: the service calls these, within bounds that nobody fills a catalog by. A new
# partition is attached, which waits for no reader or writer of the others; so there is no default partition, which
# would have to be locked and searched each time.
PARTITIONS = """
CREATE FUNCTION market_history_add_partitions(kept text, first_at timestamptz, last_at timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    weekly boolean := kept = 'market_points';
    begins timestamptz;
    ends timestamptz;
    part text;
    added integer := 0;
BEGIN
    IF kept NOT IN ('market_points', 'market_hourly_points') OR last_at > now() + interval '1 year'
        OR first_at < (CASE WHEN weekly THEN now() - interval '5 weeks' ELSE '2020-01-01' END)
    THEN
        RAISE EXCEPTION 'No partitions of % from % to %.', kept, first_at, last_at USING ERRCODE = 'check_violation';
    END IF;
    begins := date_trunc(CASE WHEN weekly THEN 'week' ELSE 'quarter' END, first_at);
    WHILE begins <= last_at LOOP
        ends := begins + CASE WHEN weekly THEN interval '1 week' ELSE interval '3 months' END;
        part := kept || to_char(begins, '_YYYYMMDD');
        IF to_regclass(part) IS NULL THEN
            PERFORM pg_advisory_xact_lock(hashtextextended('markets.history.partitions', 0));
        END IF;
        IF to_regclass(part) IS NULL THEN
            EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', part, kept);
            EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', kept, part, begins, ends);
            added := added + 1;
        END IF;
        begins := ends;
    END LOOP;
    RETURN added;
END
$$;

-- Keeps the last point of each hour and drops the partition, both or nothing: a week of points is never lost, whoever
-- calls this with whatever time, and however often.
CREATE FUNCTION market_history_drop_partitions(before timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    part regclass;
    dropped integer := 0;
BEGIN
    FOR part IN SELECT inhrelid FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
        WHERE inhparent = 'market_points'::regclass
        AND to_date(right(relname, 8), 'YYYYMMDD') + interval '1 week' <= least(before, now() - interval '2 weeks')
        ORDER BY relname
    LOOP
        EXECUTE format($sql$
            INSERT INTO market_hourly_points (market_id, recorded_at, this_odds, bid, ask, is_backfilled)
            SELECT market_id, recorded_at, this_odds, bid, ask, is_backfilled
            FROM (
                SELECT market_id, max(recorded_at) AS recorded_at FROM %1$s
                GROUP BY market_id, date_trunc('hour', recorded_at)
            ) AS last JOIN %1$s USING (market_id, recorded_at)
            ON CONFLICT DO NOTHING
        $sql$, part);
        EXECUTE format('DROP TABLE %s', part);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END
$$;
"""
UNDO_PARTITIONS = """
DROP FUNCTION market_history_drop_partitions(timestamptz);
DROP FUNCTION market_history_add_partitions(text, timestamptz, timestamptz);
"""

# The first odds and each change of a house market's, and every market's result, by whatever writes the row. A time that
# no partition may have is an odd one: then there is no point, and the row is written all the same.
POINTS = """
CREATE FUNCTION markets_record_point() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    moment timestamptz := CASE WHEN NEW.resolution IS NULL THEN NEW.odds_updated_at ELSE NEW.resolved_at END;
    odds smallint := CASE NEW.resolution WHEN 'this' THEN 10000 WHEN 'that' THEN 0
        ELSE round(NEW.this_odds * 10000) END;
    recent boolean := moment BETWEEN now() - interval '13 days' AND now() + interval '4 weeks';
BEGIN
    IF recent THEN
        PERFORM market_history_add_partitions('market_points', moment, moment);
        INSERT INTO market_points (market_id, recorded_at, this_odds) VALUES (NEW.id, moment, odds)
        ON CONFLICT DO NOTHING;
    END IF;
    IF moment BETWEEN '2020-01-01' AND now() + interval '4 weeks'
        AND (NOT recent OR NEW.resolution IS NOT NULL OR TG_OP = 'INSERT')
    THEN
        PERFORM market_history_add_partitions('market_hourly_points', moment, moment);
        INSERT INTO market_hourly_points (market_id, recorded_at, this_odds) VALUES (NEW.id, moment, odds)
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER markets_first_point AFTER INSERT ON markets FOR EACH ROW
WHEN (NEW.market_type = 'credits' OR NEW.resolution IS NOT NULL) EXECUTE FUNCTION markets_record_point();
CREATE TRIGGER markets_changed_point AFTER UPDATE ON markets FOR EACH ROW
WHEN ((NEW.market_type = 'credits' AND NEW.this_odds <> OLD.this_odds)
    OR (NEW.resolution IS NOT NULL AND NEW.resolution IS DISTINCT FROM OLD.resolution))
EXECUTE FUNCTION markets_record_point();
ALTER TABLE markets ENABLE ALWAYS TRIGGER markets_first_point;
ALTER TABLE markets ENABLE ALWAYS TRIGGER markets_changed_point;
"""
UNDO_POINTS = """
DROP TRIGGER markets_changed_point ON markets;
DROP TRIGGER markets_first_point ON markets;
DROP FUNCTION markets_record_point();
"""

# What is known of the markets that there are: the result of those that are over, the odds of the house's.
FILL = """
SELECT market_history_add_partitions('market_points', now(), now() + interval '2 weeks');
SELECT market_history_add_partitions('market_hourly_points', min(moment), now() + interval '3 months')
FROM (
    SELECT now() AS moment UNION ALL
    SELECT resolved_at FROM markets WHERE resolved_at > '2020-01-01' UNION ALL
    SELECT odds_updated_at FROM markets WHERE market_type = 'credits' AND odds_updated_at > '2020-01-01'
) AS moments;
INSERT INTO market_hourly_points (market_id, recorded_at, this_odds)
SELECT id, moment, CASE resolution WHEN 'this' THEN 10000 WHEN 'that' THEN 0 ELSE round(this_odds * 10000) END
FROM markets, LATERAL (SELECT coalesce(resolved_at, odds_updated_at) AS moment) AS known
WHERE (resolution IS NOT NULL OR market_type = 'credits') AND moment BETWEEN '2020-01-01' AND now();
"""


class Migration(migrations.Migration):
    dependencies = [("markets", "0020_events")]

    operations = [
        migrations.CreateModel(
            name="MarketBackfill",
            fields=[
                (
                    "market",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="backfill",
                        serialize=False,
                        to="markets.market",
                    ),
                ),
                ("tried_at", models.DateTimeField()),
                ("is_done", models.BooleanField()),
            ],
            options={
                "db_table": "market_backfills",
            },
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(TABLES, UNDO_TABLES)],
            state_operations=[
                migrations.CreateModel(
                    name="MarketHourlyPoint",
                    fields=[
                        (
                            "pk",
                            models.CompositePrimaryKey(
                                "market_id",
                                "recorded_at",
                                blank=True,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("market_id", models.UUIDField()),
                        ("recorded_at", models.DateTimeField()),
                        ("this_odds", models.SmallIntegerField()),
                        ("bid", models.SmallIntegerField(null=True)),
                        ("ask", models.SmallIntegerField(null=True)),
                        ("is_backfilled", models.BooleanField(db_default=False, default=False)),
                    ],
                    options={
                        "db_table": "market_hourly_points",
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("ask__range", (0, 10000)),
                                    ("bid__range", (0, 10000)),
                                    ("this_odds__range", (0, 10000)),
                                ),
                                name="market_hourly_points_in_range",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="MarketPoint",
                    fields=[
                        (
                            "pk",
                            models.CompositePrimaryKey(
                                "market_id",
                                "recorded_at",
                                blank=True,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("market_id", models.UUIDField()),
                        ("recorded_at", models.DateTimeField()),
                        ("this_odds", models.SmallIntegerField()),
                        ("bid", models.SmallIntegerField(null=True)),
                        ("ask", models.SmallIntegerField(null=True)),
                        ("is_backfilled", models.BooleanField(db_default=False, default=False)),
                    ],
                    options={
                        "db_table": "market_points",
                        "indexes": [
                            django.contrib.postgres.indexes.BrinIndex(
                                autosummarize=True,
                                fields=["recorded_at"],
                                name="market_points_by_time",
                                pages_per_range=32,
                            )
                        ],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("ask__range", (0, 10000)),
                                    ("bid__range", (0, 10000)),
                                    ("this_odds__range", (0, 10000)),
                                ),
                                name="market_points_in_range",
                            )
                        ],
                    },
                ),
            ],
        ),
        migrations.RunSQL(PARTITIONS, UNDO_PARTITIONS),
        migrations.RunSQL(POINTS, UNDO_POINTS),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
    ]
