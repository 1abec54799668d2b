"""Types of options: numbers as people write them, and a sentence that says what to write for those that are none."""

from __future__ import annotations

import math
import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import click

__all__ = ["Count", "Number", "Port", "plain_number"]

if TYPE_CHECKING:
    IntParamType = click.ParamType[int]
else:
    IntParamType = click.ParamType  # generic from click 8.2 on

_WITH_COMMAS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
_WITH_UNIT = re.compile(r"([\d.,]+)\s*([kKMG])")
_PERCENT = re.compile(r"(\d+(?:[.,]\d+)?)\s*%")
_UNITS = {"k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9}
_LARGE, _SMALL = "40000, 40,000, 40k or 0.5", "5 or 0.5"


def plain_number(text: str) -> str:
    """``text`` as float() and int() read it, if it is ``40,000`` or ``40k``; else as it is."""
    text = text.strip()
    number, unit = (found[1], found[2]) if (found := _WITH_UNIT.fullmatch(text)) else (text, "")
    if _WITH_COMMAS.fullmatch(number):
        number = number.replace(",", "")
    if not unit:
        return number
    try:
        return f"{Decimal(number) * _UNITS[unit]:f}"
    except InvalidOperation:
        return text


class Number(click.FloatRange):
    """A finite number in a range. click's FloatRange accepts nan, and infinity if there is no maximum."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        given: Any = plain_number(value) if isinstance(value, str) else value
        try:
            number = float(given)
        except ValueError:
            if self.max == 1 and (percent := _PERCENT.fullmatch(value.strip())):
                self.fail(f"{value!r} is not a number: write {float(percent[1].replace(',', '.')) / 100:g}.", param, ctx)
            such_as = _LARGE if self.max is None else _SMALL if self.max > 1 else "0.5"
            self.fail(f"{value!r} is not a number, such as {such_as}.", param, ctx)
        if self.max == 1 and 1 < number <= 100:
            hint = f"write {number / 100:g} for {number:g} %"
            self.fail(f"{number} is not in the range {self._describe_range()}: {hint}.", param, ctx)
        number = super().convert(given, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


class Count(click.IntRange):
    """A whole number in a range."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        given: Any = plain_number(value) if isinstance(value, str) else value
        try:
            number = Decimal(given)
            whole = number == int(number)
        except (InvalidOperation, ValueError, OverflowError):
            whole = False
        if not whole:
            self.fail(f"{value!r} is not a whole number, such as 40000, 40,000 or 40k.", param, ctx)
        return super().convert(int(number), param, ctx)


class Port(IntParamType):
    """A port to listen on; 0 for any free one."""

    name = "port"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            port = int(value)
        except ValueError:
            port = -1
        if not 0 <= port <= 65535:
            self.fail(f"{value!r} is no port: write a number from 1 to 65535, or 0 for any free one.", param, ctx)
        return port
