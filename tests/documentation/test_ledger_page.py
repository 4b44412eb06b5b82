"""docs/ledger.md lists what the audit checks, in the words that `manage.py audit_ledger` prints."""

import re

from economy.ledger.audit import INVARIANTS
from tests.architecture.conftest import REPOSITORY

ROW = re.compile(r"^\| `(\w+)` \| (.+) \|$", re.MULTILINE)


def test_it_lists_every_invariant_and_no_other():
    page = (REPOSITORY / "docs" / "ledger.md").read_text()
    listed = ROW.findall(page[page.index("## The audit") : page.index("## Bonuses")])
    assert sorted(listed) == sorted((invariant.name, invariant.statement) for invariant in INVARIANTS)
