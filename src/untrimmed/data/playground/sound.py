"""Sound of a video: the place hums, steps thump, brooms swish, people sing or talk."""

import math

import numpy as np
from jaxtyping import Float, Float32

from untrimmed.data.playground.classes import BY_LABEL
from untrimmed.data.playground.plan import Stretch, VideoPlan

Samples = Float[np.ndarray, " samples"]
_TABLE = 2048
_AMBIENCE = {
    # where the hum of a place has its weight: centre and width in octaves from 100 Hz, loudness
    "kitchen": (0.3, 0.8, 0.012),
    "living room": (0.6, 1.2, 0.006),
    "office": (1.6, 0.7, 0.010),
    "gym": (1.2, 1.5, 0.012),
    "stage": (2.0, 2.0, 0.006),
    "park": (4.2, 0.9, 0.010),
    "street": (0.5, 1.6, 0.022),
    "beach": (2.6, 1.6, 0.022),
}


def synthesise(plan: VideoPlan, rate: int, *, difficulty: float) -> Float32[np.ndarray, " samples"]:
    """The sound of a video.

    Args:
        plan: what happens when.
        rate: samples a second.
        difficulty: in [0, 1]; louder ambience and other people's talk.

    Returns:
        Mono samples in [-1, 1], as long as the video.
    """
    count = round(plan.duration * rate)
    rng = np.random.default_rng(plan.seed + 2)
    out = _ambience(rng, plan.place, count, rate) * (1 + 2 * difficulty)
    chatter = rng.random() < 0.7 * difficulty
    if chatter:
        talker = np.random.default_rng(plan.seed + 3)
        out += 0.12 * voice(talker, count, rate, singing=bool(talker.random() < 0.5))
    for stretch in plan.stretches:
        if stretch.label:
            _add_action(np.random.default_rng([plan.seed, round(stretch.start * 1000)]), out, stretch, rate)
    return np.clip(out, -1, 1).astype(np.float32)


def _add_action(rng: np.random.Generator, out: Samples, stretch: Stretch, rate: int) -> None:
    kind = BY_LABEL[stretch.label].sound
    if kind in ("song", "speech"):
        first, past = round(stretch.start * rate), min(len(out), round(stretch.end * rate))
        out[first:past] += 0.35 * voice(rng, past - first, rate, singing=kind == "song")
        return
    if not kind:
        return
    each = (stretch.end - stretch.start) / stretch.rounds
    for index in range(math.ceil(stretch.phase + stretch.rounds)):
        for beat in stretch.motion.beats:
            grain = _grain(rng, kind, rate)
            at = stretch.start + (index + beat - stretch.phase) * each
            if not stretch.start <= at < stretch.end:
                continue
            first = round(at * rate)
            part = out[first : first + len(grain)]
            part += grain[: len(part)]


def _shaped_noise(rng: np.random.Generator, count: int, rate: int, octave: float, width: float) -> Samples:
    """Noise of standard deviation 1 whose spectrum is a bell over octaves from 100 Hz."""
    spectrum = np.fft.rfft(rng.normal(size=count))
    octaves = np.log2(np.maximum(np.fft.rfftfreq(count, 1 / rate), 1.0) / 100.0)
    shaped = np.fft.irfft(spectrum * np.exp(-0.5 * ((octaves - octave) / width) ** 2), n=count)
    return np.asarray(shaped / max(1e-9, float(shaped.std())))


def _ambience(rng: np.random.Generator, place: str, count: int, rate: int) -> Samples:
    octave, width, loud = _AMBIENCE[place]
    loop = _shaped_noise(rng, 3 * rate, rate, octave, width)
    out = np.resize(loop, count) * loud * rng.uniform(0.6, 1.4)
    if place == "beach":  # waves
        seconds = np.arange(0, count, 64) / rate
        swell = np.repeat(0.6 + 0.5 * np.sin(2 * np.pi * seconds / 5.3 + rng.uniform(0, 6)), 64)[:count]
        out *= swell
    if place == "park":  # birds
        for at in rng.uniform(0, count / rate, int(count / rate / 2.5)):
            length = int(0.09 * rate)
            seconds = np.arange(length) / rate
            chirp = np.sin(2 * np.pi * (rng.uniform(2600, 3800) * seconds + 6000 * seconds**2))
            first = int(at * rate)
            part = out[first : first + length]
            part += (0.04 * chirp * np.hanning(length))[: len(part)]
    return out


def _grain(rng: np.random.Generator, kind: str, rate: int) -> Samples:
    """One sound of an object or a foot."""
    if kind in ("steps", "landing", "thud"):
        duration, pitch, loud = {"steps": (0.09, 95, 0.3), "landing": (0.2, 62, 0.6), "thud": (0.16, 75, 0.4)}[kind]
        seconds = np.arange(int(duration * rate)) / rate
        tone = np.sin(2 * np.pi * pitch * rng.uniform(0.9, 1.1) * seconds)
        click = 0.3 * rng.normal(size=len(seconds)) * np.exp(-seconds / 0.008)
        return np.asarray(loud * (tone + click) * np.exp(-seconds / (duration / 4)))
    if kind == "creak":
        seconds = np.arange(int(0.45 * rate)) / rate
        bend = 320 * rng.uniform(0.8, 1.3) * (1 + 0.25 * np.sin(2 * np.pi * 3 * seconds))
        buzz = np.sign(np.sin(2 * np.pi * np.cumsum(bend) / rate)) * (0.5 + 0.5 * np.sin(2 * np.pi * 31 * seconds))
        return np.asarray(0.09 * buzz * np.hanning(len(seconds)))
    length, octave, width, loud = {
        "chair": (0.35, 2.6, 0.8, 0.2),
        "swish": (0.38, 5.0, 0.7, 0.16),
        "crunch": (0.16, 4.6, 1.2, 0.35),
        "gulp": (0.14, 1.2, 0.5, 0.3),
    }[kind]
    count = int(length * rate)
    noise = _shaped_noise(rng, count, rate, octave, width) / 2.5
    if kind == "crunch":
        noise *= (rng.random(count // 200 + 1).repeat(200)[:count] < 0.5) * 1.0
    return np.asarray(loud * noise * np.hanning(count))


def voice(rng: np.random.Generator, count: int, rate: int, *, singing: bool) -> Samples:
    """A voice of the same loudness that sings long notes of a scale or speaks short falling syllables.

    Args:
        rng: of melody or words.
        count: samples.
        rate: samples a second.
        singing: notes with vibrato; else syllables with pauses.
    """
    base = rng.uniform(120, 230)
    pitch, loud = np.empty(count), np.empty(count)
    at = 0
    while at < count:
        if singing:
            length = int(rng.uniform(0.3, 0.8) * rate)
            note = base * 2 ** (float(rng.choice([0, 2, 4, 7, 9, 12])) / 12)
            seconds = np.arange(length) / rate
            glide = note * (1 + 0.012 * np.sin(2 * np.pi * 5.5 * seconds))
            swell = np.minimum(1.0, np.minimum(seconds, seconds[::-1]) / 0.04)
        else:
            length = int(rng.uniform(0.11, 0.24) * rate)
            seconds = np.arange(length) / rate
            glide = base * 0.9 * rng.uniform(0.85, 1.25) * (1 - 0.9 * seconds)
            swell = np.maximum(0.0, np.sin(np.pi * seconds / seconds[-1])) ** 0.7 * rng.uniform(0.5, 1.0)
            if rng.random() < 0.12:
                swell = swell * 0.0  # a breath
        past = min(count, at + length)
        pitch[at:past], loud[at:past] = glide[: past - at], swell[: past - at]
        at = past
    harmonics = (1.0, 0.6, 0.35, 0.2, 0.1) if singing else (0.5, 0.7, 0.8, 0.5, 0.4, 0.35, 0.2, 0.15)
    turns = 2 * np.pi * np.arange(_TABLE) / _TABLE
    table = np.zeros(_TABLE)
    for index, strength in enumerate(harmonics):  # a matrix product may round differently from process to process
        table += strength * np.sin((index + 1) * turns)
    table *= 0.4 / table.std()
    phase = np.cumsum(pitch) * (_TABLE / rate)
    wave = table[phase.astype(np.int64) % _TABLE] * loud
    if not singing:  # consonants
        wave += 0.05 * rng.normal(size=count) * (1 - loud)
    return np.asarray(wave)
