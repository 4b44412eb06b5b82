"""Registers the admin's pages by importing each page family; Django looks for this module by its name."""

# ruff: noqa: F401
from staff import action_log, announcements, bets, dashboard, jobs, ledger, purchases, stocks
from staff.markets import events
from staff.markets import table as markets_table
from staff.users import table as users_table
