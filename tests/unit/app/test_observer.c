/* What a transition of an order sets off, besides its log line. */
#include "app/observer.h"

#include "fake/fake_clock.h"
#include "fake/fake_completion.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "service/order_watch.h"

#include "shop/v1/orders.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* A store that answers each look with the revision it would be of. */
struct looks {
    struct order_store base;
    struct fake_completion completion;
    struct order order;
};

static void look(struct order_store *base, struct order_get *get)
{
    struct looks *looks = CONTAINER_OF(base, struct looks, base);

    if (fake_completion_begin(&looks->completion, &get->call)) {
        get->order = &looks->order;
        fake_completion_end(&looks->completion, &get->call);
    }
}

static void on_message(struct stream *stream, const ProtobufCMessage *message)
{
}

static void on_end(struct stream *stream)
{
    fail_msg("the watch ended: %s", stream->err.message);
}

static void a_transition_is_news_for_the_watchers_of_its_order_only(void **state)
{
    static const struct order_store_ops ops = {.get = look};
    struct looks looks = {
        .base.ops = &ops,
        .order = {.state = ORDER_CHARGING, .revision = 1, .total.currency = "EUR"}};
    Shop__V1__WatchOrderRequest request;
    struct service service = {0};
    struct fake_clock clock;
    struct observer observer;
    struct uuid other = {.bytes = {7}};
    struct saga_transition transition = {.from = ORDER_PENDING, .to = ORDER_CHARGING};
    char id[UUID_TEXT_SIZE];

    shop__v1__watch_order_request__init(&request);
    log_configure(LOG_ERROR, LOG_JSON, 2);
    observer_register_metrics();
    fake_clock_init(&clock);
    fake_completion_init(&looks.completion, &clock.base);
    service.order_watches = order_watches_new(&looks.base, &clock.base);
    observer_init(&observer, &service);
    uuid_format(&looks.order.id, id);
    request.id = id;
    struct stream stream = {.request = &request.base,
                            .arena = arena_new(64 * 1024),
                            .caller = "",
                            .on_message = on_message,
                            .on_end = on_end};
    orders_watch_order(&service, &stream);
    stream_next(&stream);
    fake_clock_advance(&clock, 0);
    stream_next(&stream);
    assert_int_equal(looks.completion.call_count, 1);

    transition.order_id = &other;
    observer.base.on_transition(&observer.base, &transition);
    fake_clock_advance(&clock, 0);
    assert_int_equal(looks.completion.call_count, 1);

    transition.order_id = &looks.order.id;
    looks.order.revision = 2;
    observer.base.on_transition(&observer.base, &transition);
    fake_clock_advance(&clock, 0);
    assert_int_equal(looks.completion.call_count, 2);

    stream_stop(&stream);
    order_watches_free(service.order_watches);
    arena_free(stream.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_transition_is_news_for_the_watchers_of_its_order_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
