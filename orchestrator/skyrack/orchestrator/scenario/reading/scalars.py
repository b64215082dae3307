"""What a plain word in a scenario means: the YAML 1.2 core schema, not YAML 1.1.

Under 1.1 `no` is false, `12:30` is 750, `1e9` is text and `2026-01-01` a date object. Here `no`, `12:30` and dates
are text and `1e9` is a number, which is what people mean and what editors show. Source: YAML 1.2.2, section 10.3.2.
As in JSON schema, a number without a fraction is whole however it is written: 1e9 and 5.0 are integers.
"""

import re

NULL = re.compile(r"null|Null|NULL|~|")
BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?(\.inf|\.Inf|\.INF)|\.nan|\.NaN|\.NAN"
)
LONGEST_NUMBER = 400  # characters; Python refuses to read integers far beyond this
LARGEST_WHOLE = 2**63 - 1


def plain_value(text: str) -> str | int | float | bool | None:
    """Return what an unquoted word stands for."""
    if NULL.fullmatch(text):
        return None
    if BOOL.fullmatch(text):
        return text.lower() == "true"
    if len(text) > LONGEST_NUMBER:
        return text
    if INT.fullmatch(text):
        whole = int(text, 0) if text[:2] in ("0o", "0x") else int(text)
        return whole if abs(whole) <= LARGEST_WHOLE else float(f"{whole:d}")
    if FLOAT.fullmatch(text):
        number = float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        return int(number) if number.is_integer() and abs(number) <= LARGEST_WHOLE else number
    return text
