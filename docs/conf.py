"""Configures the site that `make docs` builds: Sphinx reads the pages as GitHub does (MyST: CommonMark and tables).

Nothing is fetched when the site is read: no font, no script and no picture of another host, no counting of readers.
"""

project = "vs_st_pipeline"
html_title = "vs_st_pipeline"
root_doc = "README"
extensions = ["myst_parser"]
myst_heading_anchors = 4  # a link may name a heading, as on GitHub
nitpicky = True  # whatever leads nowhere is a warning, and `make docs` takes warnings for errors
html_theme = "furo"
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
highlight_language = "none"
