"""The page in a real browser: it shows what it is given, seeks, filters, and parses no text as markup."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from untrimmed.records import (
    Annotation,
    Caption,
    ClassScores,
    DataError,
    Detection,
    Event,
    Instance,
    Prediction,
    Proposal,
    Video,
)
from untrimmed.report.page import write_page

EVIL = '</script><img src=x onerror="window.broken=1"> & \u2028"quotes"'


def prediction(video_id: str = "v_one", path: Path | None = None) -> Prediction:
    return Prediction(
        video=Video(video_id=video_id, duration=40.0, path=path),
        classes=ClassScores({"jump": 0.7, EVIL: 0.2, "run": 0.1}),
        proposals=tuple(Proposal((float(i), i + 6.0), 1.0 - i / 30) for i in range(30)),
        detections=(Detection((10.0, 20.0), 0.9, "jump"), Detection((12.0, 18.0), 0.2, EVIL)),
        captions=(Caption((5.0, 15.0), 0.5, "a man jumps"), Caption((15.0, 30.0), 0.4, EVIL)),
    )


def annotation(video_id: str = "v_one") -> Annotation:
    return Annotation(
        video=Video(video_id=video_id, duration=40.0),
        instances=(Instance((9.0, 21.0), "jump"),),
        events=((Event((0.0, 40.0), "a man in a park"),),),
    )


@pytest.fixture
def page_file(tmp_path: Path) -> Path:
    path = tmp_path / "page.html"
    items = [prediction(), prediction("v_two")]
    write_page(path, items, annotations={"v_one": annotation()}, title="Two videos")
    return path


def opened(browser: Any, path: Path, **options: Any) -> tuple[Any, list[str]]:
    tab = browser.new_page(**options)
    problems: list[str] = []
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    tab.on("request", lambda request: problems.append(request.url) if request.url.startswith("http") else None)
    tab.goto(path.as_uri())
    return tab, problems


def test_the_page_shows_every_track_and_fetches_nothing(browser: Any, page_file: Path) -> None:
    tab, problems = opened(browser, page_file)
    titles = tab.locator(".track h3").all_inner_texts()
    assert titles == [
        "Annotated actions",
        "Actions",
        "Annotated sentences",
        "Captions",
        "Proposals (best 30 of 30)",
    ]
    assert tab.locator(".track[data-kind=proposals] .seg").count() == 30
    assert tab.locator("#classes .bar").count() == 3
    assert tab.locator("#side button").count() == 2
    assert "not at hand" in tab.locator("#absent").inner_text()
    assert problems == []


def test_no_text_is_parsed_as_markup(browser: Any, page_file: Path) -> None:
    tab, problems = opened(browser, page_file)
    assert tab.evaluate("window.broken") is None
    assert tab.locator("#classes .bar").nth(1).locator("span").first.inner_text() == EVIL
    assert tab.locator("main img").count() == 0
    assert problems == []


def test_clicking_a_segment_seeks_and_shows_its_caption(browser: Any, page_file: Path) -> None:
    tab, _ = opened(browser, page_file)
    tab.locator(".track[data-kind=captions] .seg").first.click()
    assert tab.locator("#clock").inner_text() == "0:05 / 0:40"
    assert tab.locator("#subtitle").inner_text() == "a man jumps"
    assert tab.locator("#side button.now").count() == 1
    tab.locator("#side button").nth(1).click()
    assert tab.locator("#clock").inner_text() == "0:15 / 0:40"


def test_the_keyboard_seeks_and_filters(browser: Any, page_file: Path) -> None:
    tab, _ = opened(browser, page_file)
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("ArrowRight")
    assert tab.locator("#clock").inner_text() == "0:10 / 0:40"
    tab.keyboard.press("k")
    assert tab.locator("#clock").inner_text() == "0:09 / 0:40"
    before = tab.locator(".seg:visible").count()
    for _ in range(10):
        tab.keyboard.press("]")
    assert tab.locator("#filter-out").inner_text() == "50 %"
    after = tab.locator(".seg:visible").count()
    assert after < before
    assert tab.locator(".track[data-kind=detections] .seg:visible").count() == 1
    assert tab.locator(".track[data-kind=truth] .seg:visible").count() == 2


def test_hovering_shows_times_and_score(browser: Any, page_file: Path) -> None:
    tab, _ = opened(browser, page_file)
    tab.locator(".track[data-kind=detections] .seg").first.hover()
    assert tab.locator("#tip").inner_text() == "jump\n10.0 to 20.0 s, score 0.900"


def test_another_video_is_chosen_and_the_theme_switches(browser: Any, page_file: Path) -> None:
    tab, _ = opened(browser, page_file, color_scheme="dark")
    assert tab.evaluate("document.documentElement.dataset.theme") == "dark"
    tab.locator("#theme").click()
    assert tab.evaluate("document.documentElement.dataset.theme") == "light"
    tab.locator("#videos").select_option("1")
    assert tab.locator(".track").count() == 3


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_overflows_on_a_phone_or_a_desk(browser: Any, page_file: Path, width: int) -> None:
    tab, _ = opened(browser, page_file, viewport={"width": width, "height": 720})
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_a_small_video_is_embedded_and_plays_from_disk(browser: Any, tmp_path: Path) -> None:
    import numpy as np

    from untrimmed.media.writer import write_video

    file = tmp_path / "clips" / "v_one.mp4"
    file.parent.mkdir()
    write_video(file, (np.full((96, 128, 3), 5 * i, np.uint8) for i in range(40)), fps=10)
    path = tmp_path / "page.html"
    write_page(path, [prediction(path=file)])
    assert 'id="media-0"' in path.read_text()
    file.unlink()
    tab, problems = opened(browser, path)
    tab.wait_for_function("document.getElementById('player').readyState > 0 || player.error")
    if tab.evaluate("player.error !== null"):
        pytest.skip("this browser has no H.264 decoder")
    assert tab.evaluate("player.duration") == pytest.approx(4.0, abs=0.2)
    tab.keyboard.press("ArrowRight")
    assert problems == []


def test_a_large_video_is_linked_by_its_relative_path(tmp_path: Path) -> None:
    file = tmp_path / "my clips" / "a#1.mp4"
    file.parent.mkdir()
    file.write_bytes(b"x" * 100)
    path = tmp_path / "out" / "page.html"
    path.parent.mkdir()
    write_page(path, [prediction(path=file)], embed_bytes=10)
    match = re.search(r'id="data">(.*?)</script>', path.read_text(), re.DOTALL)
    assert match is not None
    assert json.loads(match.group(1))["videos"][0]["source"] == "../my%20clips/a%231.mp4"


def test_a_page_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"page .*page.html must show at least one video"):
        write_page(tmp_path / "page.html", [])
