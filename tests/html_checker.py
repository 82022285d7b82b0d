"""Check that a page is valid HTML, for tests of pages without a browser."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path


class HtmlChecker(HTMLParser):
    """Check that tags close in order, ids are unique, links lead to files, and controls have names."""

    VOID = frozenset({"meta", "link", "input", "img", "br", "circle", "line", "polyline"})

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.page, self.open, self.ids, self.wrong = page, [], [], []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)
        given = dict(attrs)
        if "id" in given:
            self.ids.append(given["id"])
        link = given.get("href", "")
        if link and not link.startswith(("#", "https:")) and not (self.page.parent / link).exists():
            self.wrong.append(f"dead link {link}")
        if tag == "svg" and not ("aria-hidden" in given or (given.get("role") == "img" and given.get("aria-label"))):
            self.wrong.append("svg without a name")
        if any(name.startswith("on") or name == "style" for name in given):
            self.wrong.append(f"inline {tag} {given}")

    def handle_endtag(self, tag):
        if tag in self.VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> closes nothing")
