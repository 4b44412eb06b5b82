"""Registers the admin's pages by importing each page family; Django looks for this module by its name."""

from staff import (  # noqa: F401
    adjustments,
    bets,
    dashboard,
    job_runs,
    jobs,
    ledger,
    purchases,
    staff_actions,
    stocks,
)
from staff.markets import table as markets_table  # noqa: F401
from staff.users import table as users_table  # noqa: F401
