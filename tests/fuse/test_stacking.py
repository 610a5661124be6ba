"""The maxout meta-model: its halves, where it starts, what it learns, and that only the seed draws."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from untrimmed.fuse.stacking import MaxoutMeta, MaxoutStacking, fit_stacking, halves, restored, stacked
from untrimmed.records import DataError

SHORT = MaxoutStacking(steps=60, learning_rate=0.05)


def drawn(seed: int = 0, *, members: int = 3, videos: int = 60, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Scores of members that are a little right, and one class a video."""
    rng = np.random.default_rng(seed)
    truth = np.eye(classes, dtype=bool)[rng.integers(0, classes, videos)]
    powers = np.exp(rng.normal(size=(members, videos, classes)) + 0.8 * truth)
    return powers / powers.sum(axis=-1, keepdims=True), truth


def swapped(seed: int = 0, *, videos: int = 80) -> tuple[np.ndarray, np.ndarray]:
    """Two members of which the first takes class 0 for 1 and 1 for 0, surely; no weighted mean can put that right."""
    rng = np.random.default_rng(seed)
    number = rng.integers(0, 3, videos)
    wrong = np.eye(3)[np.array([1, 0, 2])[number]] * 0.9 + 0.1 / 3
    return np.stack([wrong, rng.dirichlet(np.ones(3) * 5, videos)]), np.eye(3, dtype=bool)[number]


def hits(scores: np.ndarray, truth: np.ndarray) -> float:
    return float(truth[np.arange(len(truth)), scores.argmax(axis=1)].mean())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 40), st.integers(1, 6))
def test_halves_share_no_video_and_split_every_class(seed: int, videos: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    truth = np.eye(classes, dtype=bool)[rng.integers(0, classes, videos)] & (rng.random((videos, 1)) < 0.8)
    truth[:2] = np.eye(classes, dtype=bool)[0]
    first, second = halves(truth, seed=seed)
    assert not set(first) & set(second)
    assert sorted([*first, *second]) == np.flatnonzero(truth.any(axis=1)).tolist()
    assert 0 <= len(first) - len(second) <= 1
    assert np.abs(truth[first].sum(axis=0) - truth[second].sum(axis=0)).max() <= 1
    again = halves(truth, seed=seed)
    assert np.array_equal(first, again[0])
    assert np.array_equal(second, again[1])


def test_halves_follow_the_seed() -> None:
    truth = drawn()[1]
    assert not np.array_equal(halves(truth, seed=0)[0], halves(truth, seed=1)[0])


def test_the_start_is_the_maximum_over_the_members() -> None:
    scores, _ = drawn(1)
    highest = scores.max(axis=0)
    np.testing.assert_allclose(stacked(MaxoutMeta(3, 4), scores), highest / highest.sum(axis=1, keepdims=True))


@settings(max_examples=20, deadline=None)
@given(st.floats(0, 1), st.integers(0, 100))
def test_a_start_lies_between_the_maximum_and_the_geometric_mean(start: float, seed: int) -> None:
    scores, _ = drawn(seed)
    logs = np.log(scores)
    plain = np.exp(start * logs.mean(axis=0) + (1 - start) * logs.max(axis=0))
    np.testing.assert_allclose(stacked(MaxoutMeta(3, 4, start=start), scores), plain / plain.sum(axis=1, keepdims=True))


def test_members_that_know_different_things_are_not_pooled_by_their_maximum() -> None:
    """One knows which half of the classes, the other which of each half; only together they know the class."""
    rng = np.random.default_rng(0)
    number = rng.integers(0, 4, 60)
    halves_known = np.eye(2)[number // 2] * 0.9 + 0.05
    others_known = np.eye(2)[number % 2] * 0.9 + 0.05
    scores = np.stack([np.repeat(halves_known, 2, axis=1) / 2, np.tile(others_known, 2) / 2])
    scores = scores * np.exp(0.3 * rng.normal(size=scores.shape))
    truth = np.eye(4, dtype=bool)[number]
    meta = fit_stacking(SHORT, scores[:, :30], truth[:30], seed=0)
    assert hits(scores[:, 30:].max(axis=0), truth[30:]) < 0.9
    assert hits(stacked(meta, scores[:, 30:]), truth[30:]) == 1


def test_a_layer_is_the_maximum_of_its_pieces_written_out() -> None:
    torch.manual_seed(0)
    meta = MaxoutMeta(2, 3)
    for part in meta.parameters():
        torch.nn.init.normal_(part)
    logs = torch.randn(5, 2, 3, dtype=torch.float64)
    weight, bias, x = meta.weight.detach().numpy(), meta.bias.detach().numpy(), logs.numpy().reshape(5, 6)
    plain = [[max(weight[j, c] @ row + bias[j, c] for j in range(2)) for c in range(3)] for row in x]
    np.testing.assert_allclose(meta(logs).detach().numpy(), plain)
    meta(logs).square().sum().backward()
    for part in meta.parameters():
        assert part.grad is not None
        assert (part.grad != 0).any()


def test_it_puts_right_what_a_member_always_takes_for_another_class() -> None:
    scores, truth = swapped()
    assert hits(scores.max(axis=0), truth) < 0.5
    meta = fit_stacking(MaxoutStacking(), scores, truth, seed=0)
    fresh, known = swapped(1)
    assert hits(stacked(meta, fresh), known) == 1


def test_the_second_half_is_never_worse_than_the_starts() -> None:
    for seed in range(4):
        scores, truth = drawn(seed, videos=24)
        _, second = halves(truth, seed=seed)
        losses = [
            -np.log(stacked(meta, scores[:, second])[truth[second]]).mean()
            for meta in (
                fit_stacking(SHORT, scores, truth, seed=seed),
                *(MaxoutMeta(3, 4, start=start) for start in SHORT.starts),
            )
        ]
        assert losses[0] <= min(losses[1:])


def test_the_second_half_only_decides() -> None:
    """Where all it teaches would be wrong there, the first half's lesson is not taken, and the start stays."""
    truth = np.eye(4, dtype=bool)[np.arange(40) % 4]
    _, second = halves(truth, seed=3)
    told = truth.copy()
    told[second] = np.roll(told[second], 1, axis=1)  # the members are right in the first half, wrong in the second
    scores = np.stack([0.6 * told + 0.1, 0.4 * told + 0.15])
    starts = [MaxoutMeta(2, 4, start=start).weight for start in SHORT.starts]
    weight = fit_stacking(SHORT, scores, truth, seed=3).weight
    assert sum(torch.equal(weight, start) for start in starts) == 1
    right = np.stack([0.6 * truth + 0.1, 0.4 * truth + 0.15])
    weight = fit_stacking(SHORT, right, truth, seed=3).weight
    assert not any(torch.equal(weight, start) for start in starts)


def test_the_order_of_members_and_scale_of_scores_change_nothing() -> None:
    scores, truth = drawn(5)
    order = [2, 0, 1]
    one = stacked(fit_stacking(SHORT, scores, truth, seed=1), scores)
    other = stacked(fit_stacking(SHORT, scores[order], truth, seed=1), scores[order])
    np.testing.assert_allclose(one, other, atol=1e-6)
    np.testing.assert_allclose(stacked(fit_stacking(SHORT, 8 * scores, truth, seed=1), scores), one)


def test_the_seed_alone_decides() -> None:
    scores, truth = drawn(6)
    same = [fit_stacking(SHORT, scores, truth, seed=seed).weight for seed in (4, 4, 5)]
    assert torch.equal(same[0], same[1])
    assert not torch.equal(same[0], same[2])


def test_a_stored_meta_model_comes_back() -> None:
    scores, truth = drawn(7)
    meta = fit_stacking(SHORT, scores, truth, seed=0)
    again = restored(meta.state_dict(), where="file")
    assert np.array_equal(stacked(meta, scores), stacked(again, scores))


def test_a_video_of_two_classes_counts_for_both_and_one_of_none_for_nothing() -> None:
    scores, truth = drawn(8)
    truth[0] = [True, True, False, False]
    truth[1] = False
    meta = fit_stacking(SHORT, scores, truth, seed=0)
    changed = scores.copy()
    changed[:, 1] = changed[:, 1, ::-1]
    assert torch.equal(fit_stacking(SHORT, changed, truth, seed=0).weight, meta.weight)
    assert np.isfinite(stacked(meta, scores)).all()


def test_too_few_videos_leave_the_start(caplog: pytest.LogCaptureFixture) -> None:
    scores, truth = drawn(9)
    for count in (0, 1):
        meta = fit_stacking(SHORT, scores[:, :count], truth[:count], seed=0)
        assert torch.equal(meta.weight, MaxoutMeta(3, 4).weight)
        assert f"stacking needs two videos with a class to learn from, got {count}" in caplog.text


def test_words_of_errors() -> None:
    scores, truth = drawn()
    with pytest.raises(DataError, match=r"needs steps, patience >= 1, learning_rate > 0 and pull >= 0, got"):
        MaxoutStacking(steps=0)
    with pytest.raises(DataError, match=r"starts of stacking must be shares in \[0, 1\), got \(1.0,\)"):
        MaxoutStacking(starts=(1.0,))
    with pytest.raises(DataError, match=r"stacking was learnt for \(members, classes\) \(2, 4\), got \(3, 4\)"):
        stacked(MaxoutMeta(2, 4), scores)
    with pytest.raises(DataError, match=r"needs a bias \(m, c\) and a weight .* got \{'bias': \(3,\)\} \(file\)"):
        restored({"bias": torch.zeros(3)}, where="file")
    with pytest.raises(DataError, match="votes need scores >= 0 that are finite"):
        fit_stacking(SHORT, scores - 1, truth, seed=0)
