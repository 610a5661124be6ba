"""The words a decoder may say: counted in training sentences, numbered, and turned back into readable sentences."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from untrimmed.files import write_text
from untrimmed.records import DataError

Tokenize = Callable[[Sequence[str]], list[list[str]]]
"""Sentences to lower-case Penn-Treebank tokens without punctuation, one list a sentence, as the metrics see them."""

START, END, UNKNOWN = 0, 1, 2
"""Numbers of the three signs that stand before all words: begin of a sentence, its end, a word that is too rare."""

SIGNS = ("<start>", "<end>", "<unknown>")

_JOINED = frozenset({"n't", "'s", "'m", "'re", "'ve", "'ll", "'d"})
_BRACKETS = {"-lrb-": "(", "-rrb-": ")", "-lsb-": "[", "-rsb-": "]", "-lcb-": "{", "-rcb-": "}"}
_MOST_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Vocabulary:
    """Numbered words.

    Attributes:
        words: by number; the first three are SIGNS.
    """

    words: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.words[: len(SIGNS)] != SIGNS:
            raise DataError(f"a vocabulary must begin with {' '.join(SIGNS)}, got {' '.join(self.words[:3])!r:.60}")
        if len(set(self.words)) != len(self.words):
            twice = next(word for word, count in Counter(self.words).items() if count > 1)
            raise DataError(f"words of a vocabulary must be distinct, got {twice!r} more than once")
        object.__setattr__(self, "_numbers", {word: number for number, word in enumerate(self.words)})

    @classmethod
    def of(cls, sentences: Iterable[Sequence[str]], *, minimum_count: int = 4) -> "Vocabulary":
        """The words that occur often enough, the most frequent first, equals in alphabetical order.

        Args:
            sentences: tokens of the training sentences. Sentences that a system is scored on do not belong here.
            minimum_count: occurrences from which a word is kept, >= 1. Report 22 gives none; 4 is the usual value
                on ActivityNet Captions (4,390 words of the 10,637 in its training part), 5 that of LSTM-A on COCO.

        Raises:
            DataError: when no word is left.
        """
        counts = Counter(token for tokens in sentences for token in tokens)
        kept = [word for word, count in counts.items() if count >= minimum_count and word not in SIGNS]
        if not kept:
            raise DataError(
                f"a vocabulary needs a word that occurs {minimum_count} times or more, got none among {len(counts)}"
            )
        return cls((*SIGNS, *sorted(kept, key=lambda word: (-counts[word], word))))

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, tokens: Iterable[str]) -> tuple[int, ...]:
        """Numbers of the words; UNKNOWN for those that are not in the vocabulary. No start and no end sign is added."""
        numbers: dict[str, int] = self._numbers  # type: ignore[attr-defined]
        return tuple(numbers.get(token, UNKNOWN) for token in tokens)

    def decode(self, numbers: Iterable[int]) -> tuple[str, ...]:
        """Words of the numbers up to the first end sign; start signs are left out."""
        words: list[str] = []
        for number in numbers:
            if number == END:
                break
            if number != START:
                words.append(self.words[number])
        return tuple(words)

    def sentence(self, numbers: Iterable[int]) -> str:
        """The numbers as a sentence for people; see readable."""
        return readable(self.decode(numbers))

    def save(self, path: Path) -> None:
        """Write the words as JSON; the file appears complete or not at all."""
        write_text(path, json.dumps({"words": self.words}, ensure_ascii=False))

    @classmethod
    def load(cls, path: Path) -> "Vocabulary":
        """The vocabulary that save wrote.

        Raises:
            DataError: when the file does not hold one.
        """
        if path.stat().st_size > _MOST_BYTES:
            raise DataError(f"a vocabulary must have at most {_MOST_BYTES} bytes, got {path.stat().st_size} ({path})")
        try:
            plain = json.loads(path.read_text(encoding="utf-8"))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise DataError(f"a vocabulary must be JSON, got {error} ({path})") from error
        words = plain.get("words") if isinstance(plain, dict) else None
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise DataError(f'a vocabulary must be {{"words": [text, ...]}}, got {str(plain)!r:.60} ({path})')
        return cls(tuple(words))


def readable(tokens: Iterable[str]) -> str:
    """Tokens as a sentence: contractions joined, brackets back, a capital in front and a full stop at the end.

    Tokenizing the sentence gives the tokens again, so that no score depends on it; a last word of a single letter gets
    no full stop, since it would be taken for an abbreviation.
    """
    words: list[str] = []
    for token in tokens:
        if token in _JOINED and words:
            words[-1] += token
        else:
            words.append(_BRACKETS.get(token, token))
    text = " ".join(words)
    if not text:
        return ""
    done = text.endswith((".", "!", "?")) or (len(words[-1]) == 1 and words[-1].isalpha())
    return text[0].upper() + text[1:] + ("" if done else ".")
