"""Truth comes back as it was drawn, with the frames it speaks of; files that are no truth are refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from untrimmed.data.playground import PlaygroundConfig, trimmed_plans, untrimmed_plans, write_playground
from untrimmed.data.playground.raster import draw
from untrimmed.data.playground.read_truth import read_truth, truth_ids, truth_pictures, video_file
from untrimmed.data.playground.truth import video_truth
from untrimmed.records import DataError

CONFIG = PlaygroundConfig(
    training=1,
    validation=0,
    testing=1,
    training_clips=1,
    validation_clips=0,
    testing_clips=0,
    width=64,
    height=48,
    fps=6,
    audio_rate=8000,
    shortest=10.0,
    longest=11.0,
    truth=True,
    truth_clips=True,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("truth") / "playground"
    write_playground(path, CONFIG, workers=1)
    return path


def test_truth_comes_back_as_it_was_drawn(folder: Path) -> None:
    for plan in (untrimmed_plans(CONFIG)[0], trimmed_plans(CONFIG)[3]):
        wanted, words = video_truth(plan, CONFIG)
        got = read_truth(folder, plan.video_id)
        for name, values in wanted.items():
            np.testing.assert_array_equal(getattr(got, name), values)
        assert ",".join(got.words) == words["objects"]


def test_frames_are_those_that_the_truth_speaks_of(folder: Path) -> None:
    plan = untrimmed_plans(CONFIG)[0]
    truth = read_truth(folder, plan.video_id)
    pictures = truth_pictures(folder, truth)
    assert pictures.shape == (len(truth.seconds), 48, 64, 3)
    drawn = list(draw(plan, CONFIG))
    numbers = np.rint(truth.seconds * plan.fps).astype(int)
    for picture, number in zip(pictures, numbers, strict=True):
        own = np.abs(picture.astype(float) - drawn[number]).mean()
        others = [np.abs(picture.astype(float) - other).mean() for other in drawn]
        assert own <= min(others) + 0.5  # a still scene has twins, and the coding costs some levels
    later = truth_pictures(folder, truth, size=(24, 32), later=1e6)
    assert (later == later[0]).all()


def test_people_and_objects_that_do_not_exist_are_left_out(folder: Path) -> None:
    for video_id in truth_ids(folder):
        truth = read_truth(folder, video_id)
        for index in range(len(truth.seconds)):
            assert (truth.people(index)[:, :, 2] >= 0).all()
            for word, box in truth.objects(index):
                assert word in truth.words
                assert box[0] < box[2] <= 64
                assert box[1] < box[3] <= 48


def test_subsets_are_told_by_name(folder: Path) -> None:
    assert truth_ids(folder, subset="testing") == ("testing_0000",)
    assert len(truth_ids(folder, subset="training")) == 1 + 20
    assert truth_ids(folder, subset="validation") == ()
    assert video_file(folder, "clip_training_03_000").parent.parent.name == "videos"


def test_what_is_no_truth_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"must be a playground with truth, got none; draw it with truth=True"):
        truth_ids(tmp_path)
    with pytest.raises(DataError, match=r"subset of a playground must be one of .*, got 'test'"):
        truth_ids(folder, subset="test")
    with pytest.raises(DataError, match=r"truth of video nobody is not there"):
        read_truth(folder, "nobody")
    with pytest.raises(DataError, match=r"video nobody is not in the playground"):
        video_file(folder, "nobody")
    arrays = load_file(folder / "truth" / "testing_0000.safetensors")
    (tmp_path / "truth").mkdir()
    bad = {
        "short": ({**arrays, "depth": arrays["depth"][:-1]}, r"must hold depth of F16 \(n, height, width\), got F16"),
        "absent": ({k: v for k, v in arrays.items() if k != "iuv"}, r"must hold iuv of U8 .*, got nothing"),
        "typed": ({**arrays, "boxes": arrays["boxes"].astype(float)}, r"must hold boxes of F32 .*, got F64"),
        "endless": ({**arrays, "key_points": arrays["key_points"] * np.float32(np.inf)}, r"finite numbers"),
        "nameless": ({**arrays, "boxes_word": arrays["boxes_word"] + 9}, r"indices of 0 words"),
    }
    for name, (changed, words) in bad.items():
        save_file(changed, tmp_path / "truth" / f"{name}.safetensors")
        with pytest.raises(DataError, match=words):
            read_truth(tmp_path, name)
    (tmp_path / "truth" / "noise.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(DataError, match=r"truth of video noise cannot be read"):
        read_truth(tmp_path, "noise")


def test_a_playground_without_truth_of_clips_has_that_of_videos(tmp_path: Path) -> None:
    few = replace(CONFIG, training=1, testing=0, training_clips=0, truth_clips=False, width=48, height=36)
    write_playground(tmp_path / "few", few, workers=1)
    assert truth_ids(tmp_path / "few") == ("training_0000",)
