"""Sentences to tokens as the official caption scorers see them: Penn Treebank style, lower case, punctuation dropped.

The official programs start a Java tokenizer (CoreNLP 3.4.1). The rules here are our own regular expressions, found by
comparing what goes in and what comes out, and need no Java. On the 83,925 distinct sentences of ActivityNet Captions,
YouCook2 and published predictions for them they give the same tokens.
"""

import re
from collections.abc import Iterator, Sequence

# What the caption scorers drop. Brackets stay: the official list has them in capitals, the tokenizer in small letters.
DROPPED = frozenset(
    ["''", "'", "``", "`", "-LRB-", "-RRB-", "-LCB-", "-RCB-", ".", "?", "!", ",", ":", "-", "--", "...", ";"]
)
_DROPPED_AS_WRITTEN = DROPPED | {'"'}  # the tokenizer turns a double quote into `` or ''

_BRACKETS = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
_ENTITIES = {"&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'", "&nbsp;": " "}
_BRACKET = re.compile(r"[()\[\]{}]")
_ENTITY = re.compile("|".join(_ENTITIES), re.IGNORECASE)
_BEYOND_ASCII = re.compile(r"[^\x21-\x7e]")

# Written as one word, two tokens in the treebank.
_FUSED = {pair.replace(" ", ""): pair.split() for pair in ("can not", "gon na", "wan na", "got ta", "gim me", "lem me")}

# Abbreviations that keep their dot, always, or only before a number.
_KEEPS_DOT = (
    "jan feb mar apr jun jul aug sep sept oct nov dec mon tue tues wed thu thurs fri ala ariz calif colo conn "
    "ct dak fla ga ind kan ky md mich minn mo mont neb nev okla penn tenn va vt wis wyo mr mrs ms dr drs prof "
    "profs messrs mlle mme pres supt insp adm cmdr maj pvt cpl det atty hon esq spc rep reps sen sens lt gen "
    "col capt sgt gov rev jr sr st mt ft rd ave blvd sq inc co cos corp ltd plc pty cie bros bldg assn dept "
    "univ est ext tel natl intl mfg ste adj adv treas seq etc vs al cf"
)
_KEEPS_DOT_IF_CAPITAL = "Tex|Del|Ark|Ill|Mass|Miss|Ore|Wash|La|Pa|Az"
_KEEPS_DOT_BEFORE_NUMBER = "no nos pp op fig figs art ca"
# Behind a single letter with a dot, these begin a new sentence, and the letter loses its dot.
_STARTERS = (
    "A About After An As At But He Her Here However If In It Last Many More Now Once One Other Our She Since So Some "
    "Such That The Their Then There These They This We What When While Yet You"
)

_NUMBER = r"(?:\d+(?:[.,:]\d+)*|[.,:]\d+(?:[.,:]\d+)*)"
_LETTERS = r"(?:(?!n'ts?(?!\w))[a-z0-9])+"
_UNIT = rf"(?:\d+(?:[.,:]\d+)+|{_LETTERS})"

# One token at the place where the scan stands: the first alternative that matches.
_SPLIT_OFF = r"(?:s|m|d|re|ve|ll)(?!\w)"
_TOKEN = re.compile(
    rf"""
      # tags, links, addresses
      </?[a-z][\w:.-]*(?:\s+[a-z][\w:.-]*(?:\s*=\s*(?:'[^']*'|"[^"]*"|[\w.:-]+))?)*\s*/?>
    | https?://[^\s"<>|()]*[^\s"<>|.!?(),;:'-]
    | [a-z0-9][\w.+-]*@[a-z0-9-]+(?:\.[a-z0-9-]+)*
      # phone numbers; 7 1/2
    | \(\d{{2,3}}\)[ ]?\d{{3,4}}[ -]?\d{{3,5}}(?!\w)
    | \+*(?:\d{{2,4}}[ -])?\d{{2,4}}[ -]\d{{3,4}}[ -]?\d{{3,5}}(?![\w/])
    | \d+[ -]\d+/\d+(?![\w/])
      # smileys
    | [<>]?[:;=](?:[o*'-]?[()DPO3|\\\[\]]|[p])(?!\w) | \^_\^ | -_-
      # 'n', '90s, 'em; 't is
    | 'n' | '(?:\d0s|\d\d(?!")|n|em|til|cause)(?![\w']) | '(?=(?:tis|twas)(?!\w))t
      # quotes; what is split off a word
    | '' | `` | '{_SPLIT_OFF} | n'ts?(?!\w)
      # there'a, Hawai'ian
    | [a-z]+(?<=[aeiouy])'[aeiouy](?!\w|')
    | [a-z]+(?<=[aeiouy])'(?=[aeiouy])(?!(?:em|til|all)(?!\w))[a-z]{{2,}}
      # U.S., e.g., Ph.D.; initials; abbreviations
    | [a-z]\.[a-z](?!\w)(?:\.[a-z](?!\w))*\.? | ph\.d\.? | [bm]\.sc\.? | ed\.d\.?
    | [a-z]\.(?![a-z])(?!\s+(?-i:{"|".join(_STARTERS.split())})(?:\s|$))
    | (?:{"|".join(_KEEPS_DOT.split())})\.(?!\w)
    | (?-i:(?:{_KEEPS_DOT_IF_CAPITAL}|{_KEEPS_DOT_IF_CAPITAL.upper()})\.)(?!\w)
    | (?:{"|".join(_KEEPS_DOT_BEFORE_NUMBER.split())})\.(?=\s*\d)
      # C++, C#; US$
    | c\+\+ | [cf]\#
    | (?-i:US|HK|NZ|C|A|S|R|M)?\$
      # d'or, o'clock, ma'am; y' all
    | (?:(?-i:[A-HJ-XZ])|[dlon]|s(?='more)|c(?='mon))'(?!{_SPLIT_OFF}|t(?!\w)|n')[a-z][a-z0-9]*
    | ma'am(?!\w)
    | (?:y|j|qu)'(?=[a-z])
      # 3.5; @home; and/or, 1/2-inch; on-stage; R&B
    | \d+(?:[.,:]\d+)+(?![-/]\w)
    | [@\#][a-z]\w*
    | {_UNIT}(?:/{_UNIT}){{1,2}}(?:-{_UNIT})*
    | {_UNIT}(?:[-_]{_UNIT})+
    | (?:{_UNIT}(?:[-/]{_UNIT})*)\.(?=[,;:])
    | (?-i:[A-Z]+&[A-Z]+(?![a-z0-9]))
      # end.then; words; numbers; signs
    | [a-z](?:{_LETTERS})?(?:[.!?][a-z]{_LETTERS})+
    | {_LETTERS}
    | [-+]\d+(?:[.,:]\d+)*
    | (?<![a-z0-9]){_NUMBER} | [,:]\d+(?:[.,:]\d+)*
    | [?!]+ | \.+ | -+ | \*+ | ~+ | _+ | \#+ | @+ | << | >> | <= | >=
    | .
    """,
    re.VERBOSE | re.IGNORECASE,
)


def tokenize(sentences: Sequence[str]) -> list[list[str]]:
    """Tokens of each sentence, lower case, without punctuation.

    What is not ASCII counts as a blank. A fraction or a phone number is one token with no-break spaces inside, so join
    and split tokens at plain blanks only (BLEU and CIDEr split there all the same).

    Args:
        sentences: raw text; line breaks count as blanks.

    Returns:
        One list of tokens a sentence, empty if nothing but punctuation is in it.

    Source: the PTB step of coco-caption, which every official caption scorer runs first.
    """
    return [list(_tokens(sentence)) if (plain := _plain_tokens(sentence)) is None else plain for sentence in sentences]


# Nine of ten captions: words and commas, one dot at the end of a word that is no abbreviation. Ten times faster.
_PLAIN = re.compile(r"\s*([A-Za-z]+(?:[ ,]+[A-Za-z]+)*)\s*(\.?)\s*")
_ENDINGS = frozenset((*_KEEPS_DOT.split(), *_KEEPS_DOT_IF_CAPITAL.lower().split("|"), *"abcdefghijklmnopqrstuvwxyz"))


def _plain_tokens(sentence: str) -> list[str] | None:
    found = _PLAIN.fullmatch(sentence)
    if found is None:
        return None
    words = found.group(1).lower().replace(",", " ").split()
    if (found.group(2) and words[-1] in _ENDINGS) or not _FUSED.keys().isdisjoint(words):
        return None
    return words


def _tokens(sentence: str) -> Iterator[str]:
    text = _BEYOND_ASCII.sub(" ", sentence)
    if "&" in text:
        text = _ENTITY.sub(lambda found: _ENTITIES[found.group().lower()], text)
    for found in _TOKEN.finditer(text):
        token = found.group().lower()
        if token == " " or token in _DROPPED_AS_WRITTEN:
            continue
        if token in _FUSED and text[found.end() : found.end() + 1] not in ("'", "-"):
            yield from _FUSED[token]
            continue
        if not token.isalnum():
            token = _BRACKET.sub(lambda found: _BRACKETS[found.group()], token).replace(" ", "\xa0")
            if set(token) <= {".", "-"}:
                continue
        yield token
