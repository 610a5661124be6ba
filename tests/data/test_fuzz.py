"""Any bytes in any reader: a value or a DataError of one line, within the limits, never anything else."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from untrimmed.data import (
    activitynet,
    captions,
    charades,
    kinetics,
    multithumos,
    read_captions,
    read_predictions,
    segments_csv,
    thumos,
)
from untrimmed.data.conversion import convert
from untrimmed.data.datasets import open_dataset, read_raw
from untrimmed.data.durations import read_durations
from untrimmed.data.feature_files import FeatureFile
from untrimmed.data.formats import recognise
from untrimmed.data.inspection import inspect
from untrimmed.data.tag_proposals import read_tag_proposals
from untrimmed.records import DataError, Task

SEEDS: list[bytes] = [
    json.dumps(value).encode()
    for value in (
        {
            "version": "VERSION 1.3",
            "taxonomy": [{"nodeId": 1, "nodeName": "x", "parentId": None, "parentName": None}],
            "database": {
                "a": {"duration": 9.5, "subset": "training", "annotations": [{"label": "x", "segment": [0.0, 4.5]}]}
            },
        },
        {"version": "1", "external_data": {}, "results": {"a": [{"label": "x", "score": 0.5, "segment": [1.0, 2.0]}]}},
        {"version": "1", "external_data": {}, "results": {"v_a": [{"sentence": "hi", "timestamp": [1.0, 2.0]}]}},
        {"v_a": {"duration": 9.0, "timestamps": [[0.0, 3.0]], "sentences": ["hello there"]}},
        {"a": {"subset": "training", "duration": 9.0, "actions": [[3, 1.0, 2.0]]}},
        {"a": [{"timestamp": [0, 1], "caption": "hello"}]},
    )
] + [
    b"video,start,end,label,subset,duration\nabc,1,2,x,training,9\n",
    b"label,youtube_id,time_start,time_end,split\nx,abc,1,11,train\n",
    b'id,actions,length\nABC,"c001 1.0 2.0;c003 2.0 4.0",10\n',
    b"video,label,subset,duration\nabc,x,training,2.5\n",
    b"v 1 2 7 0.5\nv 3 4 9 0.25\n",
    b"# 1\nabc\n1\n1\n1\n5 0.1 0.2\n1\n5 1 1 0.1 0.2\n",
]
SEEDS.append(gzip.compress(SEEDS[1], mtime=0))
SEEDS.append(b"\x89HDF\r\n\x1a\n" + bytes(64))

READERS: dict[str, Callable[[Path], object]] = {
    "recognise": recognise,
    "activitynet": activitynet.read,
    "captions": captions.read,
    "multithumos": multithumos.read,
    "kinetics": kinetics.read,
    "clips": kinetics.read_clips,
    "segments": segments_csv.read,
    "charades": charades.read,
    "charades scores": lambda path: charades.read_scores(path, frames=True),
    "detections": thumos.read_detections,
    "class list": thumos.read_class_list,
    "tag list": lambda path: read_tag_proposals(path, {"abc": 10.0}),
    "durations": read_durations,
    "features": lambda path: [FeatureFile(path).load(one) for one in FeatureFile(path).video_ids],
    "raw": read_raw,
    "data set": open_dataset,
    "read captions": read_captions,
    "inspect": inspect,
    "convert": lambda path: convert(path, path.with_suffix(".json")),
    **{task.value: (lambda path, task=task: read_predictions(path, task)) for task in list(Task)[:4]},
}


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """A good file with a few bytes changed, cut out or put in."""
    content = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, max(0, len(content) - 1)))
        action = draw(st.integers(0, 3))
        if action == 0:
            content[place : place + draw(st.integers(1, 20))] = b""
        elif action == 1:
            content[place:place] = draw(
                st.sampled_from([b"-", b"1e308", b"NaN", b"null", b'"', b",", b"[", b"}", b"\xff", b"\0", b"\n"])
            )
        elif action == 2 and content:
            content[place] = draw(st.integers(0, 255))
        else:
            content = content[:place]
    return bytes(content)


def refusal(call: Callable[[], object]) -> str | None:
    """What the DataError says, or None if there is none; any other error passes through and fails the test."""
    try:
        call()
    except DataError as error:
        return str(error)
    return None


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", READERS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.one_of(broken(), st.binary(max_size=60)))
def test_any_bytes_give_a_value_or_one_line(name: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(content)
    words = refusal(lambda: READERS[name](path))
    assert words is None or len(words.splitlines()) == 1, words


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=broken())
def test_a_folder_of_thumos_files(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "Diving_test.txt").write_bytes(content)
    words = refusal(lambda: thumos.read(tmp_path))
    assert words is None or len(words.splitlines()) == 1, words
