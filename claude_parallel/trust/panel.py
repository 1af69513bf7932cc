"""The labelling panel: the row's text, the answer, a button and a key for each label, progress.

Draws a ``review`` and calls it; keeps nothing itself. Keys are read from a small field, since widgets see no others.
Above it stands a line of plain HTML, so that a saved notebook says how far the labelling went; once every row is
labelled, that line is all that is left.
"""

from __future__ import annotations

import importlib.util
from typing import Any

from ..errors import InputError
from ..progress.bar import is_notebook, never_raise
from ..progress.notebook import WIDGET_VIEW, Output, Show, show_in_cell
from ..text import escaped
from .review import Review

_LONGEST_TEXT = 5_000
"""Letters of one column that are shown; a longer text is cut with an ellipsis."""
_MOST_KEYS = 9
"""Labels with a digit as their key."""


class ReviewPanel:
    """The panel as widgets.

    Parameters
    ----------
    review : Review
        What to show and to tell.
    """

    def __init__(self, review: Review) -> None:
        import ipywidgets as widgets

        self._review = review
        self._line: Output | None = None
        self._view: Output | None = None
        self._text = widgets.HTML()
        self._progress = widgets.IntProgress(min=0, max=max(1, len(review.items)), layout={"width": "240px"})
        self._count = widgets.Label()
        self._said = widgets.HTML()
        self._choices = [self._button(self._name(place), choice) for place, choice in enumerate(review.choices)]
        self._other = widgets.Text(placeholder="type the label, Enter", continuous_update=False)
        self._other.observe(self._typed, "value")
        self._right = self._action("Right (r)", review.confirm, "success")
        self._wrong = self._action("Wrong (w)", review.reject, "danger")
        self._skip = self._action("Skip (s)", review.skip, "")
        self._back = self._action("Back (b)", review.back, "")
        self._keys = widgets.Text(placeholder="keys: click here", layout={"width": "130px"})
        self._keys.add_class("claude-review-keys")
        self._keys.observe(self._pressed, "value")
        labels = widgets.HBox(self._choices or [self._other], layout={"flex_flow": "row wrap"})
        self.widget = widgets.VBox(
            [
                widgets.HBox([self._progress, self._count]),
                self._text,
                labels,
                widgets.HBox([self._right, self._wrong, self._skip, self._back, self._keys]),
                self._said,
            ]
        )
        self.widget.add_class("claude-review")
        self.draw()

    def show(self, show: Show = show_in_cell, *, reopens: bool = False) -> None:
        """Show the line in the running cell, and the panel where there is something left to label, or it `reopens`."""
        self._line = show(self._saved())
        self._review.watch(self.draw)
        if self._review.is_done and not reopens:
            return
        view = {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}
        self._view = show({"text/plain": "", WIDGET_VIEW: view})

    def _saved(self) -> dict[str, str]:
        """Return what a saved notebook keeps."""
        review = self._review
        words = f"{review.labelled:,} of {len(review.items):,} rows labelled; "
        words += (
            "audit(review.labels) says how far the answers can be believed, review.show() opens the panel again"
            if review.is_done
            else "run this cell again to go on labelling after a restart"
        )
        html = f'<div class="tex2jax_ignore mathjax_ignore" style="opacity:.75">{escaped(words)}</div>'
        return {"text/plain": words, "text/html": html}

    def _save(self) -> None:
        line, view = self._line, self._view
        if line is not None:
            never_raise(lambda: line.update(self._saved(), raw=True))
        if view is not None and self._review.is_done:
            self._view = None
            never_raise(lambda: view.update({"text/plain": ""}, raw=True))

    def draw(self) -> None:
        """Show the present row."""
        self._save()
        review, item = self._review, self._review.current
        self._progress.value = review.labelled
        self._count.value = f"{review.labelled:,} of {len(review.items):,} labelled"
        is_over = item is None
        for button in (*self._choices, self._skip):
            button.disabled = is_over
        for button in (self._right, self._wrong):
            button.disabled = is_over or review.is_blind or item is None or item.answer is None
        self._back.disabled = review.place == 0
        if item is None:
            self._text.value = "<p><b>All rows have been shown.</b> The labels are in <code>.labels</code>.</p>"
            return
        parts = "".join(_field(name, text) for name, text in item.texts)
        answer = "" if review.is_blind else _field("answer", str(item.answer))
        given = review.label_of(item)
        label = "" if given is None else _field("your label", str(given))
        number = f'<div style="opacity:.7">row {review.place + 1:,} of {len(review.items):,}</div>'
        self._text.value = f'<div class="tex2jax_ignore mathjax_ignore">{number}{parts}{answer}{label}</div>'

    # -- what the user does --------------------------------------------------------------------------------------

    def _name(self, place: int) -> str:
        choice = str(self._review.choices[place])
        return f"{choice} ({place + 1})" if place < _MOST_KEYS else choice

    def _button(self, name: str, label: Any) -> Any:
        return self._action(name, lambda: self._review.give(label), "info")

    def _action(self, name: str, act: Any, style: str) -> Any:
        import ipywidgets as widgets

        button = widgets.Button(description=name, button_style=style, layout={"width": "auto"})
        button.on_click(lambda _button: self._do(act))
        return button

    def _do(self, act: Any) -> None:
        """Act and show what came of it; a mistake is a line below, not a traceback in a log."""
        try:
            act()
        except InputError as error:
            self._said.value = f'<span style="color:#d97a1f">{escaped(error)}</span>'
        else:
            self._said.value = ""
        self.draw()

    def _typed(self, change: dict[str, Any]) -> None:
        if change["new"]:
            self._other.value = ""
            self._do(lambda: self._review.give(change["new"]))

    def _pressed(self, change: dict[str, Any]) -> None:
        """Act on each letter that came, in order, and empty the field."""
        if not change["new"]:
            return
        self._keys.value = ""
        for key in change["new"].lower():
            review = self._review
            actions = {"r": review.confirm, "w": review.reject, "s": review.skip, "b": review.back}
            if key in actions:
                self._do(actions[key])
            elif key.isdecimal() and 1 <= int(key) <= min(_MOST_KEYS, len(self._review.choices)):
                self._do(lambda key=key: self._review.give(self._review.choices[int(key) - 1]))


def show_review(review: Review, *, reopens: bool = False) -> None:
    """Show the panel, or say what to do where there is none; `reopens` shows it where every row has a label, too."""
    lacks = "ipywidgets" if importlib.util.find_spec("ipywidgets") is None else "" if is_notebook() else "a notebook"
    if lacks:
        install = ' (pip install "claude-parallel[notebook]")' if lacks == "ipywidgets" else ""
        print(  # noqa: T201  # the one place where the user looks
            f"The panel needs {lacks}{install}. Or label in a spreadsheet: "
            'review.to_csv("sample.csv"), then review.read_csv("sample.csv").'
        )
        return
    ReviewPanel(review).show(reopens=reopens)


def _field(name: str, text: str) -> str:
    return (
        f'<div style="margin:.3em 0"><span style="opacity:.7">{escaped(name)}</span>'
        f'<div style="white-space:pre-wrap;max-height:20em;overflow:auto;line-height:1.4">'
        f"{escaped(text, _LONGEST_TEXT)}</div></div>"
    )
