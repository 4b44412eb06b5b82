"""Lists as CSV files: what a list shows, as it is searched and filtered, for a reason that is kept.

A file has the first MAX_ROWS rows, as many as the list's pages: the web server has a response whole in memory, and a
minute for it. What lies deeper is exported by narrower filters.
"""

import csv
import html
import re
from collections.abc import Iterator
from io import StringIO
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.exceptions import NotRegistered
from django.contrib.admin.utils import label_for_field
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags

from accounts.models import Permission
from accounts.staff import record_action
from core.db.transactions import run_transaction
from staff.core.actions import Confirmation, ReasonForm
from staff.core.tables import MAX_ROWS, Table, staff_member

DESCRIBED_AT_ONCE = 500
# A spreadsheet takes such a cell for a formula; numbers with a sign are none.
FORMULA = re.compile(r"^[=+\-@\t\r](?![\d.,]+%?$)")


def export_list(request: HttpRequest, app: str, model: str) -> HttpResponse:
    """Ask why, then respond with the file, and record it: which list, narrowed to what, how many rows."""
    table, by = find_table(app, model), staff_member(request)
    if by.user is None or not (table.has_view_permission(request) and by.may(Permission.EXPORT_LISTS)):
        raise PermissionDenied
    name = str(table.opts.verbose_name_plural)
    form = ReasonForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        page = Confirmation(
            title=f"Export as a file: {name}",
            button="Export",
            back=reverse(f"admin:{app}_{model}_changelist") + query_of(request),
            act=lambda _: "",
            warning=f"As the list is narrowed now, at most {MAX_ROWS:,} rows. It is recorded who exported what.",
        )
        context = {**admin.site.each_context(request), "title": page.title, "confirmation": page, "form": form}
        return render(request, "staff/confirm.html", context, status=400 if request.method == "POST" else 200)
    rows = list(table.get_changelist_instance(request).get_queryset(request)[:MAX_ROWS])
    body = written(table, rows)
    after = {"list": name, "narrowed_to": query_of(request), "rows": len(rows)}
    reason, now, target = form.cleaned_data["reason"], timezone.now(), by.user
    run_transaction(
        lambda: record_action("export_list", by=by, target=target, reason=reason, before={}, after=after, now=now)
    )
    headers = {"Content-Disposition": f'attachment; filename="{model}-{now:%Y%m%d-%H%M}.csv"'}
    return HttpResponse(body, content_type="text/csv; charset=utf-8", headers=headers)


def find_table(app: str, model: str) -> Table:
    """Return the table of a model. Raises Http404 for one that has none."""
    try:
        table = admin.site.get_model_admin(apps.get_model(app, model))
    except (LookupError, NotRegistered):
        raise Http404 from None
    if not isinstance(table, Table) or not table.exportable:
        raise Http404
    return table


def query_of(request: HttpRequest) -> str:
    """Return what the list is narrowed to, as in its address."""
    return f"?{request.GET.urlencode()}" if request.GET else ""


def written(table: Table, rows: list[Any]) -> str:
    """Return the file: the list's columns, as text."""
    file = StringIO()
    writer = csv.writer(file)
    columns = [str(column) for column in table.list_display]
    writer.writerow([label_for_field(column, table.model, model_admin=table) for column in columns])
    for first in range(0, len(rows), DESCRIBED_AT_ONCE):
        table.describe(rows[first : first + DESCRIBED_AT_ONCE])
    for row in rows:
        writer.writerow(list(cells(table, columns, row)))
    return file.getvalue()


def cells(table: Table, columns: list[str], row: Any) -> Iterator[str]:
    for column in columns:
        shown = getattr(table, column)(row) if hasattr(table, column) else getattr(row, column)
        text = " ".join(map(str, shown)) if isinstance(shown, list) else "" if shown is None else str(shown)
        plain = html.unescape(strip_tags(text.replace("</p>", " ").replace("<p", " <p"))).strip()
        yield f"'{plain}" if FORMULA.match(plain) else plain
