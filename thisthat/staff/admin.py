"""Django looks here for the admin's pages: a module for each subject."""

import thisthat.staff.dashboard
import thisthat.staff.job_runs
import thisthat.staff.jobs  # noqa: F401
