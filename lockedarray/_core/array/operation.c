/*
 * Operations: locking their operands.
 */
#include "array/operation.h"

#include "array/policy.h"
#include "guard/task.h"

static inline int
la_operation_add_of_lock(la_operation *operation, PyObject *facade, la_region_lock *lock,
                         la_mode mode)
{
    if (lock == NULL) {
        return -1;
    }
    la_buffer_object *buffer = (la_buffer_object *)la_facade_of(facade)->buffer;
    bool frozen = la_is_frozen(buffer);
    bool exclusive = la_is_exclusive(buffer, (PyArray_Descr *)la_fields(facade)->descr);
    if (mode == LA_WRITE && (frozen || !la_facade_of(facade)->may_write)) {
        return -1;
    }
    for (int i = 0; i < operation->count; i++) {
        la_operand *known = &operation->operands[i];
        if (known->facade == facade && known->locks == (!frozen || exclusive) && !known->is_part) {
            if (mode == LA_WRITE) {
                known->mode = LA_WRITE;
            }
            return i;
        }
    }
    if (operation->count == LA_MOST_OPERANDS) {
        return -1;
    }
    la_operand *operand = &operation->operands[operation->count];
    la_facade_region_locked(facade, buffer, &operand->region);
    operand->facade = facade;
    operand->buffer = buffer;
    operand->lock = lock;
    operand->mode = mode;
    operand->locks = !frozen || exclusive;
    operand->exclusive = exclusive;
    operand->is_part = false;
    return operation->count++;
}

int
la_operation_add(la_operation *operation, PyObject *facade, la_mode mode)
{
    return la_operation_add_of_lock(operation, facade, la_facade_lock(facade), mode);
}

int
la_operation_add_any(la_operation *operation, PyObject *facade, la_mode mode)
{
    return la_operation_add_of_lock(operation, facade, la_facade_lock_of_any(facade), mode);
}

la_operand *
la_operation_add_part(la_operation *operation, PyObject *facade, la_region_lock *lock,
                      la_mode mode)
{
    la_operand *operand = &operation->operands[operation->count++];

    LA_ASSERT(operation->count <= LA_MOST_OPERANDS);
    operand->facade = facade;
    operand->buffer = (la_buffer_object *)la_facade_of(facade)->buffer;
    operand->lock = lock;
    operand->mode = mode;
    operand->locks = operand->is_part = true;
    operand->exclusive = false;
    return operand;
}

/* Is what was locked what the facade shows now, and may it be written? */
static bool
la_operand_is_current(const la_operand *operand)
{
    la_region now;

    if (!operand->locks) {
        return true;        /* frozen: nothing changes any more */
    }
    if (operand->mode == LA_WRITE
            && (la_is_frozen(operand->buffer)
                || !la_facade_of(operand->facade)->may_write)) {
        return false;
    }
    if (operand->is_part) {
        return true;
    }
    la_facade_region_locked(operand->facade, operand->buffer, &now);
    return la_region_equal(&now, &operand->region);
}

/* A hold for each operand that needs one: how many, or -1 with an error. */
static int
la_operation_want(la_operation *operation)
{
    int count = 0;

    for (int i = 0; i < operation->count; i++) {
        la_operand *operand = &operation->operands[i];
        if (!operand->locks) {
            continue;
        }
        la_hold *hold = la_hold_make(operation->thread,
                                     la_region_mode(&operand->region,
                                                    operand->exclusive ? LA_WRITE : operand->mode));
        if (hold == NULL) {
            la_wanted_free(operation->wanted, count, operation->thread);
            return -1;
        }
        la_region_copy(&hold->region, &operand->region);
        hold->in_operation = 1;
        hold->subject = operand->buffer;
        operation->wanted[count++] = (la_wanted){operand->lock, hold};
    }
    return count;
}

int
la_operation_lock(la_operation *operation)
{
    operation->thread = la_thread_here();
    /* What it calls is the same task's, also if nobody has anything yet. */
    int count = operation->thread == NULL || la_task_follow() < 0 ? -1
        : la_operation_want(operation);

    if (count < 0) {
        return -1;
    }
    operation->locks = count < 2 ? count : la_wanted_order(operation->wanted, count);
    if (la_wanted_acquire(operation->wanted, operation->locks, operation->thread,
                          LA_NEVER) < 0) {
        la_wanted_free(operation->wanted, operation->locks, operation->thread);
        return -1;
    }
    for (int i = 0; i < operation->count; i++) {
        if (!la_operand_is_current(&operation->operands[i])) {
            la_operation_unlock(operation);
            return LA_GENERAL;
        }
    }
    return 0;
}

void
la_operation_unlock(la_operation *operation)
{
    la_wanted_release(operation->wanted, operation->locks, operation->thread);
}
