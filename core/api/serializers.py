"""Serializer fields that the apps share, response schemas, and resources: one declaration of each resource's fields."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from drf_spectacular.utils import extend_schema_field, extend_schema_serializer, inline_serializer
from rest_framework import serializers

Field = serializers.Field[Any, Any, Any, Any]
S = TypeVar("S", bound=type[serializers.Serializer[Any]])
ISO_UTC = """to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"""


class CreditsField(serializers.DecimalField):
    """Credits or US dollars: a JSON number with 2 decimals."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_digits": 18, "decimal_places": 2, "coerce_to_string": False, **kwargs})


class OddsField(serializers.DecimalField):
    """A probability: a JSON number from 0 to 1 with 4 decimals."""

    def __init__(self, **kwargs: Any) -> None:
        bounds = {"min_value": 0, "max_value": 1}
        super().__init__(**{"max_digits": 5, "decimal_places": 4, "coerce_to_string": False, **bounds, **kwargs})


class SharesField(serializers.DecimalField):
    """Shares of a stock, or the price of one: a JSON number with 8 decimals."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_digits": 18, "decimal_places": 8, "coerce_to_string": False, **kwargs})


class TextField(serializers.CharField):
    """A JSON string; a number isn't accepted as one."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class TrueOrFalseField(serializers.BooleanField):
    """`true` or `false` in JSON; no other value counts as one of them."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class LowerCaseField(TextField):
    """Text that counts in any case: the value is in lower case."""

    def to_internal_value(self, data: Any) -> str:
        return super().to_internal_value(data).lower()


class ClampedIntegerField(serializers.IntegerField):
    """A whole number; outside its range it counts as the nearest inside. The contract asks for it by name."""

    def __init__(self, *, low: int, high: int, **kwargs: Any) -> None:
        self.low, self.high = low, high
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> int:
        return max(self.low, min(self.high, super().to_internal_value(data)))


@extend_schema_field({"type": "boolean", "const": True})
class SuccessField(serializers.BooleanField):
    """The literal `true` that every successful response begins with."""


class WarningSerializer(serializers.Serializer[Any]):
    """A name in the request that its operation doesn't know: `core.api.requests.warnings_about`."""

    field = serializers.CharField()
    message = serializers.CharField()
    code = serializers.ChoiceField(choices=["unknown_parameter", "unknown_field"])


def response_schema(
    name: str, aliases: Mapping[str, str] | None = None, /, **fields: Field | serializers.Serializer[Any]
) -> serializers.Serializer[Any]:
    """Return the OpenAPI component of a successful response: `{"success": true, …fields}`.

    `name` ends in `Response`. `core.api.responses.json_response` makes such responses; `aliases` are what its
    `with_aliases` takes: the old name of a field by its other name.
    """
    copies = {alias: deprecated_copy(fields[field], field) for alias, field in (aliases or {}).items()}
    warnings = WarningSerializer(many=True, required=False, help_text="What of the request was ignored; if anything.")
    response = inline_serializer(name, {"success": SuccessField(), **fields, **copies, "warnings": warnings})
    extend_schema_serializer(deprecate_fields=[*copies])(type(response))
    return response


def deprecated_copy(field: Any, name: str) -> Any:
    """Return the same field, as the description shows it under a name that only older clients read."""
    text = f"Deprecated: `{name}`."
    if isinstance(field, serializers.ListSerializer):
        child: Any = field.child
        return type(child)(many=True, help_text=text)
    return type(field)(*field._args, **{**field._kwargs, "help_text": text})  # noqa: SLF001 - DRF's own way to copy


def offset_page_schema() -> dict[str, Field]:
    """Return the fields that `core.api.responses.offset_page` makes."""
    return {name: serializers.IntegerField() for name in ("total", "limit", "offset")}


def next_page_schema() -> dict[str, Field]:
    """Return the field that `core.api.responses.next_page` makes."""
    return {"nextCursor": serializers.CharField(allow_null=True)}


class ResourceSerializer(serializers.Serializer[Any]):
    """The one declaration of a resource's fields, for reads: what is selected, what is sent, what OpenAPI says.

    Each field has its JSON name and, as `source`, the column that it comes from. `Meta.alias` is the table's alias in
    the statements that select the resource; `Meta.expressions` has SQL for sources that are no columns of it. Nested
    resources come last. All of it is compiled when the class is made; rendering then costs one `zip`.
    `Meta.aliases` are names that only older clients read, each with the field that it repeats (`user.id`: of a nested
    resource): sent with the same value, and deprecated in OpenAPI.

        class BetSerializer(ResourceSerializer):
            id = serializers.UUIDField()
            placedAt = serializers.DateTimeField(source="placed_at")
            currentOdds = OddsField(source="current_odds")
            market = BetMarketSerializer()

            class Meta:
                alias = "bet"
                aliases = {"priceAtBet": "oddsAtBet"}
                expressions = {"current_odds": "CASE bet.side WHEN 'this' THEN …"}

        rows = fetch_all(f"SELECT {BetSerializer.columns} FROM bets AS bet JOIN markets AS market …")
        bets = [BetSerializer.from_row(row) for row in rows]
        BetSerializer.from_object(bet, current_odds=odds)  # a model instance; values win over attributes
    """

    # What a statement selects, in the order that `from_row` expects: times as PostgreSQL writes them in ISO 8601,
    # which costs a tenth of reading and writing them in Python.
    columns: ClassVar[str] = ""
    width: ClassVar[int] = 0
    _names: ClassVar[tuple[str, ...]] = ()
    _sources: ClassVar[tuple[tuple[str, str], ...]] = ()
    _nested: ClassVar[tuple[tuple[str, str, type["ResourceSerializer"]], ...]] = ()
    _aliases: ClassVar[tuple[tuple[str, list[str]], ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        meta = getattr(cls, "Meta", None)
        alias, expressions = getattr(meta, "alias", ""), getattr(meta, "expressions", {})
        declared: dict[str, Field] = cls._declared_fields
        aliases: Mapping[str, str] = getattr(meta, "aliases", {})
        own = {
            name: field
            for name, field in declared.items()
            if not isinstance(field, ResourceSerializer) and name not in aliases
        }
        cls._nested = tuple(
            (name, field.source or name, type(field))
            for name, field in declared.items()
            if isinstance(field, ResourceSerializer)
        )
        cls._sources = tuple((name, field.source or name) for name, field in own.items())
        cls._names = tuple(own)
        selected = [
            selected_as(field, expressions.get(source) or f"{alias}.{source}")
            for (_, source), field in zip(cls._sources, own.values(), strict=True)
        ]
        cls.columns = ", ".join([*selected, *(nested.columns for _, _, nested in cls._nested)])
        cls.width = len(selected) + sum(nested.width for _, _, nested in cls._nested)
        cls._aliases = tuple((alias, path.split(".")) for alias, path in aliases.items())
        if aliases:
            declared |= {alias: deprecated_copy(cls._field_at(path), path) for alias, path in aliases.items()}
            extend_schema_serializer(deprecate_fields=[*aliases])(cls)

    @classmethod
    def _field_at(cls, path: str) -> Any:
        name, _, inner = path.partition(".")
        field: Any = cls._declared_fields[name]
        return field._field_at(inner) if inner else field  # noqa: SLF001

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> dict[str, Any]:
        """Return the resource as JSON values, from a row of `columns`."""
        resource = dict(zip(cls._names, row, strict=False))
        place = len(cls._names)
        for name, _, nested in cls._nested:
            resource[name] = nested.from_row(row[place : place + nested.width])
            place += nested.width
        return cls._with_aliases(resource)

    @classmethod
    def from_object(cls, instance: Any, **values: Any) -> dict[str, Any]:
        """Return the resource as JSON values, from the attributes named by the fields' sources.

        `values` are by source, and win over attributes: what is computed, or known better than the instance knows it. A
        nested resource may be given as a dict, rendered already.
        """
        resource = {
            name: values[source] if source in values else getattr(instance, source) for name, source in cls._sources
        }
        for name, source, nested in cls._nested:
            inner = values[source] if source in values else getattr(instance, source)
            resource[name] = inner if inner is None or isinstance(inner, dict) else nested.from_object(inner)
        return cls._with_aliases(resource)

    @classmethod
    def _with_aliases(cls, resource: dict[str, Any]) -> dict[str, Any]:
        for alias, path in cls._aliases:
            value: Any = resource
            for name in path:
                value = value[name]
            resource[alias] = value
        return resource

    def to_representation(self, instance: Any) -> dict[str, Any]:
        return self.from_object(instance)


def selected_as(field: Field, expression: str) -> str:
    """Return the SQL that selects a field's value as it is sent."""
    return ISO_UTC.format(column=expression) if isinstance(field, serializers.DateTimeField) else expression
