"""What somebody may have meant by a word that nothing has."""

import difflib
from collections.abc import Collection

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789-"
MANY = 2000


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
