"""What forms say to people, in the languages of their pages. What helps with a field stands beside it, in its form."""

from __future__ import annotations

from pydantic import BaseModel

from values import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """One text."""

    french: str
    english: str

    def said(self, language: str) -> str:
        """In "fr" or "en"."""
        return self.french if language == "fr" else self.english


class Help(Words):
    """What a field is for, in a sentence or two."""

    __slots__ = ()


def helps(form: type[BaseModel]) -> dict[str, Help]:
    """The help of each field that has one, by the name of the field."""
    return {
        name: each
        for name, field in form.model_fields.items()
        for each in field.metadata
        if isinstance(each, Help)
    }
