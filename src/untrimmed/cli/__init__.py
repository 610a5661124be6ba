"""The command line: `untrimmed COMMAND ...`.

Each command is a module of this package with a dataclass `Arguments` (its fields are the options, their docstrings the
help) and a function `run(arguments)`. Modules are imported when their command is called, so that help is fast.
"""

import importlib
import os
import sys
from typing import NoReturn

COMMANDS = {
    "demo": "draw a small data set, train three systems on it, score all five tasks and write the page",
    "analyze": "classes, proposals, actions and captions of any video: JSON, subtitles and a page",
    "search": "find what was said about videos, with links to the second",
    "systems": "list the twenty-two systems of the challenge",
    "extract": "measure features of many videos into a store",
    "codebook": "learn the words that trajectories are encoded with",
    "learn": "teach the small nets that find joints, and depth and motion",
    "train": "fit a system on a data set",
    "predict": "let a trained system predict a data set, in the official file formats",
    "evaluate": "score a file of predictions with the official metrics",
    "check": "say what a file is, whether it is valid, and what is wrong with it",
    "convert": "turn one file format into another",
    "stats": "count what a data set holds",
    "playground": "draw a data set with videos, sound and annotations for all five tasks",
    "results": "measure every finding on the playground and write the tables",
}


def main() -> NoReturn:
    """Entry point of the `untrimmed` command."""
    sys.exit(call(sys.argv[1:]))


def call(words: list[str]) -> int:
    """Run one command.

    Returns:
        0 when it did what was asked, 1 when it did but something is to be reported (a video that failed, a defect
        found), 2 when it could not be done (one line on standard error says why).
    """
    if not words or words[0] in ("-h", "--help"):
        print(_help())
        return 0
    if words[0] == "--version":
        from untrimmed import __version__

        print(f"untrimmed {__version__}")
        return 0
    command = words[0]
    if command not in COMMANDS:
        print(f"untrimmed: no command {command!r}; the commands are {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    module = importlib.import_module(f"untrimmed.cli.{command}")
    from untrimmed.records import DataError, MissingExtra, NotTrained

    try:
        return int(module.call(words[1:]))
    except (DataError, NotTrained, MissingExtra) as error:
        print(f"untrimmed {command}: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader (head, less) has gone
        return 0
    except KeyboardInterrupt:
        print(f"untrimmed {command}: interrupted; what was finished is kept", file=sys.stderr)
        return 130


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = ["usage: untrimmed COMMAND [options]", "", "Find, name and describe what happens in long videos.", ""]
    lines += [f"  {name:{width}}  {text}" for name, text in COMMANDS.items()]
    lines += ["", "untrimmed COMMAND --help says what a command takes."]
    return "\n".join(lines)
