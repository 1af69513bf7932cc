import claude_parallel as cp
import pandas as pd
import pytest


def complaints(reviews: pd.DataFrame) -> pd.DataFrame:
    """The code under test: keep the reviews that complain."""
    out = reviews.claude.classify("{review}", ["praise", "complaint"], progress=False)
    return reviews[out["label"] == "complaint"]


@pytest.fixture
def claude(tmp_path, monkeypatch):
    """A model that says what we want; its answers are kept in a folder of the test."""
    monkeypatch.setenv("CLAUDE_PARALLEL_HOME", str(tmp_path))

    def answer(prompt: str) -> str:
        return "complaint" if "broke" in prompt else "praise"

    with cp.simulator(answer=answer, latency_seconds=0) as simulator:
        yield simulator


def test_complaints_are_kept(claude):
    reviews = pd.DataFrame({"review": ["It broke.", "Lovely!", "It broke, too."]})
    assert complaints(reviews)["review"].tolist() == ["It broke.", "It broke, too."]
    assert claude.ledger.requests == 3
