/*
 * What the floor above has told of its arrays.
 */
#include "guard/arrays.h"

la_arrays_type la_arrays;
