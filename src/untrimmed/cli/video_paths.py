"""From paths on a command line to videos with ids."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from untrimmed.data.video_files import ENDINGS
from untrimmed.records import DataError, Video


def find_videos(paths: Sequence[Path]) -> dict[str, Path]:
    """Videos by video_id: the file's name without ending and without "v_" in front.

    Files of one name are called by their place in the folder that was searched, with the ending where it takes that.

    Raises:
        DataError: for a path that is not there, a folder without videos, or two files with one video_id.
    """
    places: list[tuple[Path, Path]] = []
    for path in paths:
        if path.is_file():
            places.append((path, Path(path.name)))
        elif path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.suffix.lower() in ENDINGS and file.is_file())
            if not inside:
                raise DataError(f"{path} must hold videos ({' '.join(sorted(ENDINGS))}), got none")
            places += [(file, file.relative_to(path)) for file in inside]
        else:
            raise DataError(f"{path} must be a video or a folder, got nothing there")
    short = [_video_id(place.name) for _, place in places]
    long = [place.with_suffix("").as_posix() for _, place in places]
    often, long_often = Counter(short), Counter(long)
    found: dict[str, Path] = {}
    for (path, place), name, longer in zip(places, short, long, strict=True):
        video_id = name if often[name] == 1 else longer if long_often[longer] == 1 else place.as_posix()
        if video_id in found:
            raise DataError(f"video_id {video_id} must belong to one file, got {found[video_id]} and {path}")
        found[video_id] = path
    return found


def known(found: dict[str, Path]) -> list[Video]:
    """Records of the files with their durations; one second where a file does not tell."""
    from untrimmed.features.extract import cores
    from untrimmed.media.reader import probe

    def record(item: tuple[str, Path]) -> Video:
        video = Video(video_id=item[0], duration=1.0, path=item[1])
        try:
            return replace(video, duration=probe(item[1]).duration)
        except DataError:  # the feature itself will say why, or can do without pictures
            return video

    with ThreadPoolExecutor(cores()) as pool:
        return list(pool.map(record, found.items()))


def _video_id(name: str) -> str:
    return Path(name).stem.removeprefix("v_") or name
