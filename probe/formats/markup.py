"""How is HTML made so that no text of the network can become part of it?

A tree is written from the inside out with `element`; a plain `str` is always escaped, and only what `element` itself
made, or `trusted` marks, is `Html`. There is no other way to make `Html`, so forgetting to escape is not possible.
"""

from html import escape

from probe.formats.plain import plain

VOID = frozenset({"meta", "br", "hr", "col"})


class Html(str):
    """Markup that is safe to put into a page."""

    __slots__ = ()


def element(tag: str, *children: str, **attributes: str | None) -> Html:
    """One element; children that are not `Html` are escaped, attributes always are; None leaves an attribute out.

    `class_` is written `class`, an underscore as a hyphen: `aria_label` is `aria-label`.
    """
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(plain(value), quote=True)}"'
        for name, value in attributes.items()
        if value is not None
    )
    if tag in VOID:
        return Html(f"<{tag}{written}>")
    return Html(f"<{tag}{written}>{join(*children)}</{tag}>")


def join(*children: str) -> Html:
    """Children one after the other, escaped unless they are `Html`."""
    return Html("".join(child if isinstance(child, Html) else _escaped(child) for child in children))


def _escaped(text: str) -> str:
    """Plain and escaped; a space at either end stays, because the text may be a part of a sentence."""
    before = " " if text[:1].isspace() else ""
    after = " " if text[-1:].isspace() and text.strip() else ""
    return before + escape(plain(text), quote=True) + after


def trusted(markup: str) -> Html:
    """Markup of our own making: the style sheet, and plots whose texts matplotlib has escaped."""
    return Html(markup)
