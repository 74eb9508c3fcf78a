"""The base of every group of settings, and the words in which a wrong value is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """A frozen group of settings; an unknown key is an error, and so is a value of another type or an infinite one."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


_WANTED = {
    "string_type": "text in quotation marks",
    "string_sub_type": "text in quotation marks",
    "string_unicode": "text in UTF-8",
    "string_too_short": "text that is not empty",
    "string_too_long": "text of at most {max_length} characters",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list in square brackets",
    "too_short": "a list of at least {min_length}",
    "too_long": "a list of at most {max_length}",
    "dict_type": "a table of key = value",
    "model_type": "a table of key = value",
    "model_attributes_type": "a table of key = value",
    "greater_than": "a number above {gt:g}",
    "greater_than_equal": "a number of at least {ge:g}",
    "less_than": "a number below {lt:g}",
    "less_than_equal": "a number of at most {le:g}",
    "missing": "this key, which is missing",
    "extra_forbidden": "no such key",
}


_NAMED = {"literal_error": "expected", "union_tag_invalid": "expected_tags"}  # the words that there are, by context


def wanted(error: Mapping[str, Any]) -> str:
    """Return what a wrong value should be, as a noun phrase for people who do not know pydantic.

    Args:
        error: one of `ValidationError.errors()`, with its context.

    Example:
        >>> wanted({"type": "greater_than_equal", "ctx": {"ge": 1}, "msg": "..."})
        'a number of at least 1'
    """
    kind, context = error["type"], error.get("ctx", {})
    if kind in _NAMED:
        words = re.sub(r"'([^']*)'", r'"\1"', str(context[_NAMED[kind]]))
        return words if " or " in words else " or ".join(words.rsplit(", ", 1))
    if kind in _WANTED:
        return _WANTED[kind].format(**context)
    message = str(error["msg"]).removeprefix("Value error, ").rstrip(".")
    return message[0].lower() + message[1:] if message[:1].isupper() and message[1:2].islower() else message
