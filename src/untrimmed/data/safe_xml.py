"""XML from files that nobody vouches for: limits of size, count and depth, no document type and so no entities."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from untrimmed.data.opening import read_text
from untrimmed.records import DataError

MAX_BYTES = 1 << 24
"""Largest file after unpacking, 16 MiB; a thousand annotations of ELAN have 0.3 MB."""

MAX_ELEMENTS = 500_000
"""Most elements; each takes memory many times its size in the file."""

MAX_DEPTH = 16
"""Deepest nesting; ELAN's files are five deep."""

_PIECE = 1 << 16


def parse_xml(path: Path) -> ElementTree.Element:
    """The root of a UTF-8 file, plain or gzip.

    Raises:
        DataError: when it is no XML, has a document type, or goes beyond a limit.
    """
    text = read_text(path, limit=MAX_BYTES)
    if "<!DOCTYPE" in text:  # entities are declared there, and nowhere else
        raise DataError(f"{path} has a document type, which is refused since it can declare entities")
    parser: "ElementTree.XMLPullParser[Any]" = ElementTree.XMLPullParser(["start", "end"])
    root: ElementTree.Element | None = None
    count = depth = 0
    try:
        for begin in range(0, len(text), _PIECE):
            parser.feed(text[begin : begin + _PIECE])
            for item in parser.read_events():
                event, element = item[0], item[-1]
                assert isinstance(element, ElementTree.Element), "start and end come with elements"
                root = element if root is None else root
                count += event == "start"
                depth += 1 if event == "start" else -1
                if count > MAX_ELEMENTS or depth > MAX_DEPTH:
                    raise DataError(
                        f"{path} has more than {MAX_ELEMENTS} elements or is nested deeper than {MAX_DEPTH}"
                    )
        parser.close()
    except ElementTree.ParseError as error:
        raise DataError(f"{path} is not valid XML: {error}") from error
    assert root is not None, "a document that closes has a root"
    return root
