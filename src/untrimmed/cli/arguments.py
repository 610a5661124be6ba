"""From words to a command's dataclass of arguments, by tyro."""

from typing import TypeVar

import tyro

A = TypeVar("A")


def parse(cls: type[A], words: list[str], *, command: str) -> A:
    """Parse the words behind `untrimmed COMMAND`; on a mistake tyro prints what is wrong and exits with 2."""
    # without AvoidSubcommands every choice among parts would add a positional word to the command
    return tyro.cli(cls, prog=f"untrimmed {command}", args=words, config=(tyro.conf.AvoidSubcommands,))


def peek(words: list[str], name: str, default: str) -> str:
    """What the words say of one option before they are parsed, since it decides which other options there are.

    Words that make no sense are left for parse to refuse.
    """
    value = default
    for first, second in zip(words, [*words[1:], ""], strict=False):  # without words there is no second
        if first == f"--{name}":
            value = second
        elif first.startswith(f"--{name}="):
            value = first.partition("=")[2]
    return value
