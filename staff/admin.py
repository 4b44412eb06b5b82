"""Django looks here for the admin's pages: a module for each subject."""

import staff.adjustments
import staff.bets
import staff.dashboard
import staff.job_runs
import staff.jobs
import staff.journal
import staff.markets
import staff.people
import staff.purchases
import staff.records
import staff.stocks  # noqa: F401
