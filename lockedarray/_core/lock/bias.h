/*
 * The bias towards readers. While a lock is biased, a read is put into a *slot* of its
 * thread: readers of one lock then write to nothing that they share. The price is that
 * who wants to write must end the bias, and look at the slots of all threads. (Dave
 * Dice and Alex Kogan, "BRAVO: Biased Locking for Reader-Writer Locks", 2019.)
 *
 * A slot holds the lock of which a hold is in it. It changes
 *
 *   NULL -> lock      by the thread that it belongs to, by la_lock_claim
 *   lock -> NULL      by that thread, by compare-and-swap; or by another thread to
 *                     which the owner of the hold went, under the lock's mutex
 *   lock -> TAKEN     by who ends the bias, under the lock's mutex, by
 *   -> NULL           compare-and-swap; and then at once, by a store
 *
 * hold.slot is set before the hold is put there, and cleared by who takes it out; the
 * slot is not free before that. So whoever finds a slot in hold.slot and the lock in
 * that slot has found the hold, but for a thread to which the slot does not belong.
 *
 * The argument is in docs/design/region-lock.md, section 3.
 */
#ifndef LOCKEDARRAY_CORE_LOCK_BIAS_H_
#define LOCKEDARRAY_CORE_LOCK_BIAS_H_

#include "lock/regionlock.h"

/*
 * After the swap from BIASED to LISTED: takes the holds of this lock out of all slots.
 * They are to be listed, and come by la_hold.next.
 */
la_hold *la_bias_revoke_locked(la_lock *lock);

/*
 * A lock becomes biased when its mutex was left so many times in a row with nothing but
 * reads held: so often reads have met. Few enough that a burst of reads pays for it,
 * and so many that a lock that is written every now and then is seldom biased in vain.
 */
#define LA_BIAS_READS 32

/* Has it been long enough since the last bias was ended? */
bool la_bias_may_begin_locked(const la_lock *lock);

/* Nobody waits: shall the lock be biased when the mutex is left? Counts the calls. */
static inline bool
la_bias_is_due_locked(la_lock *lock)
{
    if (lock->writes != 0) {
        lock->reads = 0;
        return false;
    }
    if (lock->reads < LA_BIAS_READS) {
        lock->reads++;
        return false;
    }
    return la_bias_may_begin_locked(lock);
}

/* Out of the slot of whatever thread, of a lock that is biased and stays so. */
void la_bias_take_locked(la_hold *hold, la_slot *slot);

/* In a forked child: all slots of the thread are empty. */
void la_bias_fork_child(la_thread *thread);

#endif  /* LOCKEDARRAY_CORE_LOCK_BIAS_H_ */
