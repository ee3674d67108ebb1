/* Building a worker, and taking down what has been built of it. */
#include "app/worker.h"

#include "fake/failing_heap.h"
#include "observe/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

struct building {
    struct config config;
    struct limit callers_orders;
};

static int setup(void **state)
{
    char *argv[] = {(char[]){"orderd"}};
    /* Nobody listens there, and nobody is asked before the loop runs. */
    char *const environment[] = {
        (char[]){"DATABASE_URL=host=127.0.0.1 port=1"}, (char[]){"PAYMENT_URL=http://127.0.0.1:1"},
        (char[]){"FULFILLMENT_URL=http://127.0.0.1:1"}, (char[]){"WORKERS=2"}, NULL};
    struct building *building = calloc(1, sizeof(*building));
    struct error err = {0};

    log_configure(LOG_ERROR, LOG_JSON, 2);
    assert_int_equal(config_load(&building->config, 1, argv, environment, &err), STATUS_OK);
    building->callers_orders.max = (uint32_t)building->config.orders_max;
    *state = building;
    return 0;
}

static int teardown(void **state)
{
    struct building *building = *state;

    config_deinit(&building->config);
    free(building);
    return 0;
}

static void build_with_little_memory(void *context)
{
    struct building *building = context;
    struct worker *worker = calloc(1, sizeof(*worker));
    struct error err = {0};
    enum status status;

    failing_heap_begin();
    status = worker_init(worker, &building->config, &building->callers_orders, &err);
    failing_heap_end();
    assert_int_equal(status, failing_heap_has_failed() ? STATUS_RESOURCE_EXHAUSTED : STATUS_OK);
    worker_deinit(worker);
    free(worker);
}

static void a_worker_that_memory_is_too_short_for_is_taken_down_again(void **state)
{
    failing_heap_each(build_with_little_memory, *state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_worker_that_memory_is_too_short_for_is_taken_down_again,
                                        setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
