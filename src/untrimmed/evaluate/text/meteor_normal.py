"""The words METEOR 1.5 sees of a sentence (its option -norm for English): signs split off, small letters.

Letters are those of Latin and Cyrillic alphabets; any other sign is a word of its own. A match takes the letters beside
a dash, a comma or an apostrophe with it, so of two such places that share a letter only the first counts
("white-t-shirt" gives "white" and "t-shirt").
"""

import re
from collections.abc import Mapping

_PLAIN = re.compile(r"[a-z0-9 ]*")
_LETTERS = r"a-zA-Z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u017e\u0400-\u0527\u1d00-\u1d7f\ua640-\ua66e\ua67e-\ua697"

_STEPS = tuple(
    (re.compile(pattern, re.ASCII), new)
    for pattern, new in (
        (rf"([^{_LETTERS}0-9\s.'`,\-\u2018\u2019])", r" \1 "),
        (r"(\.{2,})", r" \1 "),
        (r"(\D),(\D)", r"\1 , \2"),
        (r"(\d),(\D)", r"\1 , \2"),
        (r"(\D),(\d)", r"\1 , \2"),
        (r"[`\u2018\u2019]", "'"),
        (r"''|[\u201c\u201d]", ' " '),
        (r"\u2013|--", "-"),
        (rf"([{_LETTERS}0-9.])-([{_LETTERS}0-9])", r"\1 \2"),
        (rf"([^{_LETTERS}])'([^{_LETTERS}])", r"\1 ' \2"),
        (rf"([^{_LETTERS}0-9])'([{_LETTERS}])", r"\1 ' \2"),
        (rf"([{_LETTERS}])'([^{_LETTERS}])", r"\1 ' \2"),
        (rf"([{_LETTERS}])'([{_LETTERS}])", r"\1 '\2"),
        (r"(\d)'s", r"\1 's"),
    )
)
_ENDS = "".join(map(chr, range(33)))
_BLANKS = re.compile(r"\s+", re.ASCII)
_OTHER_BLANKS = re.compile(r"[\u00a0\u2000-\u200a\u202f\u205f\u3000]")
_LETTER = re.compile(f"[{_LETTERS}]")


def one_line(sentence: str) -> str:
    """A sentence without separators and line breaks; two blanks become one, as the usual wrapper does."""
    return " ".join(sentence.replace("|||", "").splitlines()).replace("  ", " ")


def words(sentence: str, *, abbreviations: Mapping[str, bool]) -> list[str]:
    """Words of a sentence in small letters.

    Args:
        sentence: one line of text.
        abbreviations: words that keep a final dot; True if only before a number.
    """
    if _PLAIN.fullmatch(sentence):
        return sentence.split()
    text = f" {sentence} "
    for pattern, new in _STEPS:
        text = pattern.sub(new, text)
    parts = [part for part in _BLANKS.split(text) if part]
    found = [_dots(part, following, abbreviations) for part, following in zip(parts, [*parts[1:], ""], strict=True)]
    # Blanks beyond ASCII were words so far; other control characters stay words, but not at the ends.
    text = _OTHER_BLANKS.sub(" ", " ".join(found)).strip(_ENDS)
    return [word.lower() for word in text.split(" ") if word]


def _dots(part: str, following: str, abbreviations: Mapping[str, bool]) -> str:
    """A word with its final dot, without any dots ("u.s." is "us"), or the dot as a word of its own."""
    rest = part.removesuffix(".")
    if rest == part or not rest or set(rest) == {"."}:
        return part
    if "." in rest and _LETTER.search(rest):
        return part.replace(".", "")
    numeric_only = abbreviations.get(rest)
    first = following[:1] if following[:1].isascii() else ""
    if first.islower() or numeric_only is False or (numeric_only and first.isdigit()):
        return part
    return f"{rest} ."
