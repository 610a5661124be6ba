"""The stemmer: published examples, the state before release 3.0, and laws."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from untrimmed.evaluate.text.snowball import stem

# From the sample vocabulary at snowballstem.org.
PUBLISHED = (
    "consign:consign consigned:consign consigning:consign consignment:consign consist:consist consisted:consist "
    "consistency:consist consistent:consist consistently:consist consisting:consist consists:consist "
    "consolation:consol consolations:consol consolatory:consolatori console:consol consoled:consol consoles:consol "
    "consolidate:consolid consolidated:consolid consolidating:consolid consoling:consol consolingly:consol "
    "consols:consol consonant:conson consort:consort consorted:consort consorting:consort conspicuous:conspicu "
    "conspicuously:conspicu conspiracy:conspiraci conspirator:conspir conspirators:conspir conspire:conspir "
    "conspired:conspir conspiring:conspir constable:constabl constables:constabl constance:constanc "
    "constancy:constanc constant:constant knack:knack knackeries:knackeri knacks:knack knag:knag knave:knave "
    "knaves:knave knavish:knavish kneaded:knead kneading:knead knee:knee kneel:kneel kneeled:kneel kneeling:kneel "
    "kneels:kneel knees:knee knell:knell knelt:knelt knew:knew knick:knick knif:knif knife:knife knight:knight "
    "knightly:knight knights:knight knit:knit knits:knit knitted:knit knitting:knit knives:knive knob:knob "
    "knobs:knob knock:knock knocked:knock knocker:knocker knockers:knocker knocking:knock knocks:knock knopp:knopp "
    "knot:knot knots:knot"
)


@pytest.mark.parametrize("pair", PUBLISHED.split())
def test_published_examples(pair: str) -> None:
    word, wanted = pair.split(":")
    assert stem(word) == wanted


@pytest.mark.parametrize(
    ("word", "wanted"),
    [
        ("adding", "ad"),
        ("added", "ad"),
        ("evening", "even"),
        ("skies", "sky"),
        ("news", "news"),
        ("herring", "herring"),
        ("generously", "generous"),
        ("arsenal", "arsenal"),
        ("ties", "tie"),
        ("cries", "cri"),
        ("gas", "gas"),
        ("hoping", "hope"),
        ("falling", "fall"),
        ("hopping", "hop"),
        ("agreed", "agre"),
        ("say", "say"),
        ("by", "by"),
        ("cry", "cri"),
        ("boy's", "boy"),
        ("'em", "em"),
        ("apology", "apolog"),
        ("nativeness", "nativ"),
    ],
)
def test_each_step_and_the_words_that_a_later_release_changed(word: str, wanted: str) -> None:
    assert stem(word) == wanted


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz'", max_size=14))
def test_a_stem_has_small_letters_and_is_hardly_longer(word: str) -> None:
    found = stem(word)
    assert len(found) <= len(word) + 1  # "hoping" to "hope" is the only kind of gain, "ing" to "e"
    assert found == found.lower()
    if len(word) <= 2:
        assert found == word
