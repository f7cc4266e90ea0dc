/*
 * Operands: locking them, and the raw views behind them.
 *
 * Lock order: the locks of an operation are taken in the order of their
 * serials, and those parts that are of one lock in one step.
 */
#include "array/operand.h"

/* The operation that the thread is inside of, and by `outer` those around it. */
static LA_THREAD_LOCAL la_operation *la_innermost;
LA_THREAD_LOCAL la_grip *la_innermost_grip;

bool
la_in_operation(const la_buffer_object *buffer)
{
    for (la_grip *grip = la_innermost_grip; grip != NULL; grip = grip->outer) {
        if (grip->buffer == buffer) {
            return true;
        }
    }
    for (la_operation *operation = la_innermost; operation != NULL;
         operation = operation->outer) {
        for (int i = 0; i < operation->count; i++) {
            if (operation->operands[i].buffer == buffer) {
                return true;
            }
        }
    }
    return false;
}

int
la_operation_add(la_operation *operation, PyObject *facade, la_mode mode)
{
    la_lock_object *lock = la_facade_lock(facade);

    if (lock == NULL) {
        return -1;
    }
    la_buffer_object *buffer = (la_buffer_object *)la_facade_of(facade)->buffer;
    bool frozen = la_is_frozen(buffer);
    if (mode == LA_WRITE && (frozen || !la_facade_of(facade)->may_write)) {
        return -1;
    }
    for (int i = 0; i < operation->count; i++) {
        la_operand *known = &operation->operands[i];
        if (known->facade == facade && known->locks == !frozen && !known->is_part) {
            if (mode == LA_WRITE) {
                known->hold.mode = LA_WRITE;
            }
            return i;
        }
    }
    if (operation->count == LA_MOST_OPERANDS) {
        return -1;
    }
    la_operand *operand = &operation->operands[operation->count];
    la_hold_init(&operand->hold, mode);
    la_facade_region(facade, buffer, &operand->hold.region);
    operand->facade = facade;
    operand->buffer = buffer;
    operand->lock = lock;
    operand->locks = !frozen;
    operand->is_part = operand->held = false;
    return operation->count++;
}

/* Is what was locked what the facade shows now, and may it be written? */
static bool
la_operand_is_current(const la_operand *operand)
{
    la_region now;

    if (!operand->locks) {
        return true;        /* frozen: nothing changes any more */
    }
    if (operand->hold.mode == LA_WRITE
            && (la_is_frozen(operand->buffer)
                || !la_facade_of(operand->facade)->may_write)) {
        return false;
    }
    if (operand->is_part) {
        return true;
    }
    la_facade_region(operand->facade, operand->buffer, &now);
    return la_region_equal(&now, &operand->hold.region);
}

/*
 * Of one lock a write comes first: it stands for the others, and so for what
 * the thread is said to wait for.
 */
static bool
la_operand_is_before(const la_operand *a, const la_operand *b)
{
    uint64_t x = a->lock->lock->serial, y = b->lock->lock->serial;
    return x != y ? x < y : a->hold.mode == LA_WRITE && b->hold.mode != LA_WRITE;
}

/* The operands in the order of their locks; those that need none are left out. */
static int
la_operation_order(la_operation *operation, la_operand **ordered)
{
    int count = 0;

    for (int i = 0; i < operation->count; i++) {
        la_operand *operand = &operation->operands[i];
        int at = count;
        if (!operand->locks) {
            continue;
        }
        while (at > 0 && la_operand_is_before(operand, ordered[at - 1])) {
            ordered[at] = ordered[at - 1];
            at--;
        }
        ordered[at] = operand;
        count++;
    }
    return count;
}

static int
la_operation_acquire(la_operation *operation)
{
    la_operand *ordered[LA_MOST_OPERANDS], *firsts[LA_MOST_OPERANDS];
    la_wanted wanted[LA_MOST_OPERANDS];
    int count = la_operation_order(operation, ordered), locks = 0;

    for (int i = 0; i < count; locks++) {
        la_operand *first = firsts[locks] = ordered[i];
        for (i++; i < count && ordered[i]->lock == first->lock; i++) {
            la_hold_chain(&first->hold, &ordered[i]->hold);
        }
        wanted[locks] = (la_wanted){first->lock, &first->hold};
    }
    if (la_wanted_acquire(wanted, locks, operation->thread, LA_NEVER) < 0) {
        return -1;
    }
    for (int i = 0; i < locks; i++) {
        firsts[i]->held = true;
    }
    return 0;
}

static void
la_operation_release(la_operation *operation)
{
    for (int i = operation->count - 1; i >= 0; i--) {
        la_operand *operand = &operation->operands[i];
        if (operand->held) {
            operand->held = false;
            la_release(&operand->hold, operation->thread);
        }
    }
}

int
la_operation_lock(la_operation *operation)
{
    int result = 0;

    operation->thread = la_thread_here();
    if (operation->thread == NULL) {
        return -1;
    }
    if (la_operation_acquire(operation) < 0) {
        result = -1;
    }
    for (int i = 0; result == 0 && i < operation->count; i++) {
        if (!la_operand_is_current(&operation->operands[i])) {
            result = LA_GENERAL;
        }
    }
    if (result != 0) {
        la_operation_release(operation);
        return result;
    }
    operation->outer = la_innermost;
    la_innermost = operation;
    return 0;
}

void
la_operation_unlock(la_operation *operation)
{
    la_innermost = operation->outer;
    la_operation_release(operation);
}

/* -- raw views ------------------------------------------------------------------ */

LA_COLD PyObject *
la_raw_make(PyObject *facade, la_mode mode)
{
    PyArrayObject_fields *shown = la_fields(facade);

    Py_INCREF(shown->descr);
    PyObject *raw = PyArray_NewFromDescr(
        &PyArray_Type, shown->descr, shown->nd, shown->dimensions, shown->strides,
        shown->data, shown->flags & ~NPY_ARRAY_WRITEABLE, NULL);
    if (raw == NULL) {
        return NULL;
    }
    /* Not by PyArray_SetBaseObject, which would look further down. */
    la_fields(raw)->base = Py_XNewRef(shown->base);
    if (mode == LA_WRITE) {
        la_fields(raw)->flags |= NPY_ARRAY_WRITEABLE;
    }
    return raw;
}

PyObject *
la_raw(PyObject *facade, la_mode mode)
{
    la_facade *fields = la_facade_of(facade);
    _Atomic(PyObject *) *slot = mode == LA_WRITE ? &fields->raw_write : &fields->raw_read;

    /* Acquire: pairs with the release below; the array is complete. */
    PyObject *known = atomic_load_explicit(slot, memory_order_acquire);
    if (LA_LIKELY(known != NULL)) {
        return Py_NewRef(known);    /* dropped only under a lock that excludes ours */
    }
    PyObject *raw = la_raw_make(facade, mode);
    if (raw == NULL) {
        return NULL;
    }
    Py_INCREF(raw);                 /* the slot's */
    if (!atomic_compare_exchange_strong_explicit(slot, &known, raw, memory_order_release,
                                                 memory_order_relaxed)) {
        Py_DECREF(raw);             /* another reader was faster */
    }
    return raw;
}

/* The usual slot is empty already, and an exchange is not cheap. */
static inline void
la_raw_drop(_Atomic(PyObject *) *slot)
{
    if (atomic_load_explicit(slot, memory_order_relaxed) != NULL) {
        /* Acquire: whoever frees an array has to see it complete. */
        Py_XDECREF(atomic_exchange_explicit(slot, NULL, memory_order_acquire));
    }
}

void
la_raws_drop(PyObject *facade)
{
    la_raw_drop(&la_facade_of(facade)->raw_read);
    la_raw_drop(&la_facade_of(facade)->raw_write);
    for (int i = 0; i < LA_FORMER; i++) {
        la_raw_drop(&la_facade_of(facade)->former[i]);
    }
}
