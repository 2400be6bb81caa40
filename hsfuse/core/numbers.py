"""Checks of options that are numbers."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

from hsfuse.errors import PlanError

__all__ = ["check_real_numbers", "check_whole_number"]


def check_whole_number(name: str, value: Any) -> int:
    """
    Return an option that is a whole number.

    Raises
    ------
    PlanError
        If it is anything else, such as text or a fraction.

    Examples
    --------
    >>> check_whole_number("tile", 64)
    64
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise PlanError(f"{name}: found {value!r}; expected a whole number")
    return int(value)


def check_real_numbers(name: str, values: Any, count: int) -> tuple[float, ...]:
    """
    Return an option of several numbers.

    Raises
    ------
    PlanError
        If it is no sequence of that many numbers.

    Examples
    --------
    >>> check_real_numbers("fwhm", [1, 1.5], 2)
    (1.0, 1.5)
    """
    try:
        numbers = tuple(values)
    except TypeError:
        numbers = ()
    if len(numbers) != count or not all(isinstance(value, Real) for value in numbers):
        raise PlanError(f"{name}: found {values!r}; expected {count} numbers")
    return tuple(float(value) for value in numbers)
