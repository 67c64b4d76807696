"""A status is a class of ours, and back."""

from __future__ import annotations

import pytest

from engine.api.errors import STATUS, Conflict, InvalidArgument, SystemFailure, error_of


@pytest.mark.parametrize(("cls", "status"), STATUS.items())
def test_each_class_has_its_status_and_the_status_its_class(cls: type, status: int) -> None:
    error = error_of(status, "words")
    assert type(error) is cls
    assert error.message == "words"


def test_a_status_that_is_not_listed_falls_to_its_hundred() -> None:
    assert isinstance(error_of(418, "x"), InvalidArgument)
    assert isinstance(error_of(599, "x"), SystemFailure)
    assert isinstance(error_of(409, "x"), Conflict)
