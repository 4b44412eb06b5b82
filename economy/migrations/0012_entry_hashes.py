"""How a ledger entry's hash is made: the SHA-256 of the user's hash before it and of what the API shows of the entry.

`docs/ledger.md` has the recipe; whoever changes it makes every chain wrong. The functions of one SELECT are inlined into
the statements that call them, and `ledger_chain` is the same over a window: the entries of one user in one statement.
"""

from django.db import migrations, models

FUNCTIONS = """
CREATE FUNCTION ledger_content(
    sequence bigint, id uuid, amount numeric, balance_after numeric, transaction_type text, counterparty text,
    reference_id uuid, occurrence integer, created_at timestamptz, description text
) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT concat_ws(E'\\n', sequence, id, amount::numeric(18,2), balance_after::numeric(18,2), transaction_type,
        counterparty, reference_id, occurrence,
        to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), description)
$$;
CREATE FUNCTION ledger_hash(previous bytea, user_id uuid, content text) RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT sha256(convert_to(coalesce(encode(previous, 'hex'), user_id::text) || E'\\n' || content, 'UTF8'))
$$;
CREATE FUNCTION ledger_link(state bytea, previous bytea, user_id uuid, content text) RETURNS bytea
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    RETURN sha256(convert_to(coalesce(encode(coalesce(state, previous), 'hex'), user_id::text) || E'\\n' || content,
        'UTF8'));
END
$$;
CREATE AGGREGATE ledger_chain(previous bytea, user_id uuid, content text) (
    SFUNC = ledger_link, STYPE = bytea, PARALLEL = SAFE
);
"""
UNDO = """
DROP AGGREGATE ledger_chain(bytea, uuid, text);
DROP FUNCTION ledger_link(bytea, bytea, uuid, text);
DROP FUNCTION ledger_hash(bytea, uuid, text);
DROP FUNCTION ledger_content(bigint, uuid, numeric, numeric, text, text, uuid, integer, timestamptz, text);
"""


class Migration(migrations.Migration):
    dependencies = [("economy", "0011_numbers"), ("accounts", "0010_chains")]
    operations = [
        migrations.AddField(
            model_name="credittransaction",
            name="hash",
            field=models.BinaryField(editable=False, max_length=32, null=True),
        ),
        migrations.RunSQL(FUNCTIONS, UNDO),
    ]
