"""Names: how they look, how catalogue names are made into them, and what somebody may have meant."""

import difflib
import re
from collections.abc import Collection

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789-"
MANY = 2000
LONGEST_NAME = 32  # a name is part of a Unix socket's path, which holds 107 bytes in all
NAME_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$"


def slug(text: str) -> str:
    """Return a catalogue name as a node name: 'IRIDIUM 7 [-]' is iridium-7; may be empty."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:LONGEST_NAME].strip("-")


def closest(word: str, known: Collection[str]) -> str | None:
    """Return "did you mean 'x'?" for the most similar known word, None when nothing is near.

    Among equals the one that begins alike wins. In more than MANY words only those one letter away are looked for:
    comparing with each would take 0.2 s per question at 10,000 words.
    """
    word = word.lower()[:80]
    if len(known) > MANY:
        near = [candidate for candidate in _one_letter_away(word) if candidate in known]
    else:
        folded = {candidate.lower(): candidate for candidate in known}
        near = [folded[match] for match in difflib.get_close_matches(word, folded, n=24, cutoff=0.6)]
    if not near:
        return None

    def likeness(candidate: str) -> tuple[float, int]:
        ratio = difflib.SequenceMatcher(None, word, candidate.lower()).ratio()
        same = [a == b for a, b in zip(word, candidate.lower(), strict=False)]
        return round(ratio, 6), (*same, False).index(False)

    return f"did you mean '{max(sorted(near), key=likeness)}'?"


def _one_letter_away(word: str) -> set[str]:
    """Return every word made from this by one letter more, less or other, or two neighbours swapped."""
    splits = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    fewer = {a + b[1:] for a, b in splits if b}
    swapped = {a + b[1] + b[0] + b[2:] for a, b in splits if len(b) > 1}
    other = {a + letter + b[1:] for a, b in splits if b for letter in LETTERS}
    more = {a + letter + b for a, b in splits for letter in LETTERS}
    return fewer | swapped | other | more


def walker_names(prefix: str, planes: int, slots: int) -> list[str]:
    """Return plane-slot names in order: p0s00, p0s01, ...; slots take the digits the last one needs, two at least."""
    digits = max(2, len(str(slots - 1)))
    return [f"{prefix}p{plane}s{slot:0{digits}d}" for plane in range(planes) for slot in range(slots)]
