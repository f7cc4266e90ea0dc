import importlib.metadata
import os

os.environ["LOCKEDARRAY_BACKEND"] = "portable"  # whose methods are all functions, with signatures

project = "lockedarray"
author = "the lockedarray developers"
copyright = author
release = version = importlib.metadata.version("lockedarray")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
nitpicky = False
add_module_names = False  # all is in the package lockedarray, wherever it stands in it

html_theme = "furo"
html_title = f"lockedarray {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]

myst_enable_extensions = ["colon_fence", "deflist", "attrs_block"]
myst_heading_anchors = 3

# What a method of ours does not say itself, NumPy's docstring does not say for it.
autodoc_inherit_docstrings = False
autodoc_member_order = "groupwise"
autodoc_typehints = "none"
napoleon_google_docstring = False
