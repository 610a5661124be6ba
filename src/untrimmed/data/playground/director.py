"""Decides what a video shows: which classes, when, how long, and where the cuts are."""

from itertools import pairwise

import numpy as np

from untrimmed.data.playground.classes import BY_LABEL, LABELS
from untrimmed.data.playground.config import PlaygroundConfig
from untrimmed.data.playground.people import choose_look
from untrimmed.data.playground.plan import Stretch, VideoPlan, derive
from untrimmed.data.playground.shots import PROP_COLOURS, compose, fill

COUNTED = ("Jumping once", "Jumping three times")
"""Classes that a round more or less would turn into another."""


def plan_video(video_id: str, subset: str, labels: tuple[str, ...], config: PlaygroundConfig) -> VideoPlan:
    """An untrimmed video.

    Args:
        video_id: decides, with the seed, every choice.
        subset: training, validation or testing.
        labels: the class of each instance, in order; one to four.
        config: sizes and difficulty.
    """
    rng = np.random.default_rng(derive(config.seed, video_id))
    frames = round(float(rng.uniform(config.shortest, config.longest)) * config.fps)
    spans = _timeline(rng, frames / config.fps, len(labels), cut=0.35 * config.difficulty)
    return _plan(rng, video_id, subset, False, frames, spans, labels, config)


def plan_clip(video_id: str, subset: str, label: str, config: PlaygroundConfig) -> VideoPlan:
    """A trimmed clip of 2 to 6 seconds that shows one class from beginning to end."""
    rng = np.random.default_rng(derive(config.seed, video_id))
    low = 2.0 if rng.random() < 0.3 else 3.0
    frames = round(float(rng.uniform(low, 6.0)) * config.fps)
    return _plan(rng, video_id, subset, True, frames, [(0.0, frames / config.fps)], (label,), config)


def _timeline(rng: np.random.Generator, duration: float, count: int, *, cut: float) -> list[tuple[float, float]]:
    """Where the actions are: spread lengths and gaps; by the chance `cut` the first begins and the last ends with the
    video.
    """
    low, high = {1: (0.12, 0.85), 2: (0.35, 0.8), 3: (0.4, 0.8), 4: (0.45, 0.8)}[count]
    share = rng.uniform(low, high)
    least = min(2.6, 0.6 * share * duration / count)
    lengths = least + (share * duration - least * count) * rng.dirichlet(np.full(count, 2.5))
    gap = min(1.2, 0.5 * (1 - share) * duration / (count + 1))
    gaps = gap + ((1 - share) * duration - gap * (count + 1)) * rng.dirichlet(np.full(count + 1, 1.6))
    early, late = rng.random(2) < cut
    if early:
        gaps[-1], gaps[0] = gaps[-1] + gaps[0], 0.0
    elif late:
        gaps[0], gaps[-1] = gaps[0] + gaps[-1], 0.0
    starts = np.cumsum(gaps[:-1]) + np.concatenate([[0.0], np.cumsum(lengths)[:-1]])
    return [(float(start), min(duration, float(start + length))) for start, length in zip(starts, lengths, strict=True)]


def _plan(
    rng: np.random.Generator,
    video_id: str,
    subset: str,
    trimmed: bool,
    frames: int,
    spans: list[tuple[float, float]],
    labels: tuple[str, ...],
    config: PlaygroundConfig,
) -> VideoPlan:
    place_share = rng.random()
    places = BY_LABEL[labels[0]].places
    place = places[int(place_share * len(places))]
    look = choose_look(rng)
    mirrored = bool(rng.random() < 0.5)
    stretches, instances, forced = _stretches(rng, frames / config.fps, spans, labels, config, trimmed=trimmed)
    cuts = _cuts(rng, frames, config.fps, forced, spans)
    seeds = {"place": int(rng.integers(2**31)), "look": int(rng.integers(2**31)), "sound": int(rng.integers(2**31))}
    colour = tuple(float(c) for c in PROP_COLOURS[int(rng.integers(len(PROP_COLOURS)))])
    light = rng.uniform(0.82, 1.12) * rng.uniform(0.95, 1.05, 3)
    shots = tuple(
        compose(
            np.random.default_rng(derive(config.seed, video_id, f"shot {index}")),
            (first, past),
            tuple(s for s in stretches if s.start < past / config.fps - 1e-6 and s.end > first / config.fps + 1e-6),
            place=place,
            place_seed=seeds["place"],
            light=(float(light[0]), float(light[1]), float(light[2])),
            look=look,
            mirrored=mirrored,
            colour=(colour[0], colour[1], colour[2]),
            labels=labels,
            config=config,
        )
        for index, (first, past) in enumerate(pairwise(cuts))
    )
    return VideoPlan(
        video_id=video_id,
        subset=subset,
        trimmed=trimmed,
        frames=frames,
        fps=config.fps,
        stretches=tuple(stretches),
        instances=tuple(instances),
        shots=shots,
        look=look,
        place=place,
        seed=seeds["sound"],
        noise=0.6 + 4.0 * config.difficulty * float(rng.uniform(0.3, 1.0)),
    )


def _stretches(
    rng: np.random.Generator,
    duration: float,
    spans: list[tuple[float, float]],
    labels: tuple[str, ...],
    config: PlaygroundConfig,
    *,
    trimmed: bool,
) -> tuple[list[Stretch], list[tuple[float, float, str, int]], list[float]]:
    """The main person's doings, the instances, and the times at which there must be a cut."""
    stretches: list[Stretch] = []
    instances: list[tuple[float, float, str, int]] = []
    forced: list[float] = []
    now = 0.0
    for index, ((start, end), label) in enumerate(zip(spans, labels, strict=True)):
        fill(rng, stretches, now, start, config)
        motion = BY_LABEL[label].motion
        tempo = float(rng.uniform(0.82, 1.22))
        rounds = max(1, round((end - start) / (motion.period * tempo)))
        missing = float(rng.uniform(0.2, 0.7))
        if motion.once:
            edges = np.linspace(start, end, rounds + 1)
            forced += [float(edge) for edge in edges[1:-1]]
            for low, high in pairwise(edges):
                stretches.append(Stretch(start=float(low), end=float(high), motion=motion, rounds=1, label=label))
        else:
            # a cut round could not be counted, so what is told by its count is whole
            part = not trimmed and label not in COUNTED and rounds > 1
            phase = missing if part and start == 0 else 0.0
            less = missing if part and end >= duration - 1e-6 else phase
            stretches.append(
                Stretch(start=start, end=end, motion=motion, rounds=rounds - less, phase=phase, label=label)
            )
        instances.append((start, end, label, rounds))
        separate = motion.once or (index + 1 < len(labels) and labels[index + 1] != label)
        share = float(rng.uniform(0.35, 0.65))
        if index + 1 < len(labels) and separate:
            forced.append(end + share * (spans[index + 1][0] - end))
        now = end
    fill(rng, stretches, now, duration, config)
    return stretches, instances, forced


def _cuts(
    rng: np.random.Generator, frames: int, fps: int, forced: list[float], spans: list[tuple[float, float]]
) -> list[int]:
    """Frames at which shots begin, and the end: forced cuts, some at boundaries of actions, others at random."""
    cuts = {0, frames, *(round(at * fps) for at in forced)}
    for start, end in spans:
        for at, chance in ((start, 0.2), (end, 0.15)):
            if rng.random() < chance:
                cuts.add(round(at * fps))
    at = float(rng.uniform(5.0, 14.0))
    while at * fps < frames:
        frame = round(at * fps)
        if min(abs(frame - cut) for cut in cuts) > 1.5 * fps:
            cuts.add(frame)
        at += float(rng.uniform(5.0, 14.0))
    kept = sorted(cut for cut in cuts if 0 <= cut <= frames)
    return [cut for i, cut in enumerate(kept) if i == 0 or cut == frames or (frames - cut >= 3 and cut >= 3)]


def choose_labels(index: int, video_id: str, config: PlaygroundConfig) -> tuple[str, ...]:
    """The classes of the instances of an untrimmed video: one to four, in four of five videos all of one class.

    Classes take turns over the videos, so that each subset holds every class about equally often.
    """
    rng = np.random.default_rng(derive(config.seed, video_id, "labels"))
    count = int(rng.choice([1, 2, 3, 4], p=[0.45, 0.25, 0.18, 0.12]))
    order = np.random.default_rng(derive(config.seed, f"turn {index // len(LABELS)}")).permutation(len(LABELS))
    label = LABELS[order[index % len(LABELS)]]
    if rng.random() >= 0.2:
        return (label,) * count
    # the second class must be at home in the same place
    home = set(BY_LABEL[label].places)
    others = [name for name in LABELS if name != label and home <= set(BY_LABEL[name].places)]
    if not others:
        return (label,) * count
    other = others[int(rng.integers(len(others)))]
    count = max(2, count)
    return tuple(label if i == 0 or (i < count - 1 and rng.random() < 0.5) else other for i in range(count))
