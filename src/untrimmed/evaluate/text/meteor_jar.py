"""Where METEOR 1.5 lies on this machine: its program and its tables, in the installed package pycocoevalcap."""

import importlib.util
from pathlib import Path

from untrimmed.records import MissingExtra


def find_jar() -> Path:
    """The program METEOR 1.5; its paraphrases lie beside it in the folder data.

    Raises:
        MissingExtra: when it is not installed.
    """
    spec = importlib.util.find_spec("pycocoevalcap")
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    for folder in folders:
        jar = Path(folder) / "meteor" / "meteor-1.5.jar"
        if jar.is_file() and (jar.parent / "data" / "paraphrase-en.gz").is_file():
            return jar
    raise MissingExtra("METEOR needs its program and tables: pip install pycocoevalcap")
