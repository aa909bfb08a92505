"""How the pages are built: `make docs`."""

import re
from pathlib import Path

from sphinx.application import Sphinx

import flowforge

project = "FlowForge"
author = "FlowForge developers"
version = release = flowforge.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinxcontrib.mermaid"]
html_theme = "furo"
html_title = f"FlowForge {release}"

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
maximum_signature_line_length = 80
add_module_names = False

myst_heading_anchors = 4
myst_fence_as_directive = ["mermaid"]

DOCS = Path(__file__).parent
LINK = re.compile(r"\[([^\]]+)\]\((\.\./[^)\s]+)\)")


def keep_links_within_the_pages(_app: Sphinx, page: str, source: list[str]) -> None:
    """Links to the rest of the repository are for forges; a built page has their text alone."""
    folder = (DOCS / page).parent

    def shown(link: re.Match[str]) -> str:
        target = (folder / link[2].partition("#")[0]).resolve()
        return link[0] if target.is_relative_to(DOCS) else link[1]

    source[0] = LINK.sub(shown, source[0])


def setup(app: Sphinx) -> None:
    app.connect("source-read", keep_links_within_the_pages)
