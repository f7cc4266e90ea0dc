import importlib.metadata
import os

os.environ["LOCKEDARRAY_BACKEND"] = "portable"  # whose methods are all functions, with signatures
from lockedarray._cores import ArrayBase

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
autodoc_typehints = "signature"
autodoc_preserve_defaults = True  # dtype=float, not <class 'float'>
maximum_signature_line_length = 80
napoleon_google_docstring = False


# The type of x.at: the core that has the property may not import the class, which is above it.
ArrayBase.at.fget.__annotations__["return"] = "At"

# Users do not call these classes: methods and functions return their instances.
RETURNED = "Guard AtIndex Trace DistributedArray DistributedAtIndex PoisonedError".split()


def signature_shown(app, what, name, obj, options, signature, return_annotation):
    if what in ("class", "exception") and name.rpartition(".")[2] in RETURNED:
        return "", None
    if signature:
        return signature.replace("_NOT_GIVEN", "<not given>"), return_annotation
    return None


def setup(app):
    app.connect("autodoc-process-signature", signature_shown)
