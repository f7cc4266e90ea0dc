/*
 * What this NumPy's arenas need.
 */
#include "array/policy.h"

bool la_arenas_deadlock;
