"""System 13: features, models and sizes as published; a full round over three streams of pictures and sound."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from small_world import shortened
from untrimmed.aggregate.shifting import MultiGroupShifting
from untrimmed.aggregate.temporal_xception import TemporalXception
from untrimmed.configs import from_plain, to_plain
from untrimmed.data import open_dataset
from untrimmed.features.learned import StreamFeature
from untrimmed.features.store import FeatureStore
from untrimmed.fuse.fusion import Equal
from untrimmed.nets.sequence_models import FastForwardNet, MultiStreamNet
from untrimmed.records import Dataset, NotTrained, Task
from untrimmed.systems.shifting_attention import LAPTOP, SOURCES, ShiftingAndXception, ShiftingAndXceptionConfig
from untrimmed.train import Run

PUBLISHED = ShiftingAndXceptionConfig()
NAMES = ["attention", "xception", "multi_stream", "fast_forward"]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def test_features_are_the_published_ones() -> None:
    streams = []
    for source in SOURCES:
        assert isinstance(source.rows, StreamFeature)
        assert (source.rows.learn, source.rows.stride, source.rows.stream.sampling.sections) == (True, 1, 3)
        assert source.projection is None
        streams.append(source.rows.stream)
    assert [stream.channels for stream in streams] == [3, 10, 1]
    with torch.device("meta"):
        nets = [stream.build(classes=400, pretrained=False) for stream in streams]
    assert [net.dims for net in nets] == [1536, 1536, 4096]
    assert [net.input_size for net in nets] == [(299, 299), (299, 299), (96, 64)]


@pytest.mark.parametrize("config", [PUBLISHED, LAPTOP])
def test_all_four_models_look_at_the_same_three_streams(config: ShiftingAndXceptionConfig) -> None:
    assert (ShiftingAndXception.number, ShiftingAndXception.tasks) == (13, frozenset({Task.RECOGNITION}))
    assert [member.name for member in config.members] == NAMES
    models = [config.attention, config.xception, config.multi_stream, config.fast_forward]
    assert {model.sources for model in models} == {config.attention.sources}
    assert config.fusion == Equal()
    assert from_plain(ShiftingAndXceptionConfig, to_plain(config)) == config
    with torch.device("meta"):
        heads = [model.build([6, 5, 4], 3).head for model in models]
    assert [type(head) for head in heads] == [MultiGroupShifting, TemporalXception, MultiStreamNet, FastForwardNet]


def test_the_fast_forward_model_has_seven_layers_also_on_a_laptop() -> None:
    for config in (PUBLISHED, LAPTOP):
        net = config.fast_forward.build([6, 5, 4], 3).head
        assert isinstance(net, FastForwardNet)
        assert len(net.columns[0].layers) == 7


def test_words() -> None:
    with pytest.raises(NotTrained, match=r"system 13 \(an ensemble\) must be fitted or loaded first"):
        ShiftingAndXception(PUBLISHED).features()


@pytest.fixture(scope="module")
def clips(small_playground: Path) -> Dataset:
    return open_dataset(small_playground / "trimmed")


@pytest.mark.slow
def test_a_full_round_over_pictures_and_sound(clips: Dataset, tmp_path_factory: pytest.TempPathFactory) -> None:
    store, run = FeatureStore(tmp_path_factory.mktemp("store")), Run(device="cpu", loaders=0)
    system = ShiftingAndXception(shortened(replace(LAPTOP)))
    system.fit(clips, store=store, run=run)
    assert len(system.features()) == 3  # learnt once for all four models
    videos = clips.subset("testing").videos[:3]
    said = list(system.predict(videos, store=store))
    members = system.member_scores(videos, store=store)
    assert list(members) == NAMES
    mean = np.mean(list(members.values()), axis=0)
    for prediction, row in zip(said, mean, strict=True):
        assert prediction.classes is not None
        np.testing.assert_allclose([prediction.classes.scores[label] for label in clips.labels], row, atol=1e-9)
    folder = tmp_path_factory.mktemp("system")
    system.save(folder)
    assert list(ShiftingAndXception.load(folder).predict(videos, store=store)) == said
