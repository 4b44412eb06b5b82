"""Django looks here for the admin's pages: a module for each subject."""

import thisthat.staff.bets
import thisthat.staff.dashboard
import thisthat.staff.job_runs
import thisthat.staff.jobs
import thisthat.staff.markets  # noqa: F401
