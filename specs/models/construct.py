"""Models from values that are typed already, without validating them again: that would cost the building of validators,
0.05 s at every start. What it makes equals what validation makes; a test holds it over the whole corpus.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from specs.models.base import Model

M = TypeVar("M", bound=Model)
Make = Callable[[Any], Any]


def construct(cls: type[M], values: dict[str, Any]) -> M:
    """An instance with nested models made alike; keys are the aliases that the values use."""
    makers = makers_of(cls)
    return cls.model_construct(
        **{key: makers[key](value) if key in makers and value is not None else value for key, value in values.items()}
    )


def taken_apart(model: Model) -> dict[str, Any]:
    """The values that it was made of, by their aliases.

    What `model_dump(by_alias=True, exclude_unset=True)` gives, without the serializers that it would build first.
    """
    given = model.model_fields_set
    return {alias: plain(getattr(model, name)) for name, alias in aliases_of(type(model)) if name in given}


def plain(value: Any) -> Any:
    if isinstance(value, Model):
        return taken_apart(value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


@cache
def aliases_of(cls: type[Model]) -> tuple[tuple[str, str], ...]:
    return tuple((name, field.alias or name) for name, field in cls.model_fields.items())


@cache
def makers_of(cls: type[Model]) -> dict[str, Make]:
    """For each key that holds models, what makes its value."""
    found = {}
    for name, field in cls.model_fields.items():
        make = maker_of(field.annotation)
        if make is not None:
            found[field.alias or name] = make
    return found


def maker_of(annotation: Any) -> Make | None:
    """None where the annotation holds no model."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return lambda value: construct(annotation, value)
    origin, arguments = get_origin(annotation), get_args(annotation)
    inner = next((make for make in map(maker_of, arguments) if make is not None), None)
    if inner is None:
        return None
    if origin in (Union, UnionType):
        return inner
    if origin is list:
        return lambda values: [inner(value) for value in values]
    if origin is dict:
        return lambda values: {key: None if value is None else inner(value) for key, value in values.items()}
    raise TypeError(f"no way to make a {annotation}")
