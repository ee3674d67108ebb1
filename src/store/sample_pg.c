/* Taking the figures of all orders: when, and which gauge is which column. How they are counted is in
 * sql/0009_oncall.sql. */
#include "store/sample_pg.h"

#include "domain/difference.h"
#include "observe/metrics.h"

#include <assert.h>

enum {
    ASKING_MS_MAX = 10000,
    LABEL_SIZE = 64,
    SAMPLE_ARENA_SIZE = 1024, /* results are numbers: nothing is ever put there */
};

/* Columns after ord. */
static const struct {
    enum metric gauge;
    unsigned series;
    int64_t divisor;
} columns[] = {
    {METRIC_ORDERS_STUCK_NOW, 0, 1},
    {METRIC_ORDERS_UNDOING, 0, 1},
    {METRIC_ORDERS_OLDEST, 0, 1000},
    {METRIC_RECONCILED, 0, 1},
    {METRIC_DIFFERENCES, DIFFERENCE_NO_ORDER, 1},
    {METRIC_DIFFERENCES, DIFFERENCE_NOT_WRITTEN_DOWN, 1},
    {METRIC_DIFFERENCES, DIFFERENCE_KEPT, 1},
    {METRIC_DIFFERENCES, DIFFERENCE_AMOUNT, 1},
    {METRIC_DIFFERENCES, DIFFERENCE_NOT_PAID, 1},
    {METRIC_DIFFERENCES, DIFFERENCE_MISSING, 1},
};

void sample_pg_register_metrics(void)
{
    char texts[DIFFERENCE_KIND_COUNT][LABEL_SIZE];
    const char *labels[DIFFERENCE_KIND_COUNT];

    for (unsigned kind = 0; kind < DIFFERENCE_KIND_COUNT; kind++) {
        snprintf(texts[kind], LABEL_SIZE, "kind=\"%s\"",
                 difference_kind_name((enum difference_kind)kind));
        labels[kind] = texts[kind];
    }
    metrics_series(METRIC_DIFFERENCES, labels, DIFFERENCE_KIND_COUNT);
}

static void sample_encode(struct store_call *call UNUSED, uint32_t ord UNUSED,
                          struct pg_params *params)
{
    pg_put_int4(params, 0, SAMPLE_OPEN_MAX);
}

static void sample_row(struct store_call *call UNUSED, const struct pg_row *row)
{
    for (int i = 0; i < (int)COUNT_OF(columns); i++)
        metrics_set(columns[i].gauge, columns[i].series,
                    pg_get_int8(row, 1 + i) / columns[i].divisor);
}

static const struct pg_batch_codec sample_codec = {PG_ORDERS_SAMPLE, sample_encode, sample_row,
                                                   NULL};

static void wait_for_next(struct sample_pg *sample, int64_t pause_ms)
{
    sample->state = SAMPLE_WAITING;
    clock_timer_start(sample->clock, &sample->timer, pause_ms);
}

static void on_sampled(struct store_call *call)
{
    struct sample_pg *sample = CONTAINER_OF(call, struct sample_pg, call);

    if (sample->state == SAMPLE_ASKING)
        wait_for_next(sample, SAMPLE_PAUSE_MS);
}

static void on_time(struct clock_timer *timer)
{
    struct sample_pg *sample = CONTAINER_OF(timer, struct sample_pg, timer);

    assert(sample->state == SAMPLE_WAITING);
    sample->state = SAMPLE_ASKING;
    sample->call = (struct store_call){
        .arena = sample->arena,
        .deadline_ms = clock_now_ms(sample->clock) + ASKING_MS_MAX,
        .done = on_sampled,
    };
    pg_batch_start(sample->pool, &sample_codec, &sample->call);
}

void sample_pg_start(struct sample_pg *sample)
{
    assert(sample->state == SAMPLE_OFF);
    wait_for_next(sample, 0);
}

void sample_pg_stop(struct sample_pg *sample)
{
    sample->state = SAMPLE_OFF;
    clock_timer_stop(sample->clock, &sample->timer);
}

bool sample_pg_init(struct sample_pg *sample, struct pg_pool *pool, struct clock *clock)
{
    *sample = (struct sample_pg){
        .pool = pool,
        .clock = clock,
        .arena = arena_new(SAMPLE_ARENA_SIZE),
        .timer.on_time = on_time,
    };
    return sample->arena != NULL;
}

void sample_pg_deinit(struct sample_pg *sample)
{
    if (sample->clock != NULL)
        sample_pg_stop(sample);
    arena_free(sample->arena);
    sample->arena = NULL;
}
