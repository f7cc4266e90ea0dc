/*
 * The index of a large set of holds, and the questions to a set.
 *
 * The index has a node for each part of a chain of holds; parts with an empty
 * region conflict with nothing, and are left out. Reads never conflict with
 * reads, so there are trees for reads and trees for writes.
 *
 * Tree by region. A node has a range [low, high), and the tree is in the order
 * of `low`. Each node knows the `highest` high of those below it (an interval
 * tree: Cormen et al., Introduction to Algorithms, 14.3), so a question for a
 * range leaves out each subtree that ends before it, and all to the right of a
 * node that starts behind it. In the same way it leaves out a subtree that has
 * one sole owner when it does not ask for this one's, and one with no ticket
 * that it asks for. Nodes of the same low are in the order of their tickets.
 *
 * Two such trees for each mode:
 *
 *   extents    The range is the extent of the region.
 *   spans      The extents of columns all meet, and only their combs tell them
 *              apart. Such a part has its range modulo the period of a comb,
 *              the same for all that are in the tree. A span can wrap around,
 *              and then ends behind the period, so a question for one asks for
 *              it a period lower and a period higher as well.
 *
 * A set knows one period: that of the first part with a comb that comes while
 * the trees of spans are empty. Parts without a comb of that period are among
 * the extents; that is always right, and slow only when there are many.
 *
 * A question goes by what the trees say only to leave out: whoever is not left
 * out is compared as without an index. So the trees may know less than region.c
 * does, but must never leave out what region.c calls a conflict:
 *
 *   - Ranges of extents that do not meet are the first thing that region.c
 *     looks at.
 *   - Spans modulo the same period that do not meet: it compares each comb with
 *     each other one, and where neither has a window, as these, and the periods
 *     are equal, it compares the two spans.
 *   - A region without a comb of the period, but shorter than it, is a span as
 *     well: la_extent_meets compares it as such.
 *
 * Tree by ticket. To go on from a ticket, the trees by region are of little use
 * when most members conflict, as they may have to look at all the tickets that
 * have been. Then the next members by ticket are the ones to look at. It is not
 * known beforehand which of the two is the better way, so they take turns, each
 * with four times the steps of the turn before.
 *
 * Each tree is a treap (Seidel and Aragon 1996): a search tree by its order and
 * a heap by priorities, which are random, so its height is expected to be about
 * twice the logarithm of the number of nodes, whatever is added and removed.
 */
#include "lock/hold_set.h"

#ifdef LA_DEBUG
LA_THREAD_LOCAL uint64_t la_hold_set_visits;
#define LA_COUNT_VISIT() ((void)la_hold_set_visits++)
#else
#define LA_COUNT_VISIT() ((void)0)
#endif

#define LA_TURN 8               /* steps of the first turn */
#define LA_TURN_FACTOR 4

bool
la_chains_conflict(const la_hold *a, const la_hold *b)
{
    for (; a != NULL; a = a->also) {
        for (const la_hold *part = b; part != NULL; part = part->also) {
            if ((a->mode == LA_WRITE || part->mode == LA_WRITE)
                    && la_regions_conflict(&a->region, &part->region)) {
                return true;
            }
        }
    }
    return false;
}

static bool
la_ticket_precedes(const la_hold *a, const la_hold *b)
{
    if (a->node.ticket != b->node.ticket) {
        return a->node.ticket < b->node.ticket;
    }
    return (uintptr_t)a < (uintptr_t)b;
}

/* The trees by region. */

static bool
la_region_precedes(const la_hold *a, const la_hold *b)
{
    if (a->node.low != b->node.low) {
        return a->node.low < b->node.low;
    }
    return la_ticket_precedes(a, b);
}

/* What a node says of all below it also holds for `other`. */
static void
la_region_include(la_node *node, const la_node *other)
{
    if (node->highest < other->highest) {
        node->highest = other->highest;
    }
    if (node->least > other->least) {
        node->least = other->least;
    }
    if (node->greatest < other->greatest) {
        node->greatest = other->greatest;
    }
    if (node->sole != other->sole) {
        node->sole = NULL;
    }
}

/* From what its children say. */
static void
la_region_update(la_node *node)
{
    node->highest = node->high;
    node->least = node->greatest = node->ticket;
    node->sole = node->whose;
    if (node->left != NULL) {
        la_region_include(node, &node->left->node);
    }
    if (node->right != NULL) {
        la_region_include(node, &node->right->node);
    }
}

/* All of the tree that comes before `by`, and all that comes after it. */
static void
la_region_split(la_hold *tree, const la_hold *by, la_hold **before, la_hold **after)
{
    if (tree == NULL) {
        *before = *after = NULL;
        return;
    }
    LA_COUNT_VISIT();
    if (la_region_precedes(tree, by)) {
        *before = tree;
        la_region_split(tree->node.right, by, &tree->node.right, after);
    }
    else {
        *after = tree;
        la_region_split(tree->node.left, by, before, &tree->node.left);
    }
    la_region_update(&tree->node);
}

/* One tree of two, all of the first being before all of the second. */
static la_hold *
la_region_join(la_hold *first, la_hold *second)
{
    if (first == NULL || second == NULL) {
        return first != NULL ? first : second;
    }
    LA_COUNT_VISIT();
    if (first->node.priority > second->node.priority) {
        first->node.right = la_region_join(first->node.right, second);
        la_region_update(&first->node);
        return first;
    }
    second->node.left = la_region_join(first, second->node.left);
    la_region_update(&second->node);
    return second;
}

static void
la_region_insert(la_hold **root, la_hold *part)
{
    la_node *node = &part->node;
    la_hold *at;

    node->left = node->right = NULL;
    la_region_update(node);
    while ((at = *root) != NULL && at->node.priority >= node->priority) {
        LA_COUNT_VISIT();
        la_region_include(&at->node, node);
        root = la_region_precedes(part, at) ? &at->node.left : &at->node.right;
    }
    la_region_split(at, part, &node->left, &node->right);
    la_region_update(node);
    *root = part;
}

/*
 * True when the tree says something else now of what it has. Most often that is
 * soon not so, and all above need not be looked at again.
 */
static bool
la_region_remove(la_hold **root, la_hold *part)
{
    la_hold *tree = *root;

    LA_COUNT_VISIT();
    if (tree == part) {
        *root = la_region_join(part->node.left, part->node.right);
        return true;
    }
    bool left = la_region_precedes(part, tree);
    if (!la_region_remove(left ? &tree->node.left : &tree->node.right, part)) {
        return false;
    }
    la_node *node = &tree->node;
    int64_t highest = node->highest;
    uint64_t least = node->least, greatest = node->greatest;
    const la_owner *sole = node->sole;
    la_region_update(node);
    return node->highest != highest || node->least != least || node->greatest != greatest
           || node->sole != sole;
}

/* The tree by ticket. */

static void
la_ticket_insert(la_hold **root, la_hold *hold)
{
    la_hold **before = &hold->node.earlier, **after = &hold->node.later;
    la_hold *at;

    while ((at = *root) != NULL && at->node.priority >= hold->node.priority) {
        LA_COUNT_VISIT();
        root = la_ticket_precedes(hold, at) ? &at->node.earlier : &at->node.later;
    }
    *root = hold;
    /* What was there is split: its parts are hung up where they belong. */
    while (at != NULL) {
        LA_COUNT_VISIT();
        if (la_ticket_precedes(at, hold)) {
            *before = at;
            before = &at->node.later;
            at = at->node.later;
        }
        else {
            *after = at;
            after = &at->node.earlier;
            at = at->node.earlier;
        }
    }
    *before = *after = NULL;
}

static void
la_ticket_remove(la_hold **root, la_hold *hold)
{
    la_hold *before = hold->node.earlier, *after = hold->node.later;

    while (*root != hold) {
        LA_COUNT_VISIT();
        root = la_ticket_precedes(hold, *root) ? &(*root)->node.earlier
                                               : &(*root)->node.later;
    }
    while (before != NULL && after != NULL) {
        LA_COUNT_VISIT();
        if (before->node.priority > after->node.priority) {
            *root = before;
            root = &before->node.later;
            before = *root;
        }
        else {
            *root = after;
            root = &after->node.earlier;
            after = *root;
        }
    }
    *root = before != NULL ? before : after;
}

/* The index. */

/* Random, and of the part alone (splitmix64). */
static uint64_t
la_priority(const la_hold *part)
{
    uint64_t z = (uint64_t)(uintptr_t)part;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* Combs that the trees of spans can take: no sum of three periods overflows. */
static bool
la_comb_is_plain(const la_comb *comb)
{
    return comb->window == 0 && comb->period <= INT64_MAX / 4;
}

/* The comb by which two of the kind are most likely told apart; or NULL. */
static const la_comb *
la_region_best_comb(const la_region *region)
{
    const la_comb *best = NULL;

    for (int32_t i = 0; i < region->ncombs; i++) {
        const la_comb *comb = &region->combs[i];
        if (la_comb_is_plain(comb)
                && (best == NULL || (double)comb->length / (double)comb->period
                                    < (double)best->length / (double)best->period)) {
            best = comb;
        }
    }
    return best;
}

/* The region modulo a period; false when that says nothing of it. */
static bool
la_region_span(const la_region *region, uint64_t period, int64_t *low, int64_t *high)
{
    for (int32_t i = 0; i < region->ncombs; i++) {
        const la_comb *comb = &region->combs[i];
        if (la_comb_is_plain(comb) && comb->period == period) {
            *low = (int64_t)comb->low;
            *high = (int64_t)(comb->low + comb->length);
            return true;
        }
    }
    return false;
}

/* As that, of a region that need not have a comb of the period. */
static bool
la_region_span_of_any(const la_region *region, uint64_t period, int64_t *low,
                      int64_t *high)
{
    uint64_t length = (uint64_t)region->high - (uint64_t)region->low;

    if (la_region_span(region, period, low, high)) {
        return true;
    }
    if (length >= period) {
        return false;
    }
    *low = region->low % (int64_t)period;
    if (*low < 0) {
        *low += (int64_t)period;
    }
    *high = *low + (int64_t)length;
    return true;
}

static void
la_part_index(la_hold_set *set, la_hold *part, la_hold *head)
{
    la_node *node = &part->node;

    node->head = head;
    node->ticket = head->ticket;
    node->whose = head->whose;
    node->priority = la_priority(part);
    node->root = NULL;
    if (la_region_is_empty(&part->region)) {
        return;
    }
    if (part->region.ncombs > 0) {
        if (set->index->spans[LA_READ] == NULL && set->index->spans[LA_WRITE] == NULL) {
            const la_comb *comb = la_region_best_comb(&part->region);
            set->index->period = comb != NULL ? comb->period : 0;
        }
        if (la_region_span(&part->region, set->index->period, &node->low, &node->high)) {
            node->root = &set->index->spans[part->mode];
        }
    }
    if (node->root == NULL) {
        node->root = &set->index->extents[part->mode];
        node->low = part->region.low;
        node->high = part->region.high;
    }
    la_region_insert(node->root, part);
}

static void
la_hold_put_in_index(la_hold_set *set, la_hold *hold)
{
    for (la_hold *part = hold; part != NULL; part = part->also) {
        la_part_index(set, part, hold);
    }
    if (set->index->tickets != NULL) {
        la_ticket_insert(&set->index->tickets, hold);
    }
}

LA_COLD void
la_hold_set_add_slow(la_hold_set *set, la_hold *hold)
{
    if (set->indexed) {
        la_hold_put_in_index(set, hold);
        return;
    }
    if (set->index == NULL) {
        return;
    }
    set->indexed = true;
    for (la_hold *member = set->first; member != NULL; member = member->next) {
        la_hold_put_in_index(set, member);
    }
}

LA_COLD void
la_hold_set_remove_slow(la_hold_set *set, la_hold *hold)
{
    if (set->count < LA_SET_LIST_AGAIN) {
        set->indexed = false;
        set->index->extents[LA_READ] = set->index->extents[LA_WRITE] = NULL;
        set->index->spans[LA_READ] = set->index->spans[LA_WRITE] = NULL;
        set->index->tickets = NULL;
        return;
    }
    for (la_hold *part = hold; part != NULL; part = part->also) {
        if (part->node.root != NULL) {
            la_region_remove(part->node.root, part);
        }
    }
    if (set->index->tickets != NULL) {
        la_ticket_remove(&set->index->tickets, hold);
    }
}

/* The questions. */

typedef struct {
    const la_hold *wanted;
    const la_owner *except;
    bool (*accept)(la_hold *found, void *context);
    void *context;
    uint64_t from, last;        /* tickets */
    bool any;                   /* not the least one */

    const la_hold *part;        /* of what is wanted */
    int64_t low, high;          /* its range in the tree */
    size_t steps;               /* that are left */
    bool tired;                 /* more steps would have been needed */
    bool done;                  /* nothing better than what was found */
    la_hold *found;             /* all that are better have tickets up to `last` */
} la_query;

/* Whatever its regions are? */
static bool
la_query_wants(const la_query *query, const la_node *node)
{
    return node->ticket >= query->from && node->ticket <= query->last
           && node->whose != query->except && node->head != query->wanted;
}

static void
la_query_found(la_query *query, la_hold *member)
{
    query->found = member;
    if (query->any || member->ticket == query->from) {
        query->done = true;
    }
    else {
        query->last = member->ticket - 1;
    }
}

/* May there be something below the node, or in it? */
static bool
la_query_enters(const la_query *query, const la_node *node)
{
    return node->highest > query->low
           && node->least <= query->last && node->greatest >= query->from
           && (node->sole == NULL || node->sole != query->except);
}

/* In the order of `low`, and so of those with the same low the least ticket first. */
static void
la_query_tree(la_query *query, la_hold *at)
{
    for (; at != NULL && !query->done && !query->tired; at = at->node.right) {
        LA_COUNT_VISIT();
        if (!la_query_enters(query, &at->node)) {
            return;
        }
        if (query->steps == 0) {
            query->tired = true;
            return;
        }
        query->steps--;
        la_query_tree(query, at->node.left);
        if (at->node.low >= query->high || query->done || query->tired) {
            return;
        }
        la_hold *head = at->node.head;
        if (at->node.high > query->low && la_query_wants(query, &at->node)
                && la_regions_conflict(&at->region, &query->part->region)
                && (query->accept == NULL || query->accept(head, query->context))) {
            la_query_found(query, head);
        }
    }
}

static void
la_query_extents(la_query *query, la_hold *root)
{
    query->low = query->part->region.low;
    query->high = query->part->region.high;
    la_query_tree(query, root);
}

static void
la_query_spans(la_query *query, la_hold *root, uint64_t period)
{
    int64_t low, high, turn = (int64_t)period;

    if (root == NULL) {
        return;
    }
    if (!la_region_span_of_any(&query->part->region, period, &low, &high)) {
        query->low = INT64_MIN;
        query->high = INT64_MAX;
        la_query_tree(query, root);
        return;
    }
    query->low = low;
    query->high = high;
    la_query_tree(query, root);
    query->low = low + turn;
    query->high = high + turn;
    la_query_tree(query, root);
    if (high > turn) {
        query->low = low - turn;
        query->high = high - turn;
        la_query_tree(query, root);
    }
}

static void
la_query_regions(la_query *query, const la_hold_set *set)
{
    for (query->part = query->wanted; query->part != NULL; query->part = query->part->also) {
        if (la_region_is_empty(&query->part->region)) {
            continue;
        }
        for (la_mode mode = query->part->mode == LA_READ ? LA_WRITE : LA_READ;
                mode <= LA_WRITE; mode++) {
            la_query_extents(query, set->index->extents[mode]);
            la_query_spans(query, set->index->spans[mode], set->index->period);
        }
    }
}

la_hold *
la_hold_set_find(const la_hold_set *set, const la_hold *wanted, const la_owner *except,
                 bool (*accept)(la_hold *found, void *context), void *context)
{
    if (set->indexed) {
        la_query query = {
            .wanted = wanted, .except = except, .accept = accept, .context = context,
            .last = UINT64_MAX, .any = true, .steps = SIZE_MAX,
        };
        la_query_regions(&query, set);
        return query.found;
    }
    for (la_hold *member = set->first; member != NULL; member = member->next) {
        LA_COUNT_VISIT();
        if (member->whose != except && member != wanted
                && la_holds_conflict(member, wanted)
                && (accept == NULL || accept(member, context))) {
            return member;
        }
    }
    return NULL;
}

/* The members in the order of their tickets, up to the first that conflicts. */
static void
la_query_tickets(la_query *query, la_hold *at)
{
    while (at != NULL) {
        LA_COUNT_VISIT();
        if (at->node.ticket >= query->from) {
            la_query_tickets(query, at->node.earlier);
            if (query->done || query->tired || at->node.ticket > query->last) {
                return;
            }
            if (query->steps == 0) {
                query->from = at->node.ticket;       /* to go on with */
                query->tired = true;
                return;
            }
            query->steps--;
            if (at != query->wanted && la_holds_conflict(at, query->wanted)) {
                query->found = at;
                query->done = true;
                return;
            }
        }
        at = at->node.later;
    }
}

/* The order by ticket, made when it is first asked for: holds never need it. */
static la_hold *
la_hold_set_tickets(const la_hold_set *set)
{
    if (set->index->tickets == NULL) {
        for (la_hold *member = set->first; member != NULL; member = member->next) {
            la_ticket_insert(&set->index->tickets, member);
        }
    }
    return set->index->tickets;
}

static la_hold *
la_hold_set_next_slow(const la_hold_set *set, const la_hold *wanted, uint64_t from,
                      uint64_t last)
{
    la_query query = { .wanted = wanted, .from = from, .last = last };
    la_hold *tickets = la_hold_set_tickets(set);
    size_t steps = LA_TURN;

    for (;;) {
        query.steps = steps;
        la_query_tickets(&query, tickets);
        if (!query.tired) {
            return query.found;
        }
        query.tired = false;
        query.steps = steps *= LA_TURN_FACTOR;
        la_query_regions(&query, set);
        if (!query.tired) {
            return query.found;
        }
        query.tired = false;
    }
}

la_hold *
la_hold_set_next(const la_hold_set *set, const la_hold *wanted, uint64_t from,
                 uint64_t before)
{
    if (from >= before) {
        return NULL;
    }
    if (set->indexed) {
        return la_hold_set_next_slow(set, wanted, from, before - 1);
    }
    for (la_hold *member = set->first; member != NULL && member->ticket < before;
            member = member->next) {
        LA_COUNT_VISIT();
        if (member->ticket >= from && member != wanted && la_holds_conflict(member, wanted)) {
            return member;
        }
    }
    return NULL;
}

#ifdef LA_DEBUG

/* How many nodes a tree by region has. */
static size_t
la_region_check(const la_hold *tree, la_hold *const *root, const la_hold *behind,
                const la_hold *in_front)
{
    if (tree == NULL) {
        return 0;
    }
    la_node node = tree->node;
    const la_node *left = node.left != NULL ? &node.left->node : NULL;
    const la_node *right = node.right != NULL ? &node.right->node : NULL;

    LA_ASSERT(node.root == root);
    LA_ASSERT(behind == NULL || la_region_precedes(behind, tree));
    LA_ASSERT(in_front == NULL || la_region_precedes(tree, in_front));
    LA_ASSERT(left == NULL || left->priority <= node.priority);
    LA_ASSERT(right == NULL || right->priority <= node.priority);
    la_region_update(&node);
    LA_ASSERT(node.highest == tree->node.highest && node.sole == tree->node.sole);
    LA_ASSERT(node.least == tree->node.least && node.greatest == tree->node.greatest);
    return 1 + la_region_check(node.left, root, behind, tree)
           + la_region_check(node.right, root, tree, in_front);
}

static size_t
la_ticket_check(const la_hold *tree, const la_hold *behind, const la_hold *in_front)
{
    if (tree == NULL) {
        return 0;
    }
    const la_hold *earlier = tree->node.earlier, *later = tree->node.later;

    LA_ASSERT(behind == NULL || la_ticket_precedes(behind, tree));
    LA_ASSERT(in_front == NULL || la_ticket_precedes(tree, in_front));
    LA_ASSERT(earlier == NULL || earlier->node.priority <= tree->node.priority);
    LA_ASSERT(later == NULL || later->node.priority <= tree->node.priority);
    return 1 + la_ticket_check(earlier, behind, tree) + la_ticket_check(later, tree, in_front);
}

/* That the node of a part says of it what it should; is it in a tree? */
static bool
la_part_check(const la_hold_set *set, const la_hold *part, const la_hold *head)
{
    const la_node *node = &part->node;

    LA_ASSERT(node->head == head);
    LA_ASSERT(node->ticket == head->ticket && node->whose == head->whose);
    if (la_region_is_empty(&part->region)) {
        LA_ASSERT(node->root == NULL);
        return false;
    }
    if (node->root == &set->index->spans[part->mode]) {
        int64_t low, high;
        LA_ASSERT(la_region_span(&part->region, set->index->period, &low, &high));
        LA_ASSERT(node->low == low && node->high == high);
    }
    else {
        LA_ASSERT(node->root == &set->index->extents[part->mode]);
        LA_ASSERT(node->low == part->region.low && node->high == part->region.high);
    }
    return true;
}

void
la_hold_set_check(const la_hold_set *set)
{
    const la_hold *previous = NULL;
    size_t count = 0, parts = 0, nodes = 0;

    for (const la_hold *hold = set->first; hold != NULL; hold = hold->next) {
        LA_ASSERT(hold == set->first || hold->previous == previous);
        previous = hold;
        count++;
        for (const la_hold *part = hold; part != NULL && set->indexed; part = part->also) {
            parts += la_part_check(set, part, hold);
        }
    }
    LA_ASSERT(la_hold_set_last(set) == previous && set->count == count);
    LA_ASSERT(set->indexed ? count >= LA_SET_LIST_AGAIN : count <= LA_SET_LIST);
    for (int mode = LA_READ; mode <= LA_WRITE; mode++) {
        nodes += la_region_check(set->index->extents[mode], &set->index->extents[mode], NULL, NULL);
        nodes += la_region_check(set->index->spans[mode], &set->index->spans[mode], NULL, NULL);
    }
    LA_ASSERT(nodes == parts);
    LA_ASSERT(set->index->tickets == NULL
              || (set->indexed && la_ticket_check(set->index->tickets, NULL, NULL) == count));
}

#endif
