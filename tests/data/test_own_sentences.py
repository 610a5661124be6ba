"""One's own table of actions and sentences: both in one file, told by what is filled in, read back as written."""

from pathlib import Path

import pytest

from untrimmed.data import open_dataset, segments_csv
from untrimmed.records import Annotation, DataError, Dataset, Event, Instance, Video


def test_actions_and_sentences_of_several_people_survive_one_table(tmp_path: Path) -> None:
    dataset = Dataset(
        name="mine",
        annotations=(
            Annotation(
                video=Video(video_id="one", duration=20.5, subset="training"),
                instances=(Instance((0.1, 4.25), "jump, then run"),),
                events=((Event((0.1, 4.25), 'Someone says "jump".'),), (Event((5.0, 9.0), "Läuft."),)),
            ),
            Annotation(
                video=Video(video_id="two", duration=9.0, subset="validation"), events=((Event((1, 2), "End."),),)
            ),
        ),
    )
    segments_csv.write(tmp_path / "mine.csv", dataset)
    assert open_dataset(tmp_path / "mine.csv").annotations == dataset.annotations


def test_a_row_is_an_action_a_sentence_or_both(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(
        "video,start,end,label,sentence,duration\none,1,2,jump,A jump.,9\none,2,3,run,,9\none,3,4,,He rests.,9\n"
    )
    (one,) = open_dataset(path).annotations
    assert [item.label for item in one.instances] == ["jump", "run"]
    assert [event.sentence for event in one.events[0]] == ["A jump.", "He rests."]
    path.write_text("video,start,end,sentence,annotator,duration\none,1,2,A jump.,0,9\n")
    with pytest.raises(DataError, match=r"mine.csv line 2: annotator must be 1 to 100, got 0"):
        open_dataset(path)
    path.write_text("video,start,end,words\none,1,2,x\n")
    with pytest.raises(DataError, match="is a table of no known format; its columns are video,start,end,words"):
        open_dataset(path)
