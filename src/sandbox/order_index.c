/* Orders as the sandbox sees them: names that payments and shipments carry, nothing more. */
#include "sandbox/order_index.h"

#include <stdlib.h>
#include <string.h>

void order_index_init(struct order_index *index)
{
    index->head = NULL;
}

void order_index_deinit(struct order_index *index)
{
    struct order_entry *entry;
    struct order_entry *next;

    HASH_ITER (hh, index->head, entry, next) {
        HASH_DEL(index->head, entry);
        free(entry);
    }
}

struct order_entry *order_index_find(struct order_index *index, const char *order_id)
{
    struct order_entry *entry = NULL;

    HASH_FIND_STR(index->head, order_id, entry);
    return entry;
}

struct order_entry *order_index_get(struct order_index *index, const char *order_id)
{
    size_t len = strlen(order_id);
    struct order_entry *entry;

    if (len == 0)
        return NULL;
    entry = order_index_find(index, order_id);
    if (entry != NULL)
        return entry;
    entry = calloc(1, sizeof(*entry) + len + 1);
    if (entry == NULL)
        return NULL;
    memcpy(entry->order_id, order_id, len + 1);
    STAILQ_INIT(&entry->payments);
    STAILQ_INIT(&entry->shipments);
    HASH_ADD_KEYPTR(hh, index->head, entry->order_id, len, entry);
    return entry;
}
