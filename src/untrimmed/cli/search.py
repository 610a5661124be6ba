"""untrimmed search WORDS FOLDER: find the second of a video where something is said to happen."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from untrimmed.cli.arguments import parse


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Search the captions, actions and classes that were found, best first, each with a link to its second.

    The index search.sqlite is kept in FOLDER and made again when the results there change. Nothing found exits with 1.
    """

    words: tyro.conf.Positional[str]
    """What is looked for, in quotes: "opens a door". Endings of words do not count (opens finds opening)."""
    folder: tyro.conf.Positional[Path] = Path("analysis")
    """What `untrimmed analyze` wrote, or a folder of such folders."""
    limit: int = 20
    """Most hits."""
    phrase: bool = False
    """Whether the words must follow each other."""
    json: bool = False
    """Print JSON for other programs."""


def call(words: list[str]) -> int:
    """Run the command; see Arguments."""
    arguments = parse(Arguments, words, command="search")
    from untrimmed.report.search import BEGIN, END, search

    result = search(arguments.folder, arguments.words, limit=arguments.limit, phrase=arguments.phrase)
    if arguments.json:
        import json

        print(json.dumps([_plain(hit) for hit in result.hits], ensure_ascii=False, indent=1))
        return 0 if result.hits else 1
    from rich.console import Console
    from rich.text import Text

    from untrimmed.report.clock import short_clock, visible

    console = Console(highlight=False, markup=False)
    if result.hits and not result.every_word:
        console.print("no text has all of these words; those with some of them:")
    for hit in result.hits:
        start, end = (short_clock(max(0.0, seconds)) for seconds in hit.segment)
        time = f"{start}-{end}" if hit.segment[1] > hit.segment[0] else "whole"
        line = Text(f"{visible(hit.video_id)}  {time}  {hit.kind}  ")
        for part in re.split(f"({BEGIN}[^{END}]*{END})", hit.snippet):
            line.append(part.strip(BEGIN + END), "bold" if part.startswith(BEGIN) else "")
        console.print(line, soft_wrap=True)
        if hit.link is not None:
            console.print(f"  {hit.link}", soft_wrap=True)
    if not result.hits:
        console.print(f"nothing found for {arguments.words!r} in {result.texts} texts", soft_wrap=True)
        return 1
    return 0


def _plain(hit: Any) -> dict[str, Any]:
    return {
        "video_id": hit.video_id,
        "kind": hit.kind,
        "start": hit.segment[0],
        "end": hit.segment[1],
        "score": hit.score,
        "text": hit.text,
        "link": hit.link,
    }
