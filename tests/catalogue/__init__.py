"""A catalogue of what can be done with an array, as data; what is to hold for each of them."""

from catalogue.attributes import ATTRIBUTES, FLAT
from catalogue.functions import FUNCTIONS
from catalogue.indexing import INDEXING
from catalogue.ufuncs import UFUNCS

__all__ = ["CATALOGUE"]

CATALOGUE = [*INDEXING, *ATTRIBUTES, *FLAT, *UFUNCS, *FUNCTIONS]
