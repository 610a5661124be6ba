"""The store: what goes in comes out, other readers agree, and no file is trusted."""

import json
import os
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from drawn import GivenRows, Numbers
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from untrimmed.features.feature import FeatureSequence, ImageSequence
from untrimmed.features.pack import PackedFeatures
from untrimmed.features.store import FeatureStore, file_name, video_id_of
from untrimmed.features.tensor_file import HEADER_BYTES, TEMPORARY, TensorFileWriter, read_header
from untrimmed.records import DataError

ROWS = [np.arange(12, dtype=np.float32).reshape(4, 3), np.ones((2, 3), np.float32)]
FEATURE = Numbers()
STRANGE_IDS = ["../../etc/x", "a/b", ".hidden", "-rf", "..", "a b", "é", "%41", "A", "x" * 300, "nul\0byte", "a\\b"]


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return FeatureStore(tmp_path / "store")


def pictures(count: int, channels: int, *, height: int = 24, width: int = 32, seed: int = 0) -> np.ndarray:
    """Smooth pictures, so that JPEG keeps them well."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    phase = generator.uniform(0, 6, (count, 1, 1, channels))
    waves = np.sin(x[None, :, :, None] / 6 + phase) + np.cos(y[None, :, :, None] / 5 - phase)
    return (128 + 50 * waves).astype(np.uint8)


def test_rows_come_back_with_their_grid(store: FeatureStore) -> None:
    store.write(FEATURE, "a", GivenRows(ROWS), duration=3.5)
    loaded = store.load(FEATURE, "a")
    assert isinstance(loaded, FeatureSequence)
    np.testing.assert_array_equal(loaded.values, np.concatenate(ROWS))
    assert loaded.grid == GivenRows(ROWS).grid()
    assert not loaded.values.flags.writeable
    (entry,) = store.index(FEATURE).values()
    assert (entry.kind, entry.shape, entry.source_duration) == ("rows", (3,), 3.5)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_pictures_come_back_nearly_as_they_were_in_any_order(store: FeatureStore, channels: int) -> None:
    given = pictures(5, channels)
    store.write(FEATURE, "a", GivenRows([given[:3], given[3:]]))
    loaded = store.load(FEATURE, "a")
    assert isinstance(loaded, ImageSequence)
    assert loaded.shape == given.shape[1:]
    assert len(loaded) == 5
    order = np.array([4, 0, 0, 2])
    seen = loaded.frames(order).astype(int)
    tolerance = 4.0 if channels == 3 else 1.5  # colour is kept at half the resolution
    assert np.abs(seen - given[order]).mean() < tolerance
    assert loaded.frames(np.zeros(0, np.int64)).shape == (0, *loaded.shape)


def test_flow_planes_do_not_mix(store: FeatureStore) -> None:
    given = pictures(1, 2)
    given[..., 1] = 128
    store.write(FEATURE, "a", GivenRows([given]))
    seen = store.load(FEATURE, "a").frames(np.array([0]))
    assert np.abs(seen[..., 1].astype(int) - 128)[:, :, 8:].max() <= 1


def test_other_readers_of_the_format_agree(store: FeatureStore) -> None:
    path = store.write(FEATURE, "a", GivenRows(ROWS))
    np.testing.assert_array_equal(load_file(path)["values"], np.concatenate(ROWS))
    images = store.write(Numbers(dims=9), "a", GivenRows([pictures(3, 3)]))
    tensors = load_file(images)
    assert set(tensors) == {"codes", "offsets"}
    first = tensors["codes"][: tensors["offsets"][1]].tobytes()
    assert first.startswith(b"\xff\xd8")
    assert first.endswith(b"\xff\xd9")


def test_large_rows_are_mapped_into_memory(store: FeatureStore) -> None:
    block = np.random.default_rng(0).normal(size=(5000, 64)).astype(np.float32)
    store.write(FEATURE, "a", GivenRows([block]))
    values = store.load(FEATURE, "a").values
    np.testing.assert_array_equal(values, block)
    assert isinstance(values.base, np.memmap)


@pytest.mark.parametrize("video_id", STRANGE_IDS)
def test_strange_ids_stay_in_their_folder(store: FeatureStore, video_id: str) -> None:
    path = store.write(FEATURE, video_id, GivenRows(ROWS))
    assert path.parent.resolve() == store.folder(FEATURE).resolve()
    assert not path.name.startswith((".", "-"))
    assert store.video_ids(FEATURE) == (video_id,)
    np.testing.assert_array_equal(store.load(FEATURE, video_id).values, np.concatenate(ROWS))
    assert sorted(store.root.parent.iterdir()) == [store.root]


WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


@given(WORDS, WORDS)
def test_file_names_are_safe_and_go_both_ways(first: str, second: str) -> None:
    name, other = file_name(first), file_name(second)
    assert (name == other) == (first == second)
    assert name.isascii()
    assert not set(name) & set('/\\:*?"<>| \0')
    assert name[0] not in ".-"
    assert video_id_of(name) in (first, None)


def test_long_ids_differ_by_their_end() -> None:
    assert file_name("ü" * 400 + "a") != file_name("ü" * 400 + "b")
    assert len(file_name("ü" * 400)) < 200
    assert video_id_of(file_name("ü" * 400)) is None


@pytest.mark.parametrize("video_id", ["", "x" * 501])
def test_ids_of_no_length_or_too_much_are_refused(store: FeatureStore, video_id: str) -> None:
    with pytest.raises(DataError, match="video_id must have 1 to 500 characters"):
        store.has(FEATURE, video_id)


def test_what_is_absent_is_named_with_the_remedy(store: FeatureStore) -> None:
    with pytest.raises(DataError, match=r"feature numbers-\w+ of video a is not in the store .*untrimmed extract"):
        store.load(FEATURE, "a")
    store.write_failure(FEATURE, "a", "it is torn")
    with pytest.raises(DataError, match="its extraction failed: it is torn"):
        store.load(FEATURE, "a")


def test_failures_are_kept_until_a_measurement_comes(store: FeatureStore, tmp_path: Path) -> None:
    source = tmp_path / "v.mp4"
    source.write_bytes(b"12345")
    store.write_failure(FEATURE, "a/b", "it is torn", source=source)
    assert store.failures(FEATURE) == {"a/b": "it is torn"}
    assert store.failure(FEATURE, "a/b", source=source) == "it is torn"
    source.write_bytes(b"123456")
    assert store.failure(FEATURE, "a/b", source=source) is None  # another file by now
    store.write(FEATURE, "a/b", GivenRows(ROWS))
    assert store.failures(FEATURE) == {}
    place = store.folder(FEATURE) / f"a{'.failed.json'}"
    place.write_text("[]")
    with pytest.raises(DataError, match="must hold a video_id and a reason"):
        store.failures(FEATURE)
    place.write_text("{")
    with pytest.raises(DataError, match="is not valid JSON"):
        store.failures(FEATURE)


def test_a_measurement_of_another_file_is_stale(store: FeatureStore, tmp_path: Path) -> None:
    source = tmp_path / "v.mp4"
    source.write_bytes(b"12345")
    store.write(FEATURE, "a", GivenRows(ROWS), source=source)
    assert store.has(FEATURE, "a", source=source)
    source.write_bytes(b"123456")
    assert not store.has(FEATURE, "a", source=source)
    assert store.has(FEATURE, "a")
    assert store.has(FEATURE, "a", source=tmp_path / "moved away")


@pytest.mark.parametrize(
    ("blocks", "steps", "words"),
    [
        ([], None, "must have at least one row, got none"),
        ([ROWS[0], np.ones((1, 4), np.float32)], None, r"must have one shape \(n, dims\), got \(1, 4\) after \(3,\)"),
        ([np.array([[1.0], [np.nan]], np.float32)], None, "must be finite numbers, row 1 is not"),
        ([ROWS[0]], 3, "must have one row a step, got 4 for 3"),
        ([pictures(1, 3).astype(np.float32)], None, "pictures of .* uint8, got .* float32"),
        ([np.zeros((1, 8, 8, 33), np.uint8)], None, "a picture must have 1 to 32 channels, got 33"),
    ],
)
def test_measurements_that_make_no_sense_leave_nothing(
    store: FeatureStore, blocks: list[np.ndarray], steps: int | None, words: str
) -> None:
    with pytest.raises(DataError, match=words):
        store.write(FEATURE, "a", GivenRows(blocks, steps=steps))
    assert not store.has(FEATURE, "a")
    assert [path.name for path in store.folder(FEATURE).iterdir()] == ["feature.json"]


def test_feature_json_says_what_the_folder_holds(store: FeatureStore) -> None:
    store.write(FEATURE, "a", GivenRows(ROWS))
    plain = json.loads((store.folder(FEATURE) / "feature.json").read_text())
    assert plain["key"] == FEATURE.key
    assert plain["config"]["dims"] == 3
    assert store.features() == (FEATURE.key,)


def damage(path: Path, *, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def header_of(path: Path) -> dict:
    return json.loads(path.read_bytes()[8:HEADER_BYTES])


def rewrite(path: Path, header: dict) -> None:
    damage(path, at=8, data=json.dumps(header).encode().ljust(HEADER_BYTES - 8))


@pytest.mark.parametrize(
    ("size", "words"), [(0, "not a complete safetensors"), (100, "not a complete"), (HEADER_BYTES + 5, "is damaged")]
)
def test_truncated_files_are_told(store: FeatureStore, size: int, words: str) -> None:
    os.truncate(store.write(FEATURE, "a", GivenRows(ROWS)), size)
    with pytest.raises(DataError, match=words):
        store.load(FEATURE, "a")


@pytest.mark.parametrize("length", [0, 1, 1 << 20, (1 << 63) - 1, (1 << 64) - 1])
def test_headers_of_absurd_length_are_refused(store: FeatureStore, length: int) -> None:
    path = store.write(FEATURE, "a", GivenRows(ROWS))
    damage(path, at=0, data=struct.pack("<Q", length))
    with pytest.raises(DataError, match="its header must have 2 to 1048576 bytes"):
        store.load(FEATURE, "a")


@pytest.mark.parametrize(
    "text", [b"[]", b"{", b'{"values": 3}', b'{"__metadata__": {"a": 1}}', b"\xff\xfe", b"[" * 4000, b"null"]
)
def test_headers_that_are_no_headers_are_refused(store: FeatureStore, text: bytes) -> None:
    path = store.write(FEATURE, "a", GivenRows(ROWS))
    damage(path, at=8, data=text.ljust(HEADER_BYTES - 8))
    with pytest.raises(DataError, match=r"safetensors file|damaged"):
        store.load(FEATURE, "a")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"shape": [6, 4]}, "do not fit its shape"),
        ({"shape": [-6, -3]}, "sizes must be whole numbers"),
        ({"shape": [1 << 40, 1 << 40]}, "do not fit its shape"),
        ({"dtype": "BF16"}, "dtype must be one of"),
        ({"dtype": "I32"}, "must have 2 axes of float32"),
        ({"data_offsets": [0, 1 << 50]}, "do not fit its shape"),
        ({"shape": [3, 6]}, "do not fit what it holds"),
    ],
)
def test_headers_that_lie_about_the_data_are_refused(store: FeatureStore, change: dict, words: str) -> None:
    path = store.write(FEATURE, "a", GivenRows(ROWS))
    header = header_of(path)
    header["values"].update(change)
    rewrite(path, header)
    with pytest.raises(DataError, match=words):
        store.load(FEATURE, "a")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"grid": "[0, 0, 1, 6]"}, "stride > 0"),
        ({"grid": "[0, 1e999, 1, 6]"}, "a time grid needs"),
        ({"grid": "nonsense"}, "is not a file of this store"),
        ({"grid": "[0, 1, 1, 7]"}, "do not fit what it holds"),
        ({"kind": "sounds"}, "must hold rows or images, got 'sounds'"),
        ({"video_id": "b"}, "must hold video a, got b"),
        ({"shape": "[1, 2, 3]"}, "do not fit what it holds"),
    ],
)
def test_metadata_that_makes_no_sense_is_refused(store: FeatureStore, change: dict, words: str) -> None:
    path = store.write(FEATURE, "a", GivenRows(ROWS))
    header = header_of(path)
    header["__metadata__"].update(change)
    rewrite(path, header)
    with pytest.raises(DataError, match=words) as caught:
        store.load(FEATURE, "a")
    assert "\n" not in str(caught.value)


def test_numbers_that_are_not_finite_are_refused(store: FeatureStore) -> None:
    path = store.write(FEATURE, "a", GivenRows(ROWS))
    damage(path, at=HEADER_BYTES + 4, data=struct.pack("<f", float("nan")))
    with pytest.raises(DataError, match="not finite; delete it and extract it again"):
        store.load(FEATURE, "a")


def test_damaged_pictures_are_named(store: FeatureStore) -> None:
    path = store.write(FEATURE, "a", GivenRows([pictures(2, 3)]))
    damage(path, at=HEADER_BYTES, data=b"\0" * 40)
    images = store.load(FEATURE, "a")
    assert images.frames(np.array([1])).shape == (1, 24, 32, 3)
    with pytest.raises(DataError, match=r"picture 0 of video a in .* got bytes that are no JPEG"):
        images.frames(np.array([0]))
    with pytest.raises(DataError, match="have indices 0 to 1, got 0 to 2"):
        images.frames(np.array([0, 2]))
    with pytest.raises(DataError, match="have indices 0 to 1, got -1"):
        images.frames(np.array([-1]))


def test_a_picture_of_another_size_is_refused(store: FeatureStore) -> None:
    path = store.write(FEATURE, "a", GivenRows([pictures(1, 3)]))
    header = header_of(path)
    header["__metadata__"]["shape"] = "[32, 24, 3]"
    rewrite(path, header)
    with pytest.raises(DataError, match=r"must be a picture of shape \(32, 24, 3\), got one of shape \(24, 32, 3\)"):
        store.load(FEATURE, "a").frames(np.array([0]))


def test_offsets_that_run_backwards_are_refused(store: FeatureStore) -> None:
    path = store.write(FEATURE, "a", GivenRows([pictures(2, 3)]))
    offsets = header_of(path)["offsets"]["data_offsets"]
    damage(path, at=HEADER_BYTES + offsets[0] + 8, data=struct.pack("<q", 1 << 40))
    with pytest.raises(DataError, match="offsets of its pictures must rise"):
        store.load(FEATURE, "a")


def test_the_index_is_only_a_short_cut(store: FeatureStore) -> None:
    for video_id in ("a", "b/c"):
        store.write(FEATURE, video_id, GivenRows(ROWS))
    first = store.index(FEATURE)
    place = store.folder(FEATURE) / "index.json"
    assert place.is_file()
    for text in ("", "{}", "[[1]]", '[["a.safetensors", [1, 2], "z", {}]]'):
        place.write_text(text)
        assert store.index(FEATURE) == first
    store.write(FEATURE, "b/c", GivenRows(ROWS[:1]))
    store.path(FEATURE, "a").unlink()
    assert {video_id: entry.grid.steps for video_id, entry in store.index(FEATURE).items()} == {"b/c": 4}
    assert store.index(Numbers(dims=8)) == {}


def test_leftovers_of_killed_runs_are_ignored_and_cleaned_when_old(store: FeatureStore) -> None:
    store.write(FEATURE, "a", GivenRows(ROWS))
    old, new = (store.folder(FEATURE) / f"{TEMPORARY}{name}" for name in ("old", "new"))
    old.write_bytes(b"half a file")
    new.write_bytes(b"half a file")
    os.utime(old, (time.time() - 100_000,) * 2)
    assert store.video_ids(FEATURE) == ("a",)
    assert store.clean(FEATURE) == 1
    assert (old.exists(), new.exists()) == (False, True)


def test_a_header_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    with TensorFileWriter(tmp_path / "x") as file:
        file.add("a", np.zeros(1))
        with pytest.raises(DataError, match="must fit in 4088 bytes"):
            file.finish({"long": "x" * 5000})
    assert not list(tmp_path.iterdir())
    with TensorFileWriter(tmp_path / "x") as file:
        file.append(b"abc")
        with pytest.raises(ValueError, match="needs 8 bytes, got 3"):
            file.close_tensor("a", shape=(1,), dtype=np.float64)


def test_ids_that_are_no_text_are_refused() -> None:
    with pytest.raises(DataError, match="video_id must be valid text"):
        file_name("\ud800")


def test_pack_holds_what_the_store_holds(store: FeatureStore) -> None:
    sizes = {"b/c": 3, "a": 5, "d": 1}
    for video_id, count in sizes.items():
        store.write(FEATURE, video_id, GivenRows([np.random.default_rng(count).normal(size=(count, 3))], stride=count))
    path = store.pack(FEATURE, list(sizes))
    packed = PackedFeatures(path)
    assert packed.video_ids == tuple(sizes)
    assert len(packed) == 3
    for video_id in sizes:
        own, joined = store.load(FEATURE, video_id), packed.load(video_id)
        np.testing.assert_array_equal(own.values, joined.values)
        assert own.grid == joined.grid
    assert store.pack(FEATURE, list(sizes)) == path
    assert store.pack(FEATURE, ["a"]) != path
    assert sorted(store.video_ids(FEATURE)) == sorted(sizes)
    with pytest.raises(DataError, match="video z is not in the pack"):
        packed.load("z")


def test_pack_holds_pictures(store: FeatureStore) -> None:
    for seed, video_id in enumerate("ab"):
        store.write(FEATURE, video_id, GivenRows([pictures(3 + seed, 2, seed=seed)]))
    packed = PackedFeatures(store.pack(FEATURE, ["b", "a"]))
    for video_id in "ab":
        own, joined = store.load(FEATURE, video_id), packed.load(video_id)
        every = np.arange(len(own))
        np.testing.assert_array_equal(own.frames(every), joined.frames(every))


def test_packs_that_make_no_sense_are_refused(store: FeatureStore, tmp_path: Path) -> None:
    store.write(FEATURE, "a", GivenRows(ROWS))
    store.write(FEATURE, "b", GivenRows([np.ones((2, 5), np.float32)]))
    with pytest.raises(DataError, match="at least one video, got none"):
        store.pack(FEATURE, [])
    with pytest.raises(DataError, match="each video once"):
        store.pack(FEATURE, ["a", "a"])
    with pytest.raises(DataError, match=r"video b must be rows of shape \(3,\) as the first, got rows \(5,\)"):
        store.pack(FEATURE, ["a", "b"])
    with pytest.raises(DataError, match="video c is not in the store"):
        store.pack(FEATURE, ["a", "c"])
    with pytest.raises(DataError, match="must hold a tensor 'names'"):
        PackedFeatures(store.path(FEATURE, "a"))
    path = store.pack(FEATURE, ["a"])
    place = read_header(path).tensors["steps"].start
    damage(path, at=place, data=struct.pack("<q", 5))
    with pytest.raises(DataError, match="do not fit its 6 rows"):
        PackedFeatures(path)


WRITER = """
import sys
from pathlib import Path
import numpy as np
sys.path.insert(0, sys.argv[2])
from drawn import GivenRows, Numbers
from untrimmed.features.store import FeatureStore
store = FeatureStore(Path(sys.argv[1]))
for turn in range(40):
    for video_id in ("a", "b"):
        store.write(Numbers(), video_id, GivenRows([np.full((50, 3), 7, np.float32)] * 4))
        assert (store.load(Numbers(), video_id).values == 7).all()
    assert set(store.index(Numbers())) >= {"a"}
"""


def test_two_processes_may_write_one_store(store: FeatureStore) -> None:
    words = [sys.executable, "-c", WRITER, str(store.root), str(Path(__file__).parent)]
    running = [subprocess.Popen(words) for _ in range(2)]
    assert [process.wait(timeout=120) for process in running] == [0, 0]
    assert store.video_ids(FEATURE) == ("a", "b")
    assert not list(store.folder(FEATURE).glob(f"{TEMPORARY}*"))
