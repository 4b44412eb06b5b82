"""A job has the name of its task; four had shorter ones."""

from django.db import migrations

RENAME = """
UPDATE job_runs SET job = CASE job
    WHEN 'audit_ledger' THEN 'economy.audit_ledger'
    WHEN 'purge_refresh_tokens' THEN 'accounts.purge_refresh_tokens'
    ELSE 'common.' || job
END
WHERE job IN ('audit_ledger', 'purge_refresh_tokens', 'purge_job_runs', 'purge_idempotency_keys')
"""


class Migration(migrations.Migration):
    dependencies = [("common", "0002_idempotency")]
    operations = [migrations.RunSQL(RENAME, migrations.RunSQL.noop)]
