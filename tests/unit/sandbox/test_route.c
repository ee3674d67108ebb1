/* Method and path lead to one route, with the id decoded. */
#include "sandbox/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"

#include <event2/http.h>
#include <stdio.h>

static void a_path_leads_to_its_route(void **state)
{
    static const struct {
        int method;
        const char *path, *name, *id;
    } cases[] = {
        {EVHTTP_REQ_POST, "/v1/payment_intents", "open", ""},
        {EVHTTP_REQ_GET, "/v1/payment_intents", "list", ""},
        {EVHTTP_REQ_GET, "/v1/payment_intents/pi_1", "look", "pi_1"},
        {EVHTTP_REQ_POST, "/v1/payment_intents/pi_1/confirm", "confirm", "pi_1"},
        {EVHTTP_REQ_POST, "/v1/shipments/a%3Ab.1.ship:cancel", "recall", "a:b.1.ship"},
        {EVHTTP_REQ_POST, "/v1/shipments/a:b:cancel", "recall", "a:b"},
        {EVHTTP_REQ_DELETE, "/control/faults", "faults", ""},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char id[32];
        const struct route *route = route_find(cases[i].method, cases[i].path, id, sizeof(id));
        assert_non_null(route);
        assert_string_equal(route->name, cases[i].name);
        assert_string_equal(id, cases[i].id);
    }
}

static void other_paths_lead_nowhere(void **state)
{
    static const struct {
        int method;
        const char *path;
    } cases[] = {
        {EVHTTP_REQ_PUT, "/v1/payment_intents"},
        {EVHTTP_REQ_GET, "/v1/payment_intents/"},
        {EVHTTP_REQ_GET, "/v1/payment_intentsx"},
        {EVHTTP_REQ_GET, "/v1/payment_intents/a/b"},
        {EVHTTP_REQ_POST, "/v1/payment_intents//confirm"},
        {EVHTTP_REQ_GET, "/v1/payment_intents/%zz"},
        {EVHTTP_REQ_POST, "/v1/shipments/:cancel"},
        {EVHTTP_REQ_GET, ""},
        {EVHTTP_REQ_GET, NULL},
    };
    char id[32];

    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_null(route_find(cases[i].method, cases[i].path, id, sizeof(id)));
}

static void an_id_that_does_not_fit_is_not_cut(void **state)
{
    char id[8];

    assert_non_null(route_find(EVHTTP_REQ_GET, "/v1/payment_intents/1234567", id, sizeof(id)));
    assert_null(route_find(EVHTTP_REQ_GET, "/v1/payment_intents/12345678", id, sizeof(id)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_leads_to_its_route),
        cmocka_unit_test(other_paths_lead_nowhere),
        cmocka_unit_test(an_id_that_does_not_fit_is_not_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
