"""The app `core`, whose label is `common`.

The label is in the names of its tables' permissions and content types, in the migrations that other apps depend on,
and, as `common.…`, in the names of its tasks, by which databases keep the schedule and past runs. So code imports
`core`, and what is stored, or looked up by an app's label, says `common`.
"""

from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "core"
    label = "common"
