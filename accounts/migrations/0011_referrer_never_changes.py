"""Who referred a user is said at registration, and never again: a bonus is paid for it."""

from django.db import migrations

REFERRER = """
CREATE FUNCTION users_refuse_referrer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'Who referred a user is said at registration, and never changed.'
    USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = 'users_referrer_never_changes';
END
$$;
CREATE TRIGGER users_referrer_never_changes BEFORE UPDATE OF referred_by_id ON users FOR EACH ROW
WHEN (NEW.referred_by_id IS DISTINCT FROM OLD.referred_by_id)
EXECUTE FUNCTION users_refuse_referrer();
"""
UNDO = """
DROP TRIGGER users_referrer_never_changes ON users;
DROP FUNCTION users_refuse_referrer();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0010_chains")]
    operations = [migrations.RunSQL(REFERRER, UNDO)]
