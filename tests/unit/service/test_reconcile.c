/* The run of reconciliation over a store and a provider that the test answers for. */
#include "service/reconcile.h"

#include "fake/failing_heap.h"
#include "fake/fake_clock.h"
#include "fake/fake_completion.h"
#include "fake/fake_random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum {
    EVERY_MS = 10 * 60 * 1000,
    BACK_MS = 25 * 3600 * 1000,
    NOW_S = 1700000000,
    IDS_MAX = 8
};

struct fixture {
    struct fake_clock clock;
    struct fake_random random;
    struct fake_completion completion;
    struct reconcile_store store;
    struct payment_list payments;
    struct reconcile_observer observer;
    struct reconcile reconcile;
    /* what the store and the provider say */
    bool is_due;
    unsigned page_count; /* of one payment each, pi_1, pi_2, ... */
    bool never_ends;     /* pages of 100 */
    enum effect_result list_result;
    enum difference_kind differs_as; /* the payment pi_2; none: DIFFERENCE_KIND_COUNT */
    const char *paid[IDS_MAX];       /* payments of FULFILLED orders */
    /* what they were asked */
    unsigned take_count, list_count, compare_count, compared_payments, finish_count;
    int64_t since_s;
    char after_ids[100];
    /* what the observer was told */
    unsigned difference_count, failed_count;
    struct difference last;
    char last_payment[32];
    int64_t counts[DIFFERENCE_KIND_COUNT];
    struct error err;
    /* a page that is out */
    struct payment_list_call *listed;
    struct clock_timer list_timer;
};

static struct fixture *fixture; /* there is one a test */

/* ---- The store ---- */

static void store_take(struct reconcile_store *store, struct reconcile_take *take)
{
    fixture->take_count++;
    assert_int_equal(take->every_ms, EVERY_MS);
    if (fake_completion_begin(&fixture->completion, &take->call)) {
        take->taken = fixture->is_due;
        take->now_s = NOW_S;
        fixture->is_due = false;
        fake_completion_end(&fixture->completion, &take->call);
    }
}

static void store_compare(struct reconcile_store *store, struct reconcile_compare *compare)
{
    fixture->compare_count++;
    fixture->compared_payments += compare->count;
    assert_true(compare->settled_ms >= 10000);
    if (!fake_completion_begin(&fixture->completion, &compare->call))
        return;
    for (uint32_t i = 0; i < compare->count; i++) {
        if (fixture->differs_as < DIFFERENCE_KIND_COUNT &&
            strcmp(compare->payments[i].id, "pi_2") == 0) {
            compare->differences = ARENA_NEW(compare->call.arena, struct difference);
            compare->differences[compare->difference_count++] = (struct difference){
                fixture->differs_as, compare->payments[i].order_id, compare->payments[i].id};
        }
    }
    fake_completion_end(&fixture->completion, &compare->call);
}

static void store_orders(struct reconcile_store *store, struct reconcile_orders *orders)
{
    assert_in_range(orders->since_s, fixture->since_s, NOW_S);
    if (!fake_completion_begin(&fixture->completion, &orders->call))
        return;
    orders->orders = arena_array(orders->call.arena, IDS_MAX, sizeof(*orders->orders));
    while (orders->count < IDS_MAX && fixture->paid[orders->count] != NULL) {
        orders->orders[orders->count].payment_id = fixture->paid[orders->count];
        orders->count++;
    }
    fake_completion_end(&fixture->completion, &orders->call);
}

static void store_finish(struct reconcile_store *store, struct reconcile_finish *finish)
{
    fixture->finish_count++;
    if (fake_completion_begin(&fixture->completion, &finish->call))
        fake_completion_end(&fixture->completion, &finish->call);
}

static const struct reconcile_store_ops store_ops = {store_take, store_compare, store_orders,
                                                     store_finish};

/* ---- The provider ---- */

static void on_list_time(struct clock_timer *timer)
{
    struct payment_list_call *call = fixture->listed;
    const unsigned each = fixture->never_ends ? 100 : 1;

    fixture->listed = NULL;
    call->effect.result = fixture->list_result;
    if (call->effect.result != EFFECT_DONE) {
        error_set(&call->effect.err, REASON_PAYMENT_UNAVAILABLE);
    } else if (fixture->page_count > 0) {
        call->payments = arena_array(call->effect.arena, each, sizeof(*call->payments));
        for (unsigned i = 0; i < each; i++) {
            const unsigned number = (fixture->list_count - 1) * each + i + 1;
            call->payments[i] = (struct payment_listed){
                .id = arena_printf(call->effect.arena, "pi_%u", number),
                .order_id.bytes[0] = number % 3 == 0 ? 0 : 1, /* every third is not ours */
            };
        }
        call->count = each;
        call->has_more = fixture->never_ends || fixture->list_count < fixture->page_count;
    }
    call->effect.done(&call->effect);
}

static void list_page(struct payment_list *list, struct payment_list_call *call)
{
    const size_t len = strlen(fixture->after_ids);

    fixture->list_count++;
    fixture->since_s = call->since_s;
    fixture->listed = call;
    if (call->after_id != NULL && len < sizeof(fixture->after_ids) / 2)
        snprintf(fixture->after_ids + len, sizeof(fixture->after_ids) - len, " %s", call->after_id);
    clock_timer_start(&fixture->clock.base, &fixture->list_timer, 0);
}

static const struct payment_list_ops list_ops = {list_page};

/* ---- The observer ---- */

static void on_difference(struct reconcile_observer *observer, const struct difference *difference)
{
    fixture->difference_count++;
    fixture->last = *difference;
    snprintf(fixture->last_payment, sizeof(fixture->last_payment), "%s", difference->payment_id);
}

static void on_finished(struct reconcile_observer *observer, uint32_t payment_count,
                        const int64_t counts[DIFFERENCE_KIND_COUNT])
{
    memcpy(fixture->counts, counts, sizeof(fixture->counts));
}

static void on_failed(struct reconcile_observer *observer, const struct error *err)
{
    fixture->failed_count++;
    fixture->err = *err;
}

/* ---- The fixture ---- */

static int setup(void **state)
{
    const struct reconcile_config config = {.every_ms = EVERY_MS, .back_ms = BACK_MS};
    fixture = test_calloc(1, sizeof(*fixture));
    fake_clock_init(&fixture->clock);
    fake_random_init(&fixture->random, 1);
    fake_completion_init(&fixture->completion, &fixture->clock.base);
    fixture->store.ops = &store_ops;
    fixture->payments.ops = &list_ops;
    fixture->observer = (struct reconcile_observer){on_difference, on_finished, on_failed};
    fixture->list_timer.on_time = on_list_time;
    fixture->is_due = true;
    fixture->page_count = 1;
    fixture->differs_as = DIFFERENCE_KIND_COUNT;
    const struct reconcile_ports ports = {
        .store = &fixture->store,
        .payments = &fixture->payments,
        .clock = &fixture->clock.base,
        .random = &fixture->random.base,
        .observer = &fixture->observer,
    };
    reconcile_init(&fixture->reconcile, &config, &ports);
    reconcile_start(&fixture->reconcile);
    return 0;
}

static int teardown(void **state)
{
    reconcile_deinit(&fixture->reconcile);
    test_free(fixture);
    return 0;
}

static void run(void)
{
    fake_clock_advance(&fixture->clock, RECONCILE_ASK_MS);
}

/* ---- Tests ---- */

static void nothing_is_asked_before_its_time(void **state)
{
    fake_clock_advance(&fixture->clock, RECONCILE_ASK_MS / 2 - 1);
    assert_int_equal(fixture->take_count, 0);
    fake_clock_advance(&fixture->clock, RECONCILE_ASK_MS / 2);
    assert_int_equal(fixture->take_count, 1);
}

static void a_run_that_is_not_due_is_asked_for_again(void **state)
{
    fixture->is_due = false;
    run();
    assert_int_equal(fixture->list_count, 0);
    assert_int_equal(fixture->reconcile.state, RECONCILE_WAITING);
    fixture->is_due = true;
    run();
    assert_int_equal(fixture->finish_count, 1);
}

static void all_pages_are_compared_newest_first(void **state)
{
    fixture->page_count = 4;
    run();
    assert_int_equal(fixture->list_count, 4);
    assert_string_equal(fixture->after_ids, " pi_1 pi_2 pi_3");
    assert_int_equal(fixture->since_s, NOW_S - BACK_MS / 1000);
    assert_int_equal(fixture->compare_count, 3); /* pi_3 is of somebody else */
    assert_int_equal(fixture->compared_payments, 3);
    assert_int_equal(fixture->finish_count, 1);
    assert_int_equal(fixture->failed_count, 0);
}

static void without_payments_the_run_ends_well(void **state)
{
    fixture->page_count = 0;
    run();
    assert_int_equal(fixture->compare_count, 0);
    assert_int_equal(fixture->finish_count, 1);
}

static void a_difference_is_told_and_counted(void **state)
{
    fixture->page_count = 2;
    fixture->differs_as = DIFFERENCE_KEPT;
    run();
    assert_int_equal(fixture->difference_count, 1);
    assert_string_equal(fixture->last_payment, "pi_2");
    assert_int_equal(fixture->counts[DIFFERENCE_KEPT], 1);
}

static void an_order_whose_payment_was_not_listed_is_told(void **state)
{
    fixture->paid[0] = "pi_1";
    fixture->paid[1] = "pi_gone";
    run();
    assert_int_equal(fixture->difference_count, 1);
    assert_int_equal(fixture->last.kind, DIFFERENCE_MISSING);
    assert_string_equal(fixture->last_payment, "pi_gone");
    assert_int_equal(fixture->counts[DIFFERENCE_MISSING], 1);
}

static void a_provider_that_fails_ends_the_run_untold(void **state)
{
    static const enum effect_result results[] = {EFFECT_UNKNOWN, EFFECT_NOT_REACHED};

    for (size_t i = 0; i < COUNT_OF(results); i++) {
        fixture->list_result = results[i];
        fixture->is_due = true;
        run();
        assert_int_equal(fixture->failed_count, i + 1);
    }
    assert_int_equal(fixture->err.reason, REASON_PAYMENT_UNAVAILABLE);
    assert_int_equal(fixture->finish_count, 0);
    fixture->list_result = EFFECT_DONE;
    fixture->is_due = true;
    fixture->list_count = 0;
    run();
    assert_int_equal(fixture->finish_count, 1);
}

static void a_store_that_fails_ends_the_run(void **state)
{
    error_set(&fixture->completion.fail_next, REASON_STORE_UNAVAILABLE);
    run();
    assert_int_equal(fixture->failed_count, 1);
    assert_int_equal(fixture->err.reason, REASON_STORE_UNAVAILABLE);
    assert_int_equal(fixture->reconcile.state, RECONCILE_WAITING);
}

static void too_many_payments_are_not_compared_to_the_end(void **state)
{
    fixture->never_ends = true;
    run();
    assert_int_equal(fixture->list_count, RECONCILE_PAYMENTS_MAX / 100 + 1);
    assert_int_equal(fixture->failed_count, 1);
    assert_int_equal(fixture->finish_count, 0);
}

static void what_is_out_when_it_stops_comes_home_without_effect(void **state)
{
    fixture->completion.hold = true;
    run();
    assert_int_equal(fixture->reconcile.state, RECONCILE_TAKING);
    reconcile_stop(&fixture->reconcile);
    fixture->completion.hold = false;
    fake_completion_release(&fixture->completion);
    fake_clock_advance(&fixture->clock, 10 * RECONCILE_ASK_MS);
    assert_int_equal(fixture->take_count, 1);
    assert_int_equal(fixture->list_count, 0);
    assert_null(fixture->reconcile.arena);
}

static void it_can_be_switched_off(void **state)
{
    reconcile_stop(&fixture->reconcile);
    fixture->reconcile.config.every_ms = 0;
    reconcile_start(&fixture->reconcile);
    fake_clock_advance(&fixture->clock, 10 * RECONCILE_ASK_MS);
    assert_int_equal(fixture->take_count, 0);
}

/* A run that found no memory is told as failed, and changes nothing; the next one is whole. */
static void run_without_memory(void *context)
{
    (void)context;
    setup(NULL);
    fixture->page_count = 2;
    fixture->differs_as = DIFFERENCE_KEPT;
    fixture->paid[0] = "pi_gone";
    failing_heap_begin();
    run();
    failing_heap_end();
    assert_int_equal(fixture->reconcile.state, RECONCILE_WAITING);
    assert_int_equal(fixture->failed_count, failing_heap_has_failed());
    if (failing_heap_has_failed()) {
        assert_int_equal(fixture->err.reason, REASON_OUT_OF_MEMORY);
        assert_int_equal(fixture->finish_count, 0);
        fixture->is_due = true;
        fixture->list_count = 0;
        run();
    }
    assert_int_equal(fixture->finish_count, 1);
    assert_int_equal(fixture->counts[DIFFERENCE_KEPT], 1);
    assert_int_equal(fixture->counts[DIFFERENCE_MISSING], 1);
    teardown(NULL);
}

static void a_run_without_memory_fails_and_the_next_is_whole(void **state)
{
    failing_heap_each(run_without_memory, NULL);
    failing_heap_from_each(run_without_memory, NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_asked_before_its_time),
        TEST(a_run_that_is_not_due_is_asked_for_again),
        TEST(all_pages_are_compared_newest_first),
        TEST(without_payments_the_run_ends_well),
        TEST(a_difference_is_told_and_counted),
        TEST(an_order_whose_payment_was_not_listed_is_told),
        TEST(a_provider_that_fails_ends_the_run_untold),
        TEST(a_store_that_fails_ends_the_run),
        TEST(too_many_payments_are_not_compared_to_the_end),
        TEST(what_is_out_when_it_stops_comes_home_without_effect),
        TEST(it_can_be_switched_off),
        cmocka_unit_test(a_run_without_memory_fails_and_the_next_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
