/* One line a difference, one a run. The metrics are told by all replicas, out of the database
 * (store/sample_pg). */
#include "app/reconcile_log.h"

#include "observe/log.h"

static void on_difference(struct reconcile_observer *observer, const struct difference *difference)
{
    char order_id[UUID_TEXT_SIZE];

    (void)observer;
    uuid_format(&difference->order_id, order_id);
    const struct log_field fields[] = {
        LOG_STR("order_id", order_id),
        LOG_STR("payment_id", difference->payment_id),
        LOG_STR("difference", difference_kind_name(difference->kind)),
        {0},
    };
    log_fields(LOG_ERROR, "order and payment differ", fields);
}

static void on_finished(struct reconcile_observer *observer, uint32_t payment_count,
                        const int64_t counts[DIFFERENCE_KIND_COUNT])
{
    int64_t differences = 0;

    (void)observer;
    for (unsigned kind = 0; kind < DIFFERENCE_KIND_COUNT; kind++) {
        differences += counts[kind];
    }
    const struct log_field fields[] = {
        LOG_INT("payments", payment_count),
        LOG_INT("differences", differences),
        {0},
    };
    log_fields(LOG_INFO, "orders compared with payments", fields);
}

static void on_failed(struct reconcile_observer *observer, const struct error *err)
{
    (void)observer;
    const struct log_field fields[] = {
        LOG_STR("reason", reason_name(err->reason)),
        LOG_STR("error", err->message),
        {0},
    };
    log_fields(LOG_WARN, "orders could not be compared with payments", fields);
}

void reconcile_log_init(struct reconcile_log *log)
{
    *log = (struct reconcile_log){.base = {.on_difference = on_difference,
                                           .on_finished = on_finished,
                                           .on_failed = on_failed}};
}
