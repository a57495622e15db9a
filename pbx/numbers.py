"""Telephone numbers by the rules of a country, by way of the `phonenumbers` library; no other file knows it.

It is imported by what needs it, for it is large, and an office without lines to the outside never does.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from values import dataclass

if TYPE_CHECKING:
    import phonenumbers

NORTH_AMERICA = 1
"""A calling code of many countries: a number that no country owns may cost anything."""
LONGEST_SHORT_NUMBER = 6


class NumberFormat(Enum):
    """How a trunk wants the numbers that it is to call."""

    E164 = "e164"
    """+33612345678"""
    DIGITS = "digits"
    """33612345678"""
    NATIONAL = "national"
    """0612345678, and 004420... for other countries"""
    DIALLED = "dialled"
    """As the outbound rule left it."""


@dataclass(frozen=True, slots=True)
class PhoneNumber:
    """A number outside."""

    digits: str
    """As it was dialled, or as a rule left it."""
    e164: str = ""
    """With its plus; empty for short numbers and others that have no such form."""
    country: str = ""
    """ISO 3166 code of the country that is called; "001" for none ("+800"), empty where that cannot be told."""
    national: str = ""

    def formatted(self, form: NumberFormat) -> str:
        """As a trunk wants it; a number without E.164 form goes out as it is."""
        if not self.e164 or form is NumberFormat.DIALLED:
            return self.digits
        if form is NumberFormat.NATIONAL:
            return self.national
        return self.e164 if form is NumberFormat.E164 else self.e164[1:]

    def __str__(self) -> str:
        return self.e164 or self.digits


@dataclass(frozen=True, slots=True)
class NumberingPlan:
    """The rules of one country (ISO 3166); without one only numbers with a plus are made out."""

    country: str = ""
    international_prefix: str = ""
    """What is dialled for the plus, beside what the country's rules say."""

    def read(self, text: str) -> PhoneNumber:
        """Make out a number that was dialled here, or that a carrier of this country shows."""
        import phonenumbers

        prefix = self.international_prefix
        written = "+" + text[len(prefix) :] if prefix and text.startswith(prefix) else text
        try:
            number = phonenumbers.parse(written, self.country or None, keep_raw_input=True)
        except phonenumbers.NumberParseException:
            return PhoneNumber(text, country=self._country_of_nonsense(written))
        country = self._country(number, written)
        if not phonenumbers.is_possible_number(number):
            return PhoneNumber(text, country=country)
        e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        return PhoneNumber(text, e164, country, self._national(number))

    def is_emergency(self, digits: str) -> bool:
        """Whether the country's rules have this for an emergency number: digits, for the library finds one in *15,
        and in any text around the digits too."""
        if not (self.country and digits.isascii() and digits.isdecimal()):
            return False
        import phonenumbers

        return bool(phonenumbers.is_emergency_number(digits, self.country))

    def _country(self, number: phonenumbers.PhoneNumber, written: str) -> str:
        import phonenumbers

        region = phonenumbers.region_code_for_number(number)
        if region is not None:
            return str(region)
        at_home = number.country_code_source == phonenumbers.CountryCodeSource.FROM_DEFAULT_COUNTRY
        short = len(written) <= LONGEST_SHORT_NUMBER
        return self.country if at_home and (short or number.country_code != NORTH_AMERICA) else ""

    def _country_of_nonsense(self, written: str) -> str:
        """Service numbers of two or three digits are numbers of the country; a plus leads anywhere."""
        return self.country if written.isdigit() and len(written) <= LONGEST_SHORT_NUMBER else ""

    def _national(self, number: phonenumbers.PhoneNumber) -> str:
        """What is dialled within the country."""
        if not self.country:
            return ""
        import phonenumbers

        if number.country_code == phonenumbers.country_code_for_region(self.country):
            text = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
        else:
            text = phonenumbers.format_out_of_country_calling_number(number, self.country)
        return "".join(character for character in text if character.isdigit())


def is_country(code: str) -> bool:
    """Whether this is the ISO 3166 code of a country with telephones."""
    import phonenumbers

    return code in phonenumbers.SUPPORTED_REGIONS
