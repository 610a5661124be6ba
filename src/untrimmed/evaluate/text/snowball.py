"""The stem of an English word: Snowball's English stemmer ("Porter2") as it was before release 3.0.

Endings are taken off in steps, each only inside a region: R1 is what lies behind the first non-vowel that follows a
vowel, R2 the same inside R1. METEOR 1.5 stems with this state of the algorithm; release 3.0 changed words such as
"adding" and "evening".

Source: snowballstem.org/algorithms/english/stemmer.html, without its changes since 2024.
"""

from collections.abc import Iterable

VOWELS = frozenset("aeiouy")
_DOUBLES = frozenset(("bb", "dd", "ff", "gg", "mm", "nn", "pp", "rr", "tt"))
_BEFORE_LI = frozenset("cdeghkmnrt")
_EARLY_REGION = ("gener", "commun", "arsen")

_WHOLE_WORDS = {
    "skis": "ski",
    "skies": "sky",
    "dying": "die",
    "lying": "lie",
    "tying": "tie",
    "idly": "idl",
    "gently": "gentl",
    "ugly": "ugli",
    "early": "earli",
    "only": "onli",
    "singly": "singl",
} | {word: word for word in ("sky", "news", "howe", "atlas", "cosmos", "bias", "andes")}
_DONE_AFTER_PLURAL = frozenset(("inning", "outing", "canning", "herring", "earring", "proceed", "exceed", "succeed"))


def _longest_first(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(pairs, key=lambda pair: -len(pair[0])))


def _read(table: str) -> tuple[tuple[str, str], ...]:
    return _longest_first((ending, new) for row in table.split() for ending, new in [row.split(":")])


_STEP_2 = _read(
    "tional:tion enci:ence anci:ance abli:able entli:ent izer:ize ization:ize ational:ate ation:ate ator:ate alism:al "
    "aliti:al alli:al fulness:ful ousli:ous ousness:ous iveness:ive iviti:ive biliti:ble bli:ble ogi:og fulli:ful "
    "lessli:less li:"
)
_STEP_3 = _read("tional:tion ational:ate alize:al icate:ic iciti:ic ical:ic ful: ness: ative:")
_STEP_4 = _read("al: ance: ence: er: ic: able: ible: ant: ement: ment: ent: ism: ate: iti: ous: ive: ize: ion:")


def stem(word: str) -> str:
    """The stem of a word in small letters; words of one or two letters stay."""
    if len(word) <= 2:
        return word
    if word in _WHOLE_WORDS:
        return _WHOLE_WORDS[word]
    word = _mark_consonant_y(word.removeprefix("'"))
    first = next((len(start) for start in _EARLY_REGION if word.startswith(start)), _region(word, 0))
    second = _region(word, first)
    word = _plural(_possessive(word))
    if word in _DONE_AFTER_PLURAL:
        return word
    word = _final_y(_past(word, first))
    word = _replace(word, _STEP_2, first, second)
    word = _replace(word, _STEP_3, first, second)
    word = _replace(word, _STEP_4, second, second)
    if word.endswith("e"):
        if len(word) > second or (len(word) > first and not _ends_short(word[:-1])):
            word = word[:-1]
    elif word.endswith("ll") and len(word) > second:
        word = word[:-1]
    return word.replace("Y", "y")


def _mark_consonant_y(word: str) -> str:
    """A y at the start or behind a vowel is a consonant and written Y."""
    if "y" not in word:
        return word
    letters = list(word)
    for place, letter in enumerate(letters):
        if letter == "y" and (place == 0 or letters[place - 1] in VOWELS):
            letters[place] = "Y"
    return "".join(letters)


def _region(word: str, start: int) -> int:
    """Where the region behind the first non-vowel after a vowel begins, searched from start."""
    for place in range(start + 1, len(word)):
        if word[place] not in VOWELS and word[place - 1] in VOWELS:
            return place + 1
    return len(word)


def _ends_short(word: str) -> bool:
    """Whether a word ends in a short syllable."""
    if len(word) == 2:
        return word[0] in VOWELS and word[1] not in VOWELS
    if len(word) < 3:
        return False
    before, vowel, last = tuple(word[-3:])
    return before not in VOWELS and vowel in VOWELS and last not in VOWELS and last not in "wxY"


def _possessive(word: str) -> str:
    for ending in ("'s'", "'s", "'"):
        if word.endswith(ending):
            return word.removesuffix(ending)
    return word


def _plural(word: str) -> str:
    if word.endswith("sses"):
        return word[:-2]
    if word.endswith(("ied", "ies")):
        return word[:-2] if len(word) > 4 else word[:-1]
    if word.endswith("s") and not word.endswith(("us", "ss")) and not VOWELS.isdisjoint(word[:-2]):
        return word[:-1]
    return word


def _past(word: str, first: int) -> str:
    for ending in ("eedly", "ingly", "edly", "eed", "ing", "ed"):
        if not word.endswith(ending):
            continue
        rest = word.removesuffix(ending)
        if ending.startswith("ee"):
            return rest + "ee" if len(rest) >= first else word
        if VOWELS.isdisjoint(rest):
            return word
        if rest.endswith(("at", "bl", "iz")):
            return rest + "e"
        if rest[-2:] in _DOUBLES:
            return rest[:-1]
        return rest + "e" if len(rest) <= first and _ends_short(rest) else rest
    return word


def _final_y(word: str) -> str:
    if len(word) > 2 and word[-1] in "yY" and word[-2] not in VOWELS:
        return word[:-1] + "i"
    return word


def _replace(word: str, table: tuple[tuple[str, str], ...], region: int, second: int) -> str:
    """The longest ending of a table is replaced if it lies in the region and what it asks for is there."""
    for ending, new in table:
        if word.endswith(ending):
            rest = word.removesuffix(ending)
            fits = len(rest) >= region
            if ending == "ogi":
                fits &= rest.endswith("l")
            elif ending == "li":
                fits &= rest[-1:] in _BEFORE_LI
            elif ending == "ative":
                fits &= len(rest) >= second
            elif ending == "ion":
                fits &= rest.endswith(("s", "t"))
            return rest + new if fits else word
    return word
