"""LSTM-A: what is shown when, the neighbours of events, and attribute detectors that learn."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from untrimmed.caption.attribute_decoder import (
    AT_WORDS,
    FIRST,
    AttributeDecoderConfig,
    AttributeSpeaker,
    NeighbourContext,
    Variant,
)
from untrimmed.caption.attributes import (
    AttributeDetector,
    SeenEvents,
    Standardised,
    detector_loss,
    neighbours,
    seen_events,
)
from untrimmed.caption.beam import BeamConfig, log_probability, search
from untrimmed.caption.decoder import caption_loss
from untrimmed.caption.sentences import pad_sentences
from untrimmed.records import DataError

TINY = AttributeDecoderConfig(embed=12, hidden=12, dropout=0.0)
VARIANTS: tuple[Variant, ...] = ("plain", "A1", "A2", "A3", "A4", "A5")
ATTRIBUTES, DIMS, WORDS = 4, 6, 9
SEGMENTS = np.array([[0.0, 4.0], [1.0, 9.0], [5.0, 8.0], [8.0, 12.0], [0.0, 12.0], [20.0, 21.0]])


def events(seed: int = 0) -> SeenEvents:
    """Five events of one video and one that is alone."""
    draw = np.random.default_rng(seed)
    attributes, video = draw.uniform(size=(6, ATTRIBUTES)), draw.normal(size=(6, DIMS))
    return seen_events(attributes, video, SEGMENTS, tracks=(5, 1), most=2)


def speaker(variant: Variant = "A3", *, context: str = "attention", seed: int = 0) -> AttributeSpeaker:
    torch.manual_seed(seed)
    config = replace(TINY, variant=variant, context=context)  # type: ignore[arg-type]
    return AttributeSpeaker(WORDS, ATTRIBUTES, DIMS, config=config).double()


def doubled(seen: SeenEvents, chosen: list[int]) -> list[Tensor]:
    return [tensor.double() if tensor.is_floating_point() else tensor for tensor in seen.evidence(chosen)]


def lstm(net: AttributeSpeaker, inputs: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """The equations of an LSTM, written out."""
    cell = net.words.cell
    i, f, g, o = (inputs @ cell.weight_ih.T + cell.bias_ih + h @ cell.weight_hh.T + cell.bias_hh).chunk(4, dim=1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_variant_is_the_recurrence_of_its_equations(variant: Variant) -> None:
    net = speaker(variant, context="none")
    evidence = type(events().evidence([0]))(*doubled(events(), [0, 3]))
    said = torch.tensor([[0, 5, 3], [0, 4, 8]])
    h = c = torch.zeros(2, 12, dtype=torch.float64)
    shown = {
        name: layer(value)
        for name, layer, value in (
            ("attributes", net.attributes, evidence.attributes),
            ("video", net.video, evidence.video),
        )
        if layer is not None
    }
    order = {
        "plain": ["video"],
        "A1": ["attributes"],
        "A2": ["video", "attributes"],
        "A3": ["attributes", "video"],
        "A4": ["attributes"],
        "A5": ["video"],
    }[variant]
    for name in order:
        h, c = lstm(net, shown[name], h, c)
    wanted = []
    for column in said.unbind(1):
        inputs = net.words.embedding(column)
        if variant == "A4":
            inputs = inputs + shown["video"]
        if variant == "A5":
            inputs = inputs + shown["attributes"]
        h, c = lstm(net, inputs, h, c)
        wanted.append(h @ net.words.output.weight.T + net.words.output.bias)
    torch.testing.assert_close(net(evidence, said), torch.stack(wanted, dim=1))
    assert set(FIRST) == set(AT_WORDS) == set(VARIANTS)


@pytest.mark.parametrize("context", ["none", "mean", "attention"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_loss_reaches_every_parameter(variant: Variant, context: str) -> None:
    net = speaker(variant, context=context)
    evidence = type(events().evidence([0]))(*doubled(events(), list(range(6))))
    sentences = pad_sentences([(3, 4), (5,), (6, 7, 8), (3,), (4,), (5, 5)])
    caption_loss(net, evidence, *sentences).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_attention_over_neighbours_is_that_of_its_equations_and_knows_no_order() -> None:
    torch.manual_seed(1)
    both, size = ATTRIBUTES + DIMS, 5
    net = NeighbourContext(both, size, attention=True).double()
    event, others = torch.randn(3, both).double(), torch.randn(3, 4, both).double()
    before = torch.tensor([[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]).bool()
    after = torch.tensor([[0, 0, 1, 1], [0, 0, 0, 0], [1, 1, 1, 0]]).bool()
    found = net(event, others, before=before, after=after)
    assert net.query is not None
    for row in range(3):
        h = torch.tanh(net.event(event[row]))
        for side, there in enumerate((before, after)):
            part = found[row, side * size : (side + 1) * size]
            if not there[row].any():
                torch.testing.assert_close(part, net.nothing[side])
                continue
            near = torch.tanh(net.event(others[row, there[row]]))
            weights = torch.softmax(near @ net.query(h) / size**0.5, dim=0)
            torch.testing.assert_close(part, weights @ near)
    swap = [1, 0, 3, 2]
    torch.testing.assert_close(found, net(event, others[:, swap], before=before[:, swap], after=after[:, swap]))
    mean = NeighbourContext(both, size, attention=False).double()
    sides = mean(event, others, before=before, after=after)
    torch.testing.assert_close(sides[0, :size], torch.tanh(mean.event(others[0, :2])).mean(dim=0))


def test_an_event_is_described_alike_in_any_batch() -> None:
    net, seen = speaker().eval(), events()
    sentences = pad_sentences([(3, 4), (5,), (6, 7, 8), (3,), (4,), (5, 5)])
    kind = type(seen.evidence([0]))
    whole = log_probability(net, kind(*doubled(seen, list(range(6)))), *sentences)
    for i in range(6):
        alone = kind(*doubled(seen, [i]))
        assert alone.neighbours.shape[1] == max(1, len(seen.before[i]) + len(seen.after[i]))
        row = log_probability(net, alone, *(tensor[i : i + 1] for tensor in sentences))
        torch.testing.assert_close(row[0], whole[i])


def test_before_are_those_that_end_earlier_and_the_same_event_is_no_neighbour() -> None:
    before, after = neighbours(SEGMENTS[:5], most=9)
    assert [places.tolist() for places in before] == [[], [0, 2], [0], [0, 2, 1, 4], [0, 2]]
    assert [places.tolist() for places in after] == [[2, 1, 4, 3], [3], [1, 4, 3], [], [3]]
    overlap = [(1, 4)]  # tiou 8 / 12
    for i in range(5):
        ends = SEGMENTS[:5, 1]
        others = {j for j in range(5) if j != i and (i, j) not in overlap and (j, i) not in overlap}
        assert set(before[i]) | set(after[i]) == others
        assert all(ends[j] <= ends[i] for j in before[i])
        assert all(ends[j] >= ends[i] for j in after[i])


def test_the_nearest_neighbours_are_kept_in_order_of_time() -> None:
    line = np.array([[float(i), i + 1.0] for i in range(10)])
    shuffled = [3, 8, 1, 0, 9, 5, 2, 7, 6, 4]
    before, after = neighbours(line[shuffled], most=2)
    for place, number in enumerate(shuffled):
        assert [shuffled[j] for j in before[place]] == [j for j in (number - 2, number - 1) if j >= 0]
        assert [shuffled[j] for j in after[place]] == [j for j in (number + 1, number + 2) if j < 10]
    assert all(not len(places) for side in neighbours(line, most=0) for places in side)


def test_neighbours_stay_within_their_track() -> None:
    seen = events()
    assert not len(seen.before[5])
    assert not len(seen.after[5])
    evidence = seen.evidence([0, 5])
    assert not (evidence.before | evidence.after)[1].any()
    first = seen.before[0].tolist() + seen.after[0].tolist()
    near = np.concatenate([seen.attributes, seen.video], axis=1)[first]
    np.testing.assert_array_equal(evidence.neighbours[0, : len(first)], near)
    with pytest.raises(DataError, match="tracks must hold all 6 events, got 5"):
        seen_events(seen.attributes, seen.video, SEGMENTS, tracks=(5,), most=2)


def test_standardised_rows_have_mean_0_and_deviation_1_and_are_cut() -> None:
    rows = np.random.default_rng(0).normal(loc=7, scale=3, size=(500, 2)).astype(np.float32)
    rows = np.concatenate([rows, np.full((500, 1), 4, np.float32)], axis=1)
    net = Standardised(3)
    assert torch.equal(net(torch.from_numpy(rows)), torch.from_numpy(rows))
    found = net.see(rows)(torch.from_numpy(rows)).numpy()
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(found.std(axis=0), [1, 1, 0], atol=1e-4)
    assert net(torch.full((1, 3), 1e4)).tolist() == [[5.0] * 3]


def learnt(video: Float[np.ndarray, "n dims"], wanted: Float[np.ndarray, "n k"], *, exclusive: bool) -> Tensor:
    torch.manual_seed(0)
    detector = AttributeDetector(video.shape[1], wanted.shape[1], exclusive=exclusive)
    detector.standard.see(video)
    batch = [torch.from_numpy(video).float(), torch.from_numpy(wanted).float()]
    optimizer = torch.optim.Adam(detector.parameters(), lr=0.1)
    for _ in range(150):
        optimizer.zero_grad()
        detector_loss(detector, batch).backward()
        optimizer.step()
    return detector.probabilities(batch[0]).detach()


def test_detectors_learn_classes_that_exclude_each_other_and_words_that_do_not() -> None:
    draw = np.random.default_rng(4)
    classes = draw.integers(3, size=60)
    video = (np.eye(3)[classes] + 0.1 * draw.normal(size=(60, 3))).astype(np.float32)
    found = learnt(video, np.eye(3)[classes], exclusive=True)
    torch.testing.assert_close(found.sum(dim=1), torch.ones(60))
    assert (found.argmax(dim=1).numpy() == classes).all()
    has = np.stack([classes != 0, classes != 1], axis=1).astype(np.float64)
    words = learnt(video, has, exclusive=False)
    assert ((words > 0.5).numpy() == has).all()


def test_lstm_a3_learns_sentences_that_only_the_attributes_or_only_the_neighbours_tell_apart() -> None:
    attributes, video = np.zeros((7, ATTRIBUTES)), np.zeros((7, DIMS))
    attributes[:3, :3] = np.eye(3)
    video[3, 0], video[5, 0] = 1.0, -1.0  # events 4 and 6 are alike but for the events before them
    segments = np.array([[0.0, 1.0]] * 4 + [[5.0, 6.0], [0.0, 1.0], [5.0, 6.0]])
    seen = seen_events(attributes, video, segments, tracks=(1, 1, 1, 2, 2), most=1)
    spoken = [(3,), (4, 5), (6, 3), (8,), (7, 4), (8,), (5, 7, 6)]
    torch.manual_seed(0)
    net = AttributeSpeaker(WORDS, ATTRIBUTES, DIMS, config=replace(TINY, embed=24, hidden=24))
    evidence, sentences = seen.evidence(range(7)), pad_sentences(spoken)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    for _ in range(200):
        optimizer.zero_grad()
        caption_loss(net, evidence, *sentences).backward()
        optimizer.step()
    found = search(net.eval(), evidence, config=BeamConfig(width=2, most_words=5))
    assert [hypotheses[0].words for hypotheses in found] == spoken
