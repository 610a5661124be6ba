"""Which METEOR is asked: the one in Python, or the Java program it is compared with. Both give the same figures."""

from collections.abc import Sequence
from typing import Literal

from untrimmed.evaluate.text.meteor import Meteor, Progress, Statistics

Name = Literal["python", "java"]

_python: Meteor | None = None


def shared(name: Name = "python", *, progress: Progress | None = None) -> Meteor:
    """The METEOR of this Python process: one memory of pairs for all who ask.

    Args:
        name: "python" needs METEOR's tables only, "java" runs its program, which takes 5 seconds and 0.6 GB more.
        progress: who is told how far new pairs are, from now on; None for nobody.

    Raises:
        MissingExtra: on first use, when the tables, or Java, are not installed.
        DataError: on first use, when the tables cannot be written into the cache folder.
    """
    global _python
    if name == "java":
        from untrimmed.evaluate.text import java

        return java.shared(progress=progress)

    def backend(pairs: Sequence[tuple[str, str]]) -> Statistics:
        from untrimmed.evaluate.text import meteor_python

        return meteor_python.statistics(pairs, progress=progress)

    if _python is None:
        _python = Meteor(backend)
    _python.backend = backend
    return _python
