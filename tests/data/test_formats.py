"""Every format: told by its contents, read, written and read again."""

import gzip
import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared_folder import shared
from untrimmed.columns import predictions_of, sentences_of
from untrimmed.data import (
    activitynet,
    captions,
    charades,
    kinetics,
    open_dataset,
    read_captions,
    read_ground_truth,
    read_predictions,
    read_raw,
    read_references,
    segments_csv,
    thumos,
    video_files,
    video_ids,
    write_predictions,
)
from untrimmed.data.feature_files import FeatureFile
from untrimmed.data.formats import Format, recognise
from untrimmed.data.submissions import write_columns
from untrimmed.records import (
    Annotation,
    Caption,
    ClassScores,
    DataError,
    Dataset,
    Detection,
    Event,
    Instance,
    Prediction,
    Proposal,
    Task,
    Video,
)


def made() -> Dataset:
    return Dataset(
        name="activitynet-1.3",
        annotations=(
            Annotation(
                video=Video(video_id="one", duration=20.5, subset="training"),
                instances=(Instance((0.0, 4.25), "Jump"), Instance((5.0, 20.5), "Run")),
                events=((Event((0.0, 4.25), 'Someone jumps, then "stops".'), Event((5.0, 9.0), "Läuft.")),),
            ),
            Annotation(
                video=Video(video_id="v_two_of_11x", duration=7.0, subset="validation"),
                instances=(Instance((1.0, 2.0), "Jump"),),
                events=((Event((1.0, 2.0), "A jump."),), (Event((1.5, 2.5), "He jumps."), Event((3.0, 4.0), "End."))),
            ),
            Annotation(video=Video(video_id="three", duration=9.0, subset="testing")),
        ),
    )


def test_activitynet_with_captions_and_videos_beside(tmp_path: Path) -> None:
    activitynet.write(tmp_path / "activitynet.json", made())
    captions.write(tmp_path / "captions", made())
    assert sorted(path.name for path in (tmp_path / "captions").iterdir()) == [
        "training.json",
        "validation_1.json",
        "validation_2.json",
    ]
    assert recognise(tmp_path / "activitynet.json") is Format.ACTIVITYNET
    assert recognise(tmp_path / "captions" / "training.json") is Format.CAPTIONS
    assert recognise(tmp_path) is Format.DATASET_FOLDER
    assert open_dataset(tmp_path) == open_dataset(tmp_path / "activitynet.json") == made()
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "one.mp4").touch()
    (tmp_path / "videos" / "v_three.mkv").touch()
    paths = [one.video.path for one in open_dataset(tmp_path).annotations]
    assert [path and path.name for path in paths] == ["one.mp4", None, "v_three.mkv"]
    with pytest.raises(DataError, match="must be a folder of videos, it is not there"):
        open_dataset(tmp_path, videos=tmp_path / "none")


def test_two_reference_sets_of_one_subset(tmp_path: Path) -> None:
    captions.write(tmp_path, made())
    references = read_references(tmp_path / "validation_1.json", tmp_path / "validation_2.json")
    assert [one.name for one in references] == ["validation_1", "validation_2"]
    assert [one.video_ids for one in references] == [("v_two_of_11x",)] * 2
    assert references[1].sentences == ("He jumps.", "End.")
    joined = captions.joined(
        captions.read(tmp_path / "validation_1.json"), captions.read(tmp_path / "validation_2.json")
    )
    assert [len(track) for track in joined.videos[0].events] == [1, 2]
    written = json.loads((tmp_path / "validation_1.json").read_text())
    assert list(written) == ["v_v_two_of_11x"]


def test_segments_csv_of_labels_and_of_sentences(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    segments_csv.write(path, made())
    assert recognise(path) is Format.SEGMENTS
    found = open_dataset(path)
    assert [one.instances for one in found.annotations] == [
        one.instances for one in made().annotations if one.instances
    ]
    said = Dataset(
        name="s", annotations=tuple(Annotation(video=one.video, events=one.events) for one in made().annotations)
    )
    segments_csv.write(tmp_path / "said.csv", said)
    assert [one.events for one in open_dataset(tmp_path / "said.csv").annotations] == [
        one.events for one in said.annotations if one.events
    ]
    (tmp_path / "plain.csv").write_text("video;start;end;label\na;1;2;x\n")
    raw = read_raw(tmp_path / "plain.csv")
    assert (raw.videos[0].subset, raw.videos[0].instances[0].text) == ("training", "x")


def test_kinetics_and_clips(tmp_path: Path) -> None:
    path = tmp_path / "kinetics_val.csv.gz"
    path.write_bytes(gzip.compress(b"label,youtube_id,time_start,time_end,split,is_cc\ndunk,-abc,417,427,val,0\n"))
    assert recognise(path) is Format.KINETICS
    dataset = open_dataset(path)
    assert dataset.trimmed
    assert dataset.annotations[0].video == Video(video_id="-abc_000417_000427", duration=10.0, subset="validation")
    assert dataset.annotations[0].instances == (Instance((0.0, 10.0), "dunk"),)
    kinetics.write_clips(tmp_path / "clips.csv", dataset)
    assert recognise(tmp_path / "clips.csv") is Format.CLIPS
    assert open_dataset(tmp_path / "clips.csv").annotations == dataset.annotations
    with pytest.raises(DataError, match="a trimmed clip must have one label, one has 2"):
        kinetics.write_clips(tmp_path / "x.csv", made())


def test_charades(tmp_path: Path) -> None:
    path = tmp_path / "Charades_v1_test.csv"
    path.write_text(
        "id,subject,scene,quality,relevance,verified,script,objects,descriptions,actions,length\n"
        'YSKX3,T,Kitchen,6,7,Yes,"a, b",x,y,c092 11.90 21.20;c147 0.00 12.60,23.08\n'
        "EMPTY,T,Kitchen,6,7,Yes,s,x,y,,30.1\n"
    )
    assert recognise(path) is Format.CHARADES
    raw = read_raw(path)
    assert len(raw.labels) == 157
    assert [(span.text, span.start, span.end) for span in raw.videos[0].instances] == [
        ("c092", 11.9, 21.2),
        ("c147", 0.0, 12.6),
    ]
    assert raw.videos[1].instances == []
    scores = tmp_path / "scores.txt"
    scores.write_text("YSKX3 1 0.5 -inf\nYSKX3 25 1 2\n")
    ids, frames, table = charades.read_scores(scores, frames=True)
    assert (ids, frames.tolist()) == (("YSKX3", "YSKX3"), [0, 24])
    assert table.tolist() == [[0.5, -np.inf], [1, 2]]


def test_thumos(tmp_path: Path) -> None:
    (tmp_path / "Diving_test.txt").write_text("video_test_0000002  1.0 2.5\nvideo_test_0000001 3 4\n\n")
    (tmp_path / "Ambiguous_test.txt").write_text("video_test_0000003 1 2\n")
    (tmp_path / "video_info.csv").write_text("video,duration_s\nvideo_test_0000001,9.5\n")
    assert recognise(tmp_path) is Format.THUMOS
    truth = read_ground_truth(tmp_path, "testing")
    assert truth.labels == ("Diving",)
    assert truth.ambiguous_segments.tolist() == [[1.0, 2.0]]
    assert truth.video_ids[truth.ambiguous_video[0]] == "video_test_0000003"
    dataset = open_dataset(tmp_path)
    assert [one.video.duration for one in dataset.annotations] == [9.5]
    thumos.write(tmp_path / "out", dataset)
    assert (tmp_path / "out" / "Diving_test.txt").read_text() == "video_test_0000001 3 4\n"
    with pytest.raises(DataError, match=r"named by letters in validation or testing, got 'Jump' in training"):
        thumos.write(tmp_path / "out", made())


def test_real_thumos_counts() -> None:
    found = read_ground_truth(shared("data/thumos14/annotations_val"))
    assert (len(found.video), len(found.ambiguous_video), len(set(found.video.tolist()))) == (3007, 89, 200)
    multi = read_raw(shared("data/thumos14/multithumos.json.gz"))
    assert sum(len(video.instances) for video in multi.videos) == 38690
    assert {video.instances[0].text.isdigit() for video in multi.videos if video.instances} == {True}


def test_the_taxonomy_is_a_tree_by_leaf_name() -> None:
    tree = activitynet.read_taxonomy(shared("data/activitynet/activity_net.v1-3.json.gz"))
    assert len(tree.nodes) == 272
    assert len(tree.leaves) == 200
    assert "Volleyball" in tree.leaves
    ids = [node.node_id for node in tree.nodes]
    assert len(set(ids)) < len(ids)  # why names are the keys
    assert tree.path("Applying sunscreen")[:3] == (
        "Applying sunscreen",
        "Health-related self care",
        "Health-related Self Care",
    )
    for leaf in tree.leaves:
        assert tree.path(leaf)[-1] == "Root"
        assert leaf not in tree.siblings(leaf)
    assert "Badminton" not in tree.leaves
    assert tree.path("no such class") == ()
    whole = read_raw(shared("data/activitynet/activity_net.v1-3.json.gz"))
    assert {span.text for video in whole.videos for span in video.instances} == set(tree.leaves)


def predicted() -> list[Prediction]:
    return [
        Prediction(
            video=Video(video_id="one", duration=20.0),
            classes=ClassScores({"Jump": 0.25, "Run": 0.75}),
            proposals=(Proposal((0.0, 4.0), 0.9), Proposal((1.0, 2.0), 0.1)),
            detections=(Detection((0.0, 4.0), 0.9, "Jump"),),
            captions=(Caption((0.0, 4.0), 0.5, "Someone jumps."),),
        ),
        Prediction(
            video=Video(video_id="two", duration=9.0), classes=ClassScores({}), proposals=(), detections=(), captions=()
        ),
    ]


@pytest.mark.parametrize("task", list(Task)[:4])
def test_submissions_are_written_in_the_official_layout_and_read_back(task: Task, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_predictions(path, predicted(), task, external_data="Kinetics")
    content = json.loads(path.read_text())
    assert set(content) == {"version", "results", "external_data"}
    assert content["external_data"] == {"used": True, "details": "Kinetics"}
    found, direct = read_predictions(path, task), predictions_of(predicted(), task)
    assert found.video_ids == direct.video_ids == ("one", "two")
    np.testing.assert_array_equal(found.video, direct.video)
    assert sorted(found.scores) == sorted(direct.scores)
    write_columns(tmp_path / "b.json.gz", found)
    again = read_predictions(tmp_path / "b.json.gz", task)
    np.testing.assert_array_equal(again.scores, found.scores)
    assert (tmp_path / "b.json.gz").read_bytes()[:2] == b"\x1f\x8b"
    assert [item.name for item in tmp_path.iterdir() if item.name.startswith(".")] == []


def test_captions_are_written_with_the_prefix_and_read_without(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    write_predictions(path, predicted(), Task.CAPTIONING)
    assert list(json.loads(path.read_text())["results"]) == ["v_one", "v_two"]
    assert recognise(path) is Format.CAPTIONING
    found, direct = read_captions(path), sentences_of(predicted())
    assert found.video_ids == direct.video_ids == ("one", "two")
    assert found.sentences == direct.sentences
    assert found.scores is not None
    assert found.scores.tolist() == [0.5]


def test_words_of_writing(tmp_path: Path) -> None:
    one = predicted()[0]
    with pytest.raises(DataError, match="video one is predicted twice"):
        write_predictions(tmp_path / "a.json", [one, one], Task.PROPOSALS)
    empty = Prediction(video=one.video)
    with pytest.raises(DataError, match="prediction of video one holds nothing for localization"):
        write_predictions(tmp_path / "a.json", [empty], Task.LOCALIZATION)
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot be written"):
        write_predictions(tmp_path / "file" / "a.json", [one], Task.PROPOSALS)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_result_files_of_other_toolkits(tmp_path: Path) -> None:
    path = tmp_path / "result_detection.json"
    item = {"segment": [1.0, 2.0], "label": "Jump", "score": 0.5}
    path.write_text(json.dumps({"results": {"one": [item]}}))  # OpenTAD
    assert read_predictions(path, Task.LOCALIZATION).labels == ("Jump",)
    path.write_text(json.dumps({"version": "VERSION 1.3", "results": {"one": []}, "external_data": {}}))  # MMAction2
    assert recognise(path) is Format.EMPTY_SUBMISSION
    caption = {
        "timestamp": [0.0, 5.0],
        "raw_box": [[0.5, 0.5]],
        "proposal_score": 0.75,
        "sentence": "hi",
        "sentence_score": -3.5,
        "query_id": 1,
        "vid_duration": 9.0,
        "pred_event_count": 3,
    }
    path.write_text(
        json.dumps({"results": {"v_one": [caption]}, "version": "VERSION 1.0", "external_data": {"used:": True}})
    )
    found = read_captions(path)  # PDVC
    assert found.video_ids == ("one",)
    assert found.scores is not None
    assert found.scores.tolist() == [0.75]
    path.write_text(json.dumps({"version": 1, "results": {"one": [{**item, "label": 3}]}, "external_data": {}}))
    numbered = read_predictions(path, Task.LOCALIZATION, classes={"3": "Jump"})
    assert numbered.labels == ("Jump",)
    with pytest.raises(DataError, match="has label '3', which is none of the 1 labels with a name"):
        read_predictions(path, Task.LOCALIZATION, classes={"4": "Jump"})


@pytest.mark.parametrize(
    ("name", "task", "videos", "count"),
    [
        ("upc2016_cls_test_submission", Task.CLASSIFICATION, 5044, 14940),
        ("upc2016_det_test_submission", Task.LOCALIZATION, 5044, 12361),
        ("upc2016_det_val_submission", Task.LOCALIZATION, 4926, 7786),
        ("upc2016_det_val_notebook", Task.LOCALIZATION, 4926, 12531),
        ("official_sample_classification_prediction", Task.CLASSIFICATION, 4926, 4933),
        ("official_sample_detection_prediction", Task.LOCALIZATION, 4926, 7654),
    ],
)
def test_real_submissions(name: str, task: Task, videos: int, count: int) -> None:
    path = shared(f"data/activitynet/predictions/{name}.json.gz")
    assert recognise(path).value.startswith("submission for " + task.value)
    found = read_predictions(path, task)
    assert (len(found.video_ids), len(found)) == (videos, count)


def test_real_proposals_for_the_testing_videos() -> None:
    path = shared("data/activitynet/proposals/esgn_dbg_tsn_test_events.json.gz")
    found = read_predictions(path, Task.PROPOSALS)  # `results` alone, with a second score that is not read
    assert (len(found.video_ids), len(found)) == (5044, 12443)


def test_real_kinetics() -> None:
    raw = read_raw(shared("data/kinetics/kinetics-400_val.csv.gz"))
    assert len(raw.videos) == 19906
    assert len({span.text for video in raw.videos for span in video.instances}) == 400
    hidden = read_raw(shared("data/kinetics/kinetics-400_test.csv.gz"))
    assert len(hidden.videos) == 38685
    assert not any(video.instances for video in hidden.videos)


def test_timechat_and_real_captions() -> None:
    said = read_captions(shared("data/youcook2/timechat_val_predictions.json"))
    assert (len(said.video_ids), len(said)) == (290, 2238)
    truth = read_references(shared("data/youcook2/yc2_val_gt.json"))[0]
    assert set(said.video_ids) == set(truth.video_ids)
    for name in ("mdvc", "bmt"):
        found = read_captions(shared(f"data/activitynet_captions/predictions/{name}_gtprops_val_1.json.gz"))
        assert (len(found.video_ids), len(found)) == (4483, 15921)
    first = read_references(shared("data/activitynet_captions/val_1.json.gz"))[0]
    assert set(found.video_ids) <= set(first.video_ids)
    assert (len(first.video_ids), len(first)) == (4917, 17505)


def test_the_prefix_is_taken_off_only_where_it_is_one() -> None:
    assert video_ids.bare(["v_abcdefghijk", "v_-bcdefghij_"]) == ["abcdefghijk", "-bcdefghij_"]
    assert video_ids.bare(["v_bcdefghij", "abcdefghijk"]) == ["v_bcdefghij", "abcdefghijk"]
    assert video_ids.bare(["v_Archery_g01_c01"]) == ["v_Archery_g01_c01"]
    assert video_ids.bare_captions(["v_one", "v_two"]) == ["one", "two"]
    assert video_ids.bare_captions(["v_one", "two"]) == ["v_one", "two"]
    assert video_ids.bare([]) == []


@given(st.lists(st.text("ab_v-", min_size=1, max_size=12), unique=True))
def test_the_prefix_survives_a_round_trip(names: list[str]) -> None:
    assert video_ids.bare_captions([video_ids.prefixed(name) for name in names]) == names


labels = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8).filter(
    lambda text: text.strip()
)
instances = st.tuples(st.floats(0, 50), st.floats(0.001, 50), labels).map(
    lambda row: Instance((row[0], row[0] + row[1]), row[2])
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(instances, max_size=4), min_size=1, max_size=4))
def test_any_data_set_survives_json_and_csv(tmp_path: Path, tracks: list[list[Instance]]) -> None:
    dataset = Dataset(
        name="activitynet-1.3",
        annotations=tuple(
            Annotation(
                video=Video(video_id=f"video {index}", duration=200.0, subset="training"), instances=tuple(track)
            )
            for index, track in enumerate(tracks)
        ),
    )
    activitynet.write(tmp_path / "a.json", dataset)
    assert open_dataset(tmp_path / "a.json") == dataset
    if any(tracks):
        segments_csv.write(tmp_path / "a.csv", dataset)
        found = {one.video.video_id: one.instances for one in open_dataset(tmp_path / "a.csv").annotations}
        assert found == {one.video.video_id: one.instances for one in dataset.annotations if one.instances}


def test_folders_of_class_and_clip(tmp_path: Path) -> None:
    clip = shared("video/trimmed/web_clips")
    source = sorted(path for path in clip.rglob("*") if path.suffix in video_files.ENDINGS)[0]
    for place in ("jump/a", "run/b"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        shutil.copy(source, tmp_path / (place + source.suffix))
    assert recognise(tmp_path) is Format.CLIP_FOLDER
    dataset = open_dataset(tmp_path)
    assert dataset.trimmed
    assert dataset.labels == ("jump", "run")
    one = dataset.annotations[0]
    assert one.instances[0].segment == (0.0, one.video.duration)
    assert one.video.subset == "training"
    (tmp_path / "deep" / "er" / "still").mkdir(parents=True)
    shutil.copy(source, tmp_path / "deep" / "er" / "still" / f"c{source.suffix}")
    with pytest.raises(DataError, match=r"must lie in class/ or in training/class/"):
        open_dataset(tmp_path)


def test_folders_may_name_subsets_and_names_are_unique(tmp_path: Path) -> None:
    for place in ("train/jump", "val/jump"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "train/jump/a.mp4").touch()
    (tmp_path / "val/jump/a.mp4").touch()
    with pytest.raises(DataError, match="two clips are called a: "):
        video_files.read_folder(tmp_path)
    with pytest.raises(DataError, match="two videos are called a: "):
        video_files.index(tmp_path)
    (tmp_path / "val/jump/a.mp4").rename(tmp_path / "val/jump/b.mp4")
    assert set(video_files.index(tmp_path)) == {"a", "b"}


def test_a_playground_names_its_two_data_sets(tmp_path: Path) -> None:
    (tmp_path / "untrimmed").mkdir()
    (tmp_path / "trimmed").mkdir()
    with pytest.raises(DataError, match=r"holds two data sets: open .*untrimmed or .*trimmed"):
        open_dataset(tmp_path)


def test_a_playground_keeps_its_name_in_signatures(tmp_path: Path) -> None:
    (tmp_path / "playground.json").write_text("{}")
    activitynet.write(tmp_path / "untrimmed" / "activitynet.json", made())
    kinetics.write_clips(tmp_path / "trimmed" / "clips.csv", Dataset(name="x", annotations=made().annotations[1:2]))
    assert open_dataset(tmp_path / "untrimmed").name == "playground"
    assert read_ground_truth(tmp_path / "untrimmed" / "activitynet.json").name == "playground"
    assert open_dataset(tmp_path / "trimmed").name == "playground-trimmed"


def test_ids_never_become_paths(tmp_path: Path) -> None:
    (tmp_path / "secret.mp4").touch()
    folder = tmp_path / "data"
    (folder / "videos").mkdir(parents=True)
    (folder / "a.csv").write_text("video,start,end,label,duration\n../secret,1,2,x,9\n/etc/passwd,1,2,x,9\n")
    assert [one.video.path for one in open_dataset(folder / "a.csv").annotations] == [None, None]


def test_official_feature_files(tmp_path: Path) -> None:
    path = tmp_path / "sub_activitynet_v1-3.c3d.hdf5"
    rows = np.arange(12, dtype=np.float32).reshape(3, 4)
    with h5py.File(path, "w") as file:
        file.create_group("v_one").create_dataset("c3d_features", data=rows)
        file.create_group("v_two").create_dataset("c3d_features", data=rows[:1].astype(np.float64))
    assert recognise(path) is Format.FEATURES
    found = FeatureFile(path)
    assert found.video_ids == ("one", "two")
    np.testing.assert_array_equal(found.load("one"), rows)
    assert found.load("two").dtype == np.float32
    with pytest.raises(DataError, match="has no features of video three; it has 2 videos"):
        found.load("three")
    with h5py.File(tmp_path / "mbh.h5", "w") as file:
        file["features"] = rows
        file["names"] = np.array(["v_a", "v_b", "v_c"], dtype=h5py.string_dtype())
    table = FeatureFile(tmp_path / "mbh.h5")
    assert table.video_ids == ("a", "b", "c")
    np.testing.assert_array_equal(table.load("b"), rows[1:2])


def test_feature_files_do_not_lead_elsewhere(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["v_one"] = np.ones((2, 2))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["v_one"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/v_one")
        file["v_nan"] = np.full((2, 2), np.nan)
        file["v_text"] = "hello"
        layout = h5py.VirtualLayout((2, 2), dtype="f8")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "v_one", shape=(2, 2))
        file.create_virtual_dataset("v_virtual", layout)
        two = file.create_group("v_two")
        two["a"], two["b"] = np.ones(2), np.ones(2)
    found = FeatureFile(tmp_path / "a.h5")
    for video_id, words in (
        ("one", "is a link to another file, which is not followed"),
        ("virtual", "keeps its numbers in another file"),
        ("nan", "wanted finite numbers, got NaN or infinity"),
        ("text", "wanted a table of numbers, got shape"),
        ("two", "wanted one data set, got a, b"),
    ):
        with pytest.raises(DataError, match=words):
            found.load(video_id)
