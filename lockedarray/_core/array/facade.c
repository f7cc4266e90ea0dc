/*
 * The types of facades, once they are made.
 */
#include "array/facade.h"

#include "lock/compiler.h"

PyTypeObject *la_array_type, *la_class;
Py_ssize_t la_facade_offset;

LA_COLD la_facade_rare *
la_facade_make_rare(la_facade *facade)
{
    la_facade_rare *known = la_facade_rare_of(facade);

    if (known != NULL) {
        return known;
    }
    la_facade_rare *made = PyMem_RawCalloc(1, sizeof(la_facade_rare));
    /* Release: pairs with the acquire of la_facade_rare_of. */
    if (made != NULL
            && !atomic_compare_exchange_strong_explicit(&facade->rare, &known, made,
                                                        memory_order_acq_rel,
                                                        memory_order_acquire)) {
        PyMem_RawFree(made);            /* another thread was faster */
        return known;
    }
    return made;
}
