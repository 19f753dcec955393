"""A report's page as a test sees it: its tags in balance, its words, its references."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = {"meta", "img"}


@dataclass
class Page:
    """texts: per tag name, what stood inside each; attributes: of every tag in order."""

    words: str = ""
    texts: dict[str, list[str]] = field(default_factory=dict)
    attributes: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        """Attributes of every such tag."""
        return [found for name, found in self.attributes if name == tag]

    def section(self, heading: str) -> str:
        """The words from a heading on to the next one of its kind; fails where there is none."""
        headings = self.texts["h2"]
        begin = self.words.index(heading, self.words.index("</header>"))
        behind = headings[headings.index(heading) + 1 :]
        return self.words[begin : self.words.index(behind[0], begin + len(heading)) if behind else None]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Page()
        self._open: list[tuple[str, list[str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> has an attribute twice: {names}"
        self.page.attributes.append((tag, dict(attrs)))
        if tag not in _VOID:
            self._open.append((tag, []))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.page.attributes.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        name, texts = self._open.pop()
        assert name == tag, f"</{tag}> closes <{name}>"
        self.page.texts.setdefault(tag, []).append("".join(texts))
        self.page.words += "</header>" if tag == "header" else " "

    def handle_data(self, data: str) -> None:
        for tag, texts in self._open:
            if tag not in ("html", "body"):
                texts.append(data)
        if not any(tag in ("style", "title") for tag, _ in self._open):
            self.page.words += data


def read_page(text: str) -> Page:
    """Reads a page; fails where its tags are not in balance."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    assert not reader._open, f"never closed: {[tag for tag, _ in reader._open]}"
    reader.page.words = reader.page.words.replace("\N{NO-BREAK SPACE}", " ")
    return reader.page
