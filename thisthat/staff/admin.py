"""Django looks here for the admin's pages: a module for each subject."""

import thisthat.staff.adjustments
import thisthat.staff.bets
import thisthat.staff.dashboard
import thisthat.staff.job_runs
import thisthat.staff.jobs
import thisthat.staff.journal
import thisthat.staff.markets
import thisthat.staff.people
import thisthat.staff.purchases
import thisthat.staff.records
import thisthat.staff.stocks  # noqa: F401
