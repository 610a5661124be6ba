"""Broken files: one clear line each, exit code 2, nothing else."""

import gzip
import json
import pickle
import re
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from untrimmed import cli
from untrimmed.data import opening, read_captions, read_ground_truth, read_predictions, read_references, tables
from untrimmed.data.charades import read_scores
from untrimmed.data.opening import read_bytes
from untrimmed.data.tag_proposals import read_tag_proposals
from untrimmed.evaluate import localization
from untrimmed.records import DataError, Task

TRUTH = {
    "version": "VERSION 1.3",
    "taxonomy": [],
    "database": {
        "abc": {"duration": 10.0, "subset": "validation", "annotations": [{"label": "x", "segment": [1.0, 4.0]}]}
    },
}
SAID = {
    "version": "VERSION 1.3",
    "results": {"abc": [{"label": "x", "score": 0.5, "segment": [1.0, 4.0]}]},
    "external_data": {"used": False},
}


def changed(content: dict, *path: Any, to: Any) -> bytes:
    """JSON with one value replaced (or removed, with to=...)."""
    copy = json.loads(json.dumps(content))
    here = copy
    for key in path[:-1]:
        here = here[key]
    if to is ...:
        del here[path[-1]]
    else:
        here[path[-1]] = to
    return json.dumps(copy).encode()


ITEM = ("results", "abc", 0)
ANNOTATION = ("database", "abc", "annotations", 0)
WHOLE_TRUTH, WHOLE_SAID = json.dumps(TRUTH).encode(), json.dumps(SAID).encode()
CSV = "video,start,end,label\n"

# name of the file, its bytes, what the line says; all through `untrimmed check`
FILES: dict[str, tuple[str, bytes, str]] = {
    "empty": ("a.json", b"", "a.json is text of no known format|a.json is empty"),
    "only blanks": ("a.json", b" \n\t\n", "a.json is empty"),
    "cut short": ("a.json", WHOLE_SAID[:60], r"a.json is not valid JSON: .*truncated"),
    "cut short truth": ("a.json", WHOLE_TRUTH[:-10], r"a.json is not valid JSON: .*truncated"),
    "cut short gzip": ("a.json.gz", gzip.compress(WHOLE_SAID)[:-20], r"a.json.gz (is|cannot be read).*(cut short|end)"),
    "damaged gzip": ("a.json.gz", gzip.compress(WHOLE_SAID)[:12] + b"\xff" * 40, r"a.json.gz (is damaged gzip|cannot)"),
    "not JSON": ("a.json", b"{'results': {}}", r"a.json is not valid JSON: .*byte 1"),
    "comma too many": ("a.json", WHOLE_SAID[:-1] + b",}", "a.json is not valid JSON"),
    "two objects": ("a.json", WHOLE_SAID + WHOLE_SAID, r"a.json is not valid JSON: .*trailing"),
    "a list": ("a.json", b"[1, 2, 3]", r"a.json at \$: expected object, got array"),
    "latin 1": ("a.json", WHOLE_SAID.replace(b'"x"', b'"caf\xe9"'), "a.json .*UTF-8|a.json .*utf-8"),
    "utf 16": ("a.json", WHOLE_SAID.decode().encode("utf-16"), "a.json must be UTF-8 text, byte 0 is not"),
    "zeros": ("a.json", b"\0" * 100, "a.json must be text, byte 0 is zero"),
    "nan": (
        "a.json",
        changed(SAID, *ITEM, "score", to=float("nan")),
        r"a.json .*\$.results.*: invalid|a.json is not valid",
    ),
    "infinity": ("a.json", changed(SAID, *ITEM, "score", to=float("inf")), "a.json is not valid JSON"),
    "number too large": (
        "a.json",
        WHOLE_SAID.replace(b"0.5", b"1e999"),
        r'a.json .*\$.results\["abc"\]\[0\].score.*range',
    ),
    "score is text": (
        "a.json",
        changed(SAID, *ITEM, "score", to="0.5"),
        r'a.json at \$.results\["abc"\]\[0\].score: expected float, got str',
    ),
    "score is null": ("a.json", changed(SAID, *ITEM, "score", to=None), r"\[0\].score: expected float, got null"),
    "segment of one": (
        "a.json",
        changed(SAID, *ITEM, "segment", to=[1.0]),
        r"\[0\].segment: expected array of length 2",
    ),
    "segment of three": ("a.json", changed(SAID, *ITEM, "segment", to=[1, 2, 3]), r"expected array of length 2"),
    "segment is text": (
        "a.json",
        changed(SAID, *ITEM, "segment", to=["1", "2"]),
        r"segment\[0\]: expected float, got str",
    ),
    "label is a list": (
        "a.json",
        changed(SAID, *ITEM, "label", to=["x"]),
        r"\[0\].label: expected int \| str, got array",
    ),
    "unknown item": ("a.json", changed(SAID, *ITEM, to={"foo": 1}), "a.json is a submission of no known task: .*foo"),
    "item is a number": ("a.json", changed(SAID, *ITEM, to=3), r"a.json at \$.results: expected object, got int"),
    "results is a list": (
        "a.json",
        changed(SAID, "results", to=[]),
        r"a.json at \$.results: expected object, got array",
    ),
    "video is an object": ("a.json", changed(SAID, "results", "abc", to={}), r"\$.results\[...\]: expected array, got"),
    "no version": (
        "a.json",
        changed(SAID, "version", to=...),
        "must have version, results and external_data, version is",
    ),
    "no external data": ("a.json", changed(SAID, "external_data", to=...), "external_data is missing"),
    "unknown keys": (
        "a.json",
        b'{"foo": 1, "bar": 2}',
        "a.json is JSON of no known format; its first keys are foo, bar",
    ),
    "deep": ("a.json", b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "a.json (is nested too deep|is not valid JSON)"),
    "deep lists": (
        "a.json",
        b'{"database": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        "a.json (is nested too deep|at)",
    ),
    "deep where nobody looks": (
        "a.json",
        b'{"version": "1", "database": {"abc": {"duration": 1, "subset": "testing", "annotations": [], "foo": '
        + b'{"a":' * 990
        + b"1"
        + b"}" * 990
        + b"}}}",
        "a.json is nested too deep",
    ),
    "truth without subset": (
        "a.json",
        changed(TRUTH, "database", "abc", "subset", to=...),
        r'a.json at \$.database\["abc"\]: object missing required field subset',
    ),
    "truth with text for seconds": (
        "a.json",
        changed(TRUTH, *ANNOTATION, "segment", to=["a", "b"]),
        r'a.json at \$.database\["abc"\].annotations\[0\].segment\[0\]: expected float, got str',
    ),
    "truth with a number for annotations": (
        "a.json",
        changed(TRUTH, "database", "abc", "annotations", to=7),
        r"\.annotations: expected array, got int",
    ),
    "sentences too few": (
        "a.json",
        json.dumps({"v_a": {"duration": 9, "timestamps": [[0, 1], [1, 2]], "sentences": ["one"]}}).encode(),
        r'at \$\["v_a"\]: wanted one sentence a time stamp, got 2 time stamps and 1 sentences',
    ),
    "csv with a short row": ("a.csv", (CSV + "abc,1\n").encode(), "a.csv line 2: wanted 4 fields, got 2"),
    "csv with words for seconds": ("a.csv", (CSV + "abc,one,2,x\n").encode(), "line 2: start must be a finite number"),
    "csv with nan": ("a.csv", (CSV + "abc,1,nan,x\n").encode(), "line 2: end must be a finite number, got 'nan'"),
    "csv with other columns": (
        "a.csv",
        b"foo,bar\n1,2\n",
        "a.csv is a table of no known format; its columns are foo,bar",
    ),
    "csv with a column twice": ("a.csv", b"video,video,end,label\n", "a column name stands twice"),
    "csv with an open quote": ("a.csv", (CSV + 'abc,1,2,"x\n').encode(), "a.csv line 2: unexpected end of data"),
    "csv with two subsets": (
        "a.csv",
        b"video,start,end,label,subset\nabc,1,2,x,training\nabc,1,2,x,testing\n",
        "line 3: video abc is in training and in testing",
    ),
    "kinetics without an end": (
        "a.csv",
        b"label,youtube_id,time_start,time_end\nx,abc,1,\n",
        "time_end must be a finite",
    ),
    "charades with a broken action": (
        "a.csv",
        b"id,actions,length\nABC,c001 1.0,10\n",
        "a.csv line 2: wanted 'class start end', got 'c001 1.0'",
    ),
    "text": ("a.txt", b"hello world\n", "a.txt is text of no known format; it begins with 'hello world'"),
    "detections with a short line": ("a.txt", b"v 1 2 7 0.5\nv 1 2 7\n", "a.txt line 2: wanted 5 words, got 'v 1 2 7'"),
    "proposals cut short": ("a.txt", b"# 1\nabc\n1\n1\n1\n5 0.1 0.2\n3\n5 1 1 0.1 0.2\n", "a.txt is cut short"),
    "pickle": ("eval_results.pkl", pickle.dumps({"a": 1}), "is a pickle, which can run code .* save it as JSON"),
    "pickle in disguise": ("a.json", pickle.dumps({"a": 1}), "a.json is a pickle, which can run code"),
    "zip": ("a.json", b"PK\x03\x04" + b"x" * 60, "a.json is a zip archive; unpack it first"),
    "array": ("a.json", b"\x93NUMPY\x01\x00" + b"x" * 60, "a.json is a numpy array; it can only hold features"),
    "not HDF5": ("a.h5", b"\x89HDF\r\n\x1a\n" + b"x" * 60, "a.h5 cannot be read as HDF5"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_broken_file_is_one_line_and_exit_code_2(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, content, words = FILES[name]
    (tmp_path / file).write_bytes(content)
    assert cli.call(["check", str(tmp_path / file)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    lines = printed.err.strip().splitlines()
    assert len(lines) == 1, printed.err
    assert lines[0].startswith("untrimmed check: ")
    assert re.search(words, lines[0]), lines[0]
    assert len(lines[0]) < 500


def test_there_are_at_least_forty() -> None:
    assert len(FILES) >= 40


def refused(call: Callable[[], object], words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_file_for_another_task_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(WHOLE_SAID)
    refused(lambda: read_captions(path), r'at \$.results\["abc"\]\[0\]: object missing required field sentence')
    path.write_bytes(changed(SAID, *ITEM, "segment", to=...))
    refused(lambda: read_predictions(path, Task.LOCALIZATION), r"\[0\]: object missing required field segment")
    refused(lambda: read_predictions(path, Task.PROPOSALS), r"\[0\]: object missing required field segment")
    refused(lambda: read_predictions(path, Task.CAPTIONING), "captions have columns of their own: use read_captions")
    path.write_bytes(WHOLE_TRUTH)
    refused(lambda: read_predictions(path, Task.LOCALIZATION), "object missing required field results")
    path.write_bytes(WHOLE_SAID)
    refused(lambda: read_ground_truth(path), "is a submission for localization, wanted annotations")
    path.write_bytes(WHOLE_TRUTH)
    refused(lambda: read_references(path), "holds no sentence; it has 'validation' .1 videos.")


def test_a_subset_without_videos_lists_those_there_are(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(WHOLE_TRUTH)
    refused(
        lambda: read_ground_truth(path, "val"),
        r"holds no annotated instance in subset 'val'; it has 'validation' \(1 videos\)",
    )


def test_unknown_videos_are_false_positives_and_unknown_labels_are_told(tmp_path: Path) -> None:
    truth, said = tmp_path / "t.json", tmp_path / "s.json"
    truth.write_bytes(WHOLE_TRUTH)
    said.write_bytes(WHOLE_SAID.replace(b"abc", b"zzz"))
    ground_truth = read_ground_truth(truth)
    assert localization.evaluate(ground_truth, read_predictions(said, Task.LOCALIZATION)).average_map == 0
    said.write_bytes(WHOLE_SAID.replace(b'"x"', b'"q"'))
    refused(
        lambda: localization.evaluate(ground_truth, read_predictions(said, Task.LOCALIZATION)),
        "label 'q' of video abc is none of the 1 classes",
    )


def test_negative_times_and_reversed_segments_are_defects_not_errors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(changed(SAID, *ITEM, "segment", to=[-1.0, -2.0]))
    assert cli.call(["check", str(path)]) == 1
    printed = capsys.readouterr().out
    assert "1 x negative length" in printed
    assert "1 x starts before the video" in printed


def test_a_number_of_five_thousand_digits_where_nobody_looks_is_no_matter(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(WHOLE_TRUTH[:-1] + b', "foo": ' + b"1" * 5000 + b"}")
    assert cli.call(["check", str(path)]) == 1  # it is read; two subsets are empty


def test_sizes_have_limits(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b" " * 1000)
    refused(lambda: read_bytes(path, limit=999), "has 1000 bytes, the limit is 999")
    bomb = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = b"".join(bomb.compress(b" " * (1 << 20)) for _ in range(64)) + bomb.flush()
    assert len(packed) < 100_000
    (tmp_path / "b.json.gz").write_bytes(packed)
    refused(
        lambda: read_bytes(tmp_path / "b.json.gz", limit=1 << 20), "unpacks to more than the limit of 1048576 bytes"
    )


def test_what_is_not_there_or_no_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused(lambda: read_bytes(tmp_path / "none.json"), "none.json cannot be read: No such file")
    refused(lambda: read_bytes(tmp_path), "is a folder, wanted a file")
    assert cli.call(["check", str(tmp_path / "none.json")]) == 2
    assert cli.call(["check", str(tmp_path)]) == 2
    assert "holds no annotations and no folders of clips" in capsys.readouterr().err


def test_line_files_tell_the_line(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("a 1 0.5 0.5\nb 2 0.5\n")
    refused(lambda: read_scores(path, frames=True), "line 2: wanted 2 scores, got 1 or NaN among them")
    path.write_text("a one 0.5\n")
    refused(lambda: read_scores(path, frames=True), "line 1: wanted an id and numbers, got 'a one 0.5'")
    path.write_text("# 1\nabc\n1\n1\nmany\n")
    refused(lambda: read_tag_proposals(path, {}), "line 5: wanted how many lines follow, got 'many'")
    path.write_text("# 1\nabc\n1\n1\n0\n1\n5 1 1 nan 0.2\n")
    refused(lambda: read_tag_proposals(path, {}), "line 7: wanted 'class best_iou overlap start end'")
    path.write_text("abc\n")
    refused(lambda: read_tag_proposals(path, {}), "line 1: wanted '# number', got 'abc'")


def test_one_video_and_one_table_have_limits_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(WHOLE_SAID)
    monkeypatch.setattr(opening, "MAX_ENTRY_BYTES", 20)
    refused(lambda: read_predictions(path, Task.LOCALIZATION), r'at \$.results\["abc"\] has \d+ bytes, the limit is 20')
    monkeypatch.setattr(tables, "MAX_ROWS", 2)
    (tmp_path / "a.csv").write_text(CSV + "a,1,2,x\n" * 3)
    refused(lambda: tables.rows_of(tmp_path / "a.csv"), "line 4: more than the limit of 2 rows")


MEMORY = """
import resource, sys
from pathlib import Path
from untrimmed.data import read_predictions, read_raw
from untrimmed.data.inspection import inspect
from untrimmed.records import DataError, Task
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
for call in (inspect, read_raw, lambda path: read_predictions(path, Task.LOCALIZATION)):
    try:
        call(Path(sys.argv[1]))
        print("read")
    except DataError as error:
        print("refused", len(str(error).splitlines()))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "content",
    [
        b'{"version":1,"external_data":1,"results":{"a":[' + b"[]," * 5_000_000 + b"[]]}}",
        b'{"version":1,"external_data":1,"results":{"a":['
        + b'{"score":1,"label":1,"segment":[0,1]},' * 400_000
        + b"{}]}}",
        b'{"database":{' + b",".join(b'"%07d":0' % index for index in range(1_000_000)) + b"}}",
        b"video,start,end,label\n" + b"a,1,2,x\n" * 600_000,
        b"v 1 2 3 4\n" * 600_000,
    ],
    ids=["many lists", "one endless video", "many videos", "many rows", "many lines"],
)
def test_no_file_takes_more_memory_than_its_limit(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    done = subprocess.run([sys.executable, "-c", MEMORY, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 3
    assert set(done.stdout.splitlines()) <= {"read", "refused 1"}
