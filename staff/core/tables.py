"""Tables to look at: nothing is edited in place, and no page counts or joins a whole table."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

from django.contrib.admin import ShowFacets, SimpleListFilter
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from unfold.admin import ModelAdmin

from accounts.authentication import address_of
from accounts.models import Permission, User
from accounts.staff import StaffMember
from staff.core.pages import Detail

# Pages end here; what lies deeper is found by searching.
MAX_ROWS = 10_000


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts no further than MAX_ROWS, so that the first page of a hundred million rows costs what it shows."""

    object_list: QuerySet[Any]

    @cached_property
    def count(self) -> int:
        return self.object_list.order_by()[:MAX_ROWS].count()


class BoundedChangeList(ChangeList):
    """Omits the link that would count all rows, and has the table describe those of the page."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.full_result_count = self.result_count
        self.result_list = list(self.result_list)
        self.model_admin.describe(self.result_list)  # type: ignore[attr-defined]  # ours, a Table


class Table(ModelAdmin):  # type: ignore[misc]
    """A read-only table of a model; `view_permission` says who sees it."""

    view_permission: ClassVar[Permission]
    # Whether its rows can be written to a file (`core.exports`).
    exportable: ClassVar[bool] = True
    list_before_template = "staff/list_tools.html"
    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    list_per_page = 50
    actions = None
    list_disable_select_all = True
    sortable_by = ()

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Allow only the lookups of a filter: by others a password's hash could be guessed letter by letter."""
        offered = {parameter_of(choice) for choice in self.list_filter}
        return lookup.partition("__")[0] in offered

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:
        return BoundedChangeList

    def describe(self, rows: Sequence[Any]) -> None:
        """Add to the rows of a page what their columns need beside the query's: a few statements for all of them."""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        may_export = self.exportable and staff_member(request).may(Permission.EXPORT_LISTS)
        page: HttpResponse = super().changelist_view(request, {"may_export": may_export, **(extra_context or {})})
        return page

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return [*(field.name for field in self.opts.fields), *self.readonly_fields]

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may see any of it; the sign-in page asks too."""
        return isinstance(request.user, User) and self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return staff_member(request).may(self.view_permission)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def parameter_of(choice: Any) -> str:
    """Return the parameter that a filter has in an address: its field, or its own."""
    if isinstance(choice, type):
        parameter: str = choice.parameter_name  # type: ignore[attr-defined]
        return parameter
    return choice if isinstance(choice, str) else str(choice[0])


def staff_member(request: HttpRequest) -> StaffMember:
    """Return the current user. Raises TypeError for a stranger, whom the admin doesn't let this far."""
    if not isinstance(request.user, User):
        raise TypeError("Nobody is signed in.")
    return StaffMember(request.user, address_of(request))


class Recent(SimpleListFilter):
    """Filters by one of `values` of a field: of all rows that a search found, otherwise of the newest MAX_ROWS.

    Newest is the greatest primary key.
    """

    parameter_name: str
    values: ClassVar[Sequence[str]]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(value, value.replace("_", " ").capitalize()) for value in self.values]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        wanted = self.value()
        if wanted not in self.values:
            return queryset
        chosen = queryset.filter(**{self.parameter_name: wanted})
        return chosen if request.GET.get("q") else among_newest(chosen)


def among_newest(queryset: QuerySet[Any], *, of: type[Model] | None = None) -> QuerySet[Any]:
    """Return the rows among the newest MAX_ROWS of their table: one walk of the index finds the oldest of these.

    `of`: a proxy's own model, where the proxy's manager leaves rows out.

    A statement of its own: knowing the key, PostgreSQL reads no more than what follows it.
    """
    keys = (of or queryset.model)._default_manager.order_by("-pk").values_list("pk", flat=True)  # noqa: SLF001 - Django's
    oldest = keys[MAX_ROWS - 1 : MAX_ROWS].first()
    return queryset if oldest is None else queryset.filter(pk__gte=oldest)


class DetailTable(Table):
    """A table whose rows each have a page."""

    def detail(self, request: HttpRequest, original: Any) -> Detail:
        raise NotImplementedError

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the page, which has no form to send."""
        if not self.has_view_permission(request) or request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        original = self.get_object(request, unquote(object_id))
        if original is None:
            raise Http404
        return self.detail(request, original).render(request)
