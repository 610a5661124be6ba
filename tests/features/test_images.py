"""Stored pictures and what nets make of them: counts, times, layouts and constant memory."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn import write_clip

from shared_folder import shared
from untrimmed.features.backbone import BackboneFeature, net_input, window_indices
from untrimmed.features.feature import Feature, FeatureSequence, ImageSequence
from untrimmed.features.flow.dis import Dis
from untrimmed.features.images import FlowImages, RgbImages
from untrimmed.features.store import FeatureStore
from untrimmed.media.reader import read_frames
from untrimmed.nets.backbone import save_weights
from untrimmed.nets.zoo import AnyNet, Small3d, SmallNet
from untrimmed.records import DataError, Video

SIZE = (48, 64)
RGB = RgbImages(size=SIZE)
FLOW = FlowImages(size=SIZE, method=Dis())
NET = SmallNet(width=4, input_size=(32, 32))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Video:
    return write_clip(tmp_path_factory.mktemp("clip") / "moving.mp4", frames=13)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    torch.set_num_threads(1)
    return FeatureStore(tmp_path_factory.mktemp("store"))


def measured(store: FeatureStore, feature: Feature, video: Video) -> FeatureSequence | ImageSequence:
    assert video.path is not None
    given = {needed: measured(store, needed, video) for needed in feature.requires}
    store.write(feature, video.video_id, feature.rows(video.path, given), source=video.path)
    return store.load(feature, video.video_id)


def test_there_is_one_picture_a_frame_at_its_time(store: FeatureStore, clip: Video) -> None:
    images = measured(store, RGB, clip)
    frames = list(read_frames(clip.path, size=SIZE))
    assert len(images) == len(frames) == 13
    assert images.shape == (*SIZE, 3)
    np.testing.assert_allclose(images.grid.centres - images.grid.window / 2, [frame.seconds for frame in frames])
    kept = images.frames(np.arange(13)).astype(int)
    assert np.abs(kept - np.stack([frame.image for frame in frames])).mean() < 3


def test_resampled_pictures_follow_the_clock(store: FeatureStore, clip: Video) -> None:
    images = measured(store, RgbImages(size=SIZE, per_second=5), clip)
    assert (images.grid.start, images.grid.stride, images.grid.window) == (0, 0.2, 0.2)
    assert len(images) == 7  # 1.3 seconds
    every = store.load(RGB, clip.video_id).frames(np.array([0, 2, 4])).astype(int)
    assert np.abs(images.frames(np.array([0, 1, 2])) - every).mean() < 1


@pytest.mark.parametrize("compensated", [False, True])
def test_flow_has_the_count_and_times_of_rgb_and_sees_the_motion(
    store: FeatureStore, clip: Video, compensated: bool
) -> None:
    rgb = measured(store, RGB, clip)
    flow = measured(store, FlowImages(size=SIZE, method=Dis(), compensated=compensated), clip)
    assert len(flow) == len(rgb)
    assert flow.grid == rgb.grid
    assert flow.shape == (*SIZE, 2)
    pictures = flow.frames(np.arange(len(flow))).astype(int)
    np.testing.assert_array_equal(pictures[-1], pictures[-2])
    middle = np.median((pictures[:, 8:-8, 8:-8] - 128) * 20 / 127, axis=(0, 1, 2))
    expected = (0, 0) if compensated else (-1, -1)  # the window moves by (1, 1) a frame, so what it shows by (-1, -1)
    np.testing.assert_allclose(middle, expected, atol=0.35)


def test_one_frame_has_no_motion(store: FeatureStore, tmp_path: Path) -> None:
    still = write_clip(tmp_path / "still.mp4", frames=1)
    flow = measured(store, FLOW, still)
    assert len(flow) == 1
    assert np.abs(flow.frames(np.array([0])).astype(int) - 128).max() <= 1
    assert flow.grid.stride > 0


def test_uneven_frames_are_told(store: FeatureStore, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    from fractions import Fraction

    import av

    path = tmp_path / "uneven.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for place, stamp in enumerate([0, 1, 2, 3, 40, 41]):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 40 * place, np.uint8), format="rgb24")
            frame.pts, frame.time_base = stamp, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with caplog.at_level(logging.WARNING):
        measured(store, RGB, Video(video_id="uneven", duration=4.2, path=path))
    assert "off an even grid; set per_second to resample" in caplog.text


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: RgbImages(size=(0, 5)), "size of pictures must be 1 to 4096 pixels"),
        (lambda: FlowImages(per_second=-1), r"pictures a second must be in \(0, 1000\], got -1"),
        (lambda: FlowImages(bound=0), "bound of flow must be positive pixels, got 0"),
        (lambda: BackboneFeature(frames=0), "needs frames and stride >= 1, got 0 and 1"),
        (lambda: BackboneFeature(net=Small3d(frames=8), frames=16), "Small3d takes clips of 8 pictures, got frames 16"),
        (lambda: BackboneFeature(weights=Path("none.safetensors")), "weights file none.safetensors is not there"),
    ],
)
def test_configurations_that_make_no_sense_are_refused(build: object, words: str) -> None:
    with pytest.raises(DataError, match=words):
        build()  # type: ignore[operator]


def test_equal_configurations_are_one_feature() -> None:
    assert RgbImages().key == RgbImages().key != RgbImages(per_second=5).key
    assert FlowImages(method=Dis()).key != FlowImages().key != FlowImages(compensated=False).key
    assert BackboneFeature(images=RGB).requires == (RGB,)


@pytest.mark.parametrize("frames", [1, 2, 5, 16])
@pytest.mark.parametrize("stride", [1, 3, 4, 16])
def test_steps_cover_the_video_and_look_where_the_grid_says(frames: int, stride: int) -> None:
    from untrimmed.timeline import TimeGrid

    feature = BackboneFeature(images=RGB, frames=frames, stride=stride)
    pictures = TimeGrid(start=0.5, stride=0.1, window=0.1, steps=29)
    grid = feature.grid(pictures)
    assert grid.cells[0, 0] <= 0.5 + 1e-9
    assert grid.cells[-1, 1] >= 0.5 + 2.9 - 0.1 * stride
    windows = window_indices(np.arange(grid.steps), feature=feature, length=29)
    assert windows.shape == (grid.steps, frames)
    inside = (windows[:, 0] > 0) & (windows[:, -1] < 28)
    begins = grid.centres - grid.window / 2
    np.testing.assert_allclose(begins[inside], 0.5 + 0.1 * windows[inside, 0])
    assert abs(grid.centres - (0.5 + 0.1 * stride * (np.arange(grid.steps) + 0.5))).max() <= 0.05 + 1e-9
    if frames >= stride:
        assert set(windows.ravel()) == set(range(29))


@pytest.mark.parametrize(
    ("net", "images", "frames", "stride"),
    [(NET, RGB, 1, 2), (NET, FLOW, 5, 3), (Small3d(width=4, frames=8, input_size=(32, 32)), RGB, 8, 4)],
)
def test_rows_are_what_the_net_says_of_each_window(
    store: FeatureStore, clip: Video, net: AnyNet, images: RgbImages | FlowImages, frames: int, stride: int
) -> None:
    feature = BackboneFeature(net=net, images=images, frames=frames, stride=stride, seed=3)
    rows = measured(store, feature, clip)
    pictures = store.load(images, clip.video_id)
    flat = isinstance(net, SmallNet)
    torch.manual_seed(3)
    model = net.build(classes=1, channels=images.channels * (frames if flat else 1)).eval()
    size = model.input_size
    for step, window in enumerate(window_indices(np.arange(rows.grid.steps), feature=feature, length=13)):
        seen = net_input(pictures.frames(window), feature=feature, size=size)
        clip_tensor = torch.from_numpy(seen).permute(0, 3, 1, 2)
        batch = clip_tensor.reshape(1, -1, *size) if flat else clip_tensor.transpose(0, 1)[None]
        with torch.inference_mode():
            np.testing.assert_allclose(model.pooled(batch)[0].numpy(), rows.values[step], atol=1e-5)


def test_scores_are_the_softmax_of_logits_by_the_weights_of_the_file(
    store: FeatureStore, clip: Video, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    model = NET.build(classes=4, channels=3)
    path = tmp_path / "net.safetensors"
    save_weights(path, model)
    logits = BackboneFeature(net=NET, weights=path, images=RGB, output="logits")
    scores = BackboneFeature(net=NET, weights=path, images=RGB, output="scores")
    assert measured(store, logits, clip).values.shape == (13, 4)
    said = measured(store, scores, clip).values
    np.testing.assert_allclose(said.sum(1), 1, atol=1e-5)
    expected = torch.from_numpy(np.array(measured(store, logits, clip).values)).softmax(1).numpy()
    np.testing.assert_allclose(said, expected, atol=1e-6)
    key = logits.key
    torch.manual_seed(1)
    save_weights(path, NET.build(classes=4, channels=3))
    assert logits.key != key  # other weights, other feature


def test_the_seed_of_a_net_without_weights_leaves_torchs_own_alone(store: FeatureStore, clip: Video) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    measured(store, BackboneFeature(net=NET, images=RGB, seed=77), clip)
    torch.testing.assert_close(torch.rand(3), expected)


def test_wide_pictures_can_be_scaled_first() -> None:
    feature = BackboneFeature(net=NET, images=RGB, resized_to=(64, 85))
    pictures = np.zeros((2, 48, 64, 3), np.uint8)
    assert net_input(pictures, feature=feature, size=(32, 32)).shape == (2, 32, 32, 3)


def test_a_net_wants_pictures(store: FeatureStore, clip: Video) -> None:
    from untrimmed.timeline import TimeGrid

    feature = BackboneFeature(net=NET, images=RGB)
    wrong = FeatureSequence(np.zeros((1, 1), np.float32), TimeGrid(start=0, stride=1, window=1, steps=1))
    with pytest.raises(DataError, match="is measured from pictures, got rows"):
        feature.rows(clip.path, {RGB: wrong})


def test_real_video(store: FeatureStore) -> None:
    path = shared("video/untrimmed/v_GGSY1Qvo990.mp4")
    video = Video(video_id="GGSY1Qvo990", duration=18.1, path=path)
    rgb, flow = measured(store, RGB, video), measured(store, FLOW, video)
    assert len(rgb) == len(flow) == 355
    assert abs(rgb.grid.stride - 18.096 / 355) < 1e-3
