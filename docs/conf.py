"""Configuration of the documentation site; `make docs` builds it."""

from __future__ import annotations

import sys
from pathlib import Path

import hsfuse

sys.path.insert(0, str(Path(__file__).parent))

project = "hsfuse"
author = "hsfuse developers"
project_copyright = author
version = release = hsfuse.__version__

extensions = [
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_click",
    "sphinx_copybutton",
    "sphinx_design",
    "myst_nb",
    "extensions",
]
exclude_patterns = ["extensions", "**/.ipynb_checkpoints"]

# Quotes and hyphens of options stay as they are typed.
smartquotes = False
# Docstrings mark code by single backticks.
default_role = "literal"

html_theme = "pydata_sphinx_theme"
html_title = f"hsfuse {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_math_renderer = "mathml"
html_theme_options = {
    "navigation_with_keys": False,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {"index": []}

templates_path = ["templates"]
autosummary_generate = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

# Notebooks are stored without outputs and executed by the build; a notebook that has not changed
# is taken from the cache. `make docs NOTEBOOKS=off` leaves the outputs out.
nb_execution_mode = "cache"
nb_execution_cache_path = str(Path(__file__).parent.parent / "build" / "docs" / "notebooks")
nb_execution_in_temp = True
nb_execution_timeout = 1800
nb_execution_raise_on_error = True
nb_merge_streams = True

# Browsers of the headless kind, and sites that refuse whatever is none, are not faults of a link.
linkcheck_timeout = 30
linkcheck_anchors = False
linkcheck_ignore = [r"http://localhost", r"http://127\.0\.0\.1", r"https://example\.org"]
