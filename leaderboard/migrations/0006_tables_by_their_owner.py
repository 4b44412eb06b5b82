"""A period's standings written into a new table: making it and putting it in place is for the owner."""

from django.db import migrations

FUNCTIONS = """
CREATE FUNCTION standings_tables(wanted text, OUT used text, OUT free text) LANGUAGE sql STABLE
SET search_path = public, pg_temp AS $$
    SELECT inhrelid::regclass::text, CASE inhrelid
        WHEN to_regclass('standings_' || wanted || '_a') THEN 'standings_' || wanted || '_b'
        ELSE 'standings_' || wanted || '_a'
    END
    FROM pg_inherits WHERE inhparent = 'standings'::regclass
    AND inhrelid IN (to_regclass('standings_' || wanted || '_a'), to_regclass('standings_' || wanted || '_b'))
$$;

CREATE FUNCTION standings_begin_table(wanted text) RETURNS text LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    new text;
    who regrole;
BEGIN
    SELECT free INTO STRICT new FROM standings_tables(wanted) WHERE used IS NOT NULL;
    -- Of a caller who never put it in place.
    EXECUTE format('DROP TABLE IF EXISTS %I', new);
    EXECUTE format(
        'CREATE TABLE %I (LIKE standings INCLUDING CONSTRAINTS, CONSTRAINT %I CHECK (period = %L))',
        new, new || '_period', wanted
    );
    FOR who IN SELECT grantee FROM pg_class, aclexplode(relacl)
        WHERE pg_class.oid = 'standings'::regclass AND privilege_type = 'INSERT' AND grantee NOT IN (0, relowner)
    LOOP
        EXECUTE format('GRANT SELECT, INSERT ON %I TO %s', new, who);
    END LOOP;
    RETURN new;
END
$$;

CREATE FUNCTION standings_put_in_place(wanted text) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    old text;
    new text;
    who regrole;
BEGIN
    SELECT used, free INTO STRICT old, new FROM standings_tables(wanted) WHERE used IS NOT NULL;
    EXECUTE format('ALTER TABLE %I ADD CONSTRAINT %I PRIMARY KEY (user_id, period)', new, new || '_pkey');
    EXECUTE format(
        'CREATE INDEX %I ON %I (minus_pnl, created_at, user_id) INCLUDE (period)', new || '_by_pnl', new
    );
    EXECUTE format(
        'CREATE INDEX %I ON %I (minus_volume, created_at, user_id) INCLUDE (period)', new || '_by_volume', new
    );
    EXECUTE format('ANALYZE %I', new);
    -- From here on it is reached through `standings`.
    FOR who IN SELECT DISTINCT grantee FROM pg_class, aclexplode(relacl)
        WHERE pg_class.oid = new::regclass AND grantee NOT IN (0, relowner)
    LOOP
        EXECUTE format('REVOKE ALL ON %I FROM %s', new, who);
    END LOOP;
    EXECUTE format('ALTER TABLE standings DETACH PARTITION %I', old);
    EXECUTE format('ALTER TABLE standings ATTACH PARTITION %I FOR VALUES IN (%L)', new, wanted);
    EXECUTE format('DROP TABLE %I', old);
END
$$;
"""
UNDO = """
DROP FUNCTION standings_put_in_place(text);
DROP FUNCTION standings_begin_table(text);
DROP FUNCTION standings_tables(text);
"""


class Migration(migrations.Migration):
    dependencies = [("leaderboard", "0005_numbers")]
    operations = [migrations.RunSQL(FUNCTIONS, UNDO)]
