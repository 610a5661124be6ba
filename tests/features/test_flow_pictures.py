"""Flow as colours: the colour circle, its inverse, and pictures in the store."""

import colorsys
from pathlib import Path

import numpy as np
import pytest
from drawn import write_clip
from hypothesis import given
from hypothesis import strategies as st

from untrimmed.features.extract import extract
from untrimmed.features.feature import FeatureSequence
from untrimmed.features.flow.farneback import Farneback
from untrimmed.features.flow_pictures import PolarFlow, hue_pictures, xy_magnitude_pictures
from untrimmed.features.images import FlowImages, bytes_to_flow
from untrimmed.features.store import FeatureStore
from untrimmed.records import DataError
from untrimmed.timeline import TimeGrid

FLOW = FlowImages(size=(48, 64), method=Farneback(), compensated=False)


@given(st.floats(0, 359.9), st.floats(0, 40))
def test_hue_is_the_direction_and_value_the_magnitude(degrees: float, magnitude: float) -> None:
    angle = np.radians(degrees)
    flow = magnitude * np.array([[[np.cos(angle), np.sin(angle)]]])
    colour = hue_pictures(flow, bound=20.0)[0, 0]
    plain = np.array(colorsys.hsv_to_rgb(degrees / 360, 1.0, min(magnitude / 20, 1)))
    assert np.abs(colour - 255 * plain).max() <= 0.51
    hue, saturation, value = colorsys.rgb_to_hsv(*(colour / 255))
    assert value == pytest.approx(min(magnitude / 20, 1), abs=0.5 / 255 + 1e-9)
    if value > 0.2:
        assert saturation > 0.98
        assert abs((hue * 360 - degrees + 180) % 360 - 180) < 1 / value


def test_main_directions_have_the_colours_of_the_circle() -> None:
    flow = 20 * np.array([[[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]]])
    assert hue_pictures(flow, bound=20.0)[0].tolist() == [[255, 0, 0], [0, 255, 255], [0, 0, 0]]


def test_a_turn_of_a_third_changes_the_places_of_the_colours() -> None:
    flow = np.random.default_rng(0).normal(size=(5, 6, 2)) * 8
    cos, sin = np.cos(2 * np.pi / 3), np.sin(2 * np.pi / 3)
    turned = flow @ np.array([[cos, sin], [-sin, cos]])
    one, other = (hue_pictures(each, bound=20.0).astype(int) for each in (flow, turned))
    assert np.abs(np.roll(one, 1, axis=-1) - other).max() <= 1


def test_x_y_and_magnitude_are_bytes_of_their_own() -> None:
    flow = np.random.default_rng(1).normal(size=(3, 5, 6, 2)).astype(np.float32) * 6
    pictures = xy_magnitude_pictures(flow, bound=20.0)
    assert pictures.shape == (3, 5, 6, 3)
    assert np.abs(bytes_to_flow(pictures[..., :2], 20.0) - np.clip(flow, -20, 20)).max() <= 10 / 127 + 1e-6
    length = np.hypot(flow[..., 0], flow[..., 1])
    assert np.abs(pictures[..., 2] / 255 * 20 - np.minimum(length, 20)).max() <= 10 / 255 + 1e-5


@pytest.mark.parametrize("layout", ["hue", "xy-magnitude"])
def test_pictures_lie_in_the_store_at_the_times_of_the_flow(layout: str, tmp_path: Path) -> None:
    video = write_clip(tmp_path / "moving.mp4", frames=9)
    store = FeatureStore(tmp_path / "store")
    feature = PolarFlow(flow=FLOW, layout=layout, bound=4.0)
    extract((feature,), [video], store=store)
    pictures, flow = store.load(feature, video.video_id), store.load(FLOW, video.video_id)
    assert pictures.grid == flow.grid
    assert pictures.shape == (*feature.size, feature.channels) == (48, 64, 3)
    kept = pictures.frames(np.arange(9)).astype(int)
    vectors = bytes_to_flow(flow.frames(np.arange(9)), FLOW.bound)
    exact = (hue_pictures if layout == "hue" else xy_magnitude_pictures)(vectors, bound=4.0)
    assert np.abs(kept - exact).mean() < 6  # JPEG
    if layout == "hue":  # the window moves by (1, 1), so what it shows by (-1, -1): 225 degrees, blue before green
        red, green, blue = np.median(kept[:, 8:-8, 8:-8], axis=(0, 1, 2))
        assert blue > green > red


def test_other_settings_are_another_feature() -> None:
    keys = {PolarFlow().key, PolarFlow(layout="xy-magnitude").key, PolarFlow(bound=8.0).key, PolarFlow(flow=FLOW).key}
    assert len(keys) == 4
    assert all(key.startswith("polarflow-") for key in keys)


def test_words_of_errors() -> None:
    with pytest.raises(DataError, match="bound of flow pictures must be positive pixels, got 0"):
        PolarFlow(bound=0.0)
    rows = FeatureSequence(np.zeros((1, 2), np.float32), TimeGrid(start=0.0, stride=1.0, window=1.0, steps=1))
    with pytest.raises(DataError, match=r"flow pictures of a.mp4 must be made from pictures of flow, got rows"):
        PolarFlow(flow=FLOW).rows(Path("a.mp4"), {FLOW: rows})
