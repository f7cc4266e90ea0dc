"""A catalogue of what can be done with an array, as data; what is to hold for each of them."""

from catalogue.additions import ADDITIONS
from catalogue.attributes import ATTRIBUTES
from catalogue.flat import FLAT
from catalogue.functions import FUNCTIONS
from catalogue.indexing import INDEXING
from catalogue.operators import OPERATORS
from catalogue.ufuncs import UFUNCS

__all__ = ["CATALOGUE", "METHODS"]

METHODS = [*INDEXING, *OPERATORS, *ATTRIBUTES, *ADDITIONS]
"""What is done through the attributes of the array."""

CATALOGUE = [*METHODS, *FLAT, *UFUNCS, *FUNCTIONS]
