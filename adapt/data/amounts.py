"""Numbers as people and spreadsheets write them: `1,234.50`, `45 %`, `$3.50`."""

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

_SHARES = ("%", "‰")
_AMOUNT = re.compile(
    r"(?P<sign>[-+]?)\s*(?P<before>[^\w\s.,+-]?)\s*(?P<inner>[-+]?)(?P<number>(?:\d[\d.,]*|\.\d+)(?:[eE][-+]?\d+)?)"
    r"\s*(?P<after>[^\w\s.,+-]?)"
)
_GROUPED = re.compile(r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d*)?")
_DECIMAL_COMMA = re.compile(r"(?:\d+|[1-9]\d{0,2}(?:\.\d{3})+)(?:,\d+)?(?:[eE][-+]?\d+)?")


class Written(NamedTuple):
    """How the numbers of a column are written.

    Attributes:
        unit: A sign of currency or of a share, such as `$` or `%`; empty where there is none.
        grouped: Whether commas stand between thousands.
    """

    unit: str = ""
    grouped: bool = False


class _Amount(NamedTuple):
    unit: str
    sign: str
    number: str


def read_amount(text: str, written: Written) -> float | None:
    """A cell as a number, None where it is none of those that its column holds.

    A share without its sign may be one of 1 or of 100, and is none; a price may lack its currency.

    Args:
        text: The cell.
        written: How the column is written.
    """
    found = _parts(text)
    if found is None or (found.unit != written.unit and (found.unit or written.unit in _SHARES)):
        return None
    number = found.number.replace(",", "") if written.grouped and _GROUPED.fullmatch(found.number) else found.number
    try:
        return float(found.sign + number)
    except ValueError:
        return None


def how_written(texts: Sequence[str]) -> Written | None:
    """How a column of numbers is written, None where that is not certain, or some are no numbers.

    `1,234` alone may be 1234 or 1.234. Thousands are certain where another cell has two commas, or a point, or is a
    whole number below 1000: with decimal commas it would have decimals, too.

    Args:
        texts: The cells that have a value.
    """
    found = [_parts(text) for text in texts]
    amounts = [each for each in found if each is not None]
    if not amounts or len(amounts) < len(found):
        return None
    numbers = [each.number for each in amounts]
    grouped = any("," in number for number in numbers)
    if grouped and not all("," not in number or _GROUPED.fullmatch(number) for number in numbers):
        return None
    if grouped and not any(number.count(",") > 1 or "." in number for number in numbers):
        whole = [int(number) for number in numbers if number.isdecimal()]
        if not whole or max(whole) >= 1000:
            return None
    units = {each.unit for each in amounts}
    unit = max(units)
    written = Written(unit, grouped)
    return written if all(read_amount(text, written) is not None for text in texts) else None


def looks_like_amount(text: str) -> bool:
    """Whether a person may mean a number by a cell that is written with commas, a unit or brackets."""
    inside = text[1:-1] if text[:1] == "(" and text[-1:] == ")" else text
    found = _parts(re.sub(r"(?<=\d)[ \u00a0\u202f'’](?=\d{3})", ",", inside))
    return found is not None and ("," in found.number or bool(found.unit) or inside != text)


def with_points(texts: list[str]) -> list[str]:
    """Numbers with decimal commas as such with points; a column that holds anything else as it is.

    Args:
        texts: Cells of a file that has another separator than commas.
    """
    found = [_parts(text) for text in texts if text]
    if not any(each is not None and "," in each.number for each in found):
        return texts
    if not all(each is not None and _DECIMAL_COMMA.fullmatch(each.number) for each in found):
        return texts
    if (certain := how_written([text for text in texts if text])) is not None and certain.grouped:
        return texts  # thousands, as spreadsheets write them between tabs, too
    # Only what a comma tells: `1.234` in a column without one is no thousand.
    return [_pointed(text) for text in texts]


def _pointed(text: str) -> str:
    found = _parts(text)
    return text if found is None else text.replace(found.number, found.number.replace(".", "").replace(",", "."))


def _parts(text: str) -> _Amount | None:
    match = _AMOUNT.fullmatch(text.strip().replace("−", "-"))
    if match is None:
        return None
    before, after = match["before"], match["after"]
    sign = match["sign"] or match["inner"]
    odd = (before and after) or (match["sign"] and match["inner"]) or (before and not _is_currency(before))
    if odd or (after and not (_is_currency(after) or after in _SHARES)):
        return None
    return _Amount(before or after, sign, match["number"])


def _is_currency(sign: str) -> bool:
    return unicodedata.category(sign) == "Sc"
