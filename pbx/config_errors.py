"""What is wrong with a configuration, said so that an administrator can put it right.

Values are never repeated: one of them may be a password.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from values import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to put right: the key, as in `sip.udp_port` or `extensions[0].number`, and what to do."""

    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.key}: {self.message}" if self.key else self.message


class ConfigError(Exception):
    """A configuration that cannot be used. As text: one line for each problem."""

    def __init__(self, *problems: Problem, file: Path | None = None) -> None:
        super().__init__(*problems)
        self.problems = problems
        self.file = file

    def __str__(self) -> str:
        place = f"{self.file}: " if self.file else ""
        return "\n".join(f"{place}{problem}" for problem in self.problems)

    def in_file(self, file: Path) -> ConfigError:
        """The same, said of a file."""
        return ConfigError(*self.problems, file=file)


def explain(error: ValidationError, model: type[BaseModel], data: Mapping[str, Any]) -> Iterator[Problem]:
    """The problems that pydantic found when it made a `model` of `data`: one for each key.

    Where a value may be this or that, pydantic tells for each of them why it is not; what lies deepest was meant.
    """
    found: dict[str, tuple[str, dict[str, None]]] = {}
    for detail in error.errors(include_url=False, include_input=False, include_context=False):
        place = _without_tags(detail["loc"], data)
        remedies = found.setdefault(_key(place), (_whose(place, data), {}))[1]
        remedies[_remedy(detail["type"], detail["msg"], place, model)] = None
    for key, (whose, remedies) in found.items():
        if not any(other.startswith((f"{key}.", f"{key}[")) for other in found):
            yield Problem(key, whose + ", or ".join(remedies))


def _without_tags(place: Sequence[str | int], data: Any) -> list[str | int]:
    """A place without what pydantic calls the alternatives on the way, such as "literal[0]": no file has such keys."""
    keys: list[str | int] = []
    for step in place:
        try:
            data = data[step]
        except (LookupError, TypeError):
            if isinstance(step, str) and _TAG.fullmatch(step):
                continue
            data = None  # what is missing has its place, too
        keys.append(step)
    return keys


_TAG = re.compile(r"\[key\]|(literal|dict|list|tuple)\[.*\]|constrained-\w+|str|int|float|bool")

_REMEDIES = {
    "missing": "is missing, add it",
    "string_type": "should be a text in quotes",
    "int_type": "should be a whole number, without quotes",
    "float_type": "should be a number, without quotes",
    "float_parsing": "should be a number, without quotes",
    "bool_type": "should be true or false, without quotes",
    "model_type": "should be a table of keys",
    "tuple_type": "should be a list in brackets",
    "dict_type": "should be a table of keys",
}


def _remedy(kind: str, message: str, place: Sequence[str | int], model: type[BaseModel]) -> str:
    if kind == "extra_forbidden":
        return _unknown_key(str(place[-1]), _keys_beside(place, model))
    if kind in _REMEDIES:
        return _REMEDIES[kind]
    return re.sub("^Value error, |^[A-Z][a-z]+ (?=should )", "", message)


def _unknown_key(key: str, known: Sequence[str]) -> str:
    import difflib  # for those who mistype alone

    similar = difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean {similar[0]}?" if similar else f"known here: {', '.join(known)}"
    return f"unknown key, {hint}"


def _keys_beside(place: Sequence[str | int], model: type[BaseModel]) -> list[str]:
    """The keys that may stand where the last element of `place` stands."""
    for step in place[:-1]:
        if isinstance(step, str) and step in model.model_fields:
            model = _model_within(model.model_fields[step].annotation) or model
    return sorted(model.model_fields)


def _model_within(annotation: Any) -> type[BaseModel] | None:
    """The model in an annotation such as `Sip` or `tuple[Extension, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    candidates: Iterable[Any] = getattr(annotation, "__args__", ())
    return next((model for part in candidates if (model := _model_within(part))), None)


def _key(place: Sequence[str | int]) -> str:
    parts = (f"[{step}]" if isinstance(step, int) else f".{_quoted(step)}" for step in place)
    return "".join(parts).removeprefix(".")


def _quoted(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else ascii(key)


def _whose(place: Sequence[str | int], data: Mapping[str, Any]) -> str:
    """Which extension a place in the list of extensions belongs to, as far as that can be told."""
    match place:
        case ["extensions", int(index), str(key), *_] if key != "number":
            number = data["extensions"][index].get("number")
            return f"(extension {number}) " if isinstance(number, str) and number.isdigit() else ""
    return ""
