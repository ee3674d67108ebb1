/* What the desk lets in. */
#include "edge/http/http_desk_request.h"

#include "base/macros.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int setup(void **state)
{
    *state = arena_new((size_t)64 * 1024);
    return *state == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    arena_free(*state);
    return 0;
}

/* ---- Lists ---- */

static void a_list_without_a_query_is_of_all_that_do_not_rest(void **state)
{
    static const char *const queries[] = {NULL, "", "&&"};
    for (size_t i = 0; i < COUNT_OF(queries); i++) {
        struct operator_list list;
        struct error err = {0};
        assert_int_equal(desk_read_list(queries[i], *state, &list, &err), STATUS_OK);
        assert_int_equal(list.state, ORDER_STATE_UNSPECIFIED);
        assert_int_equal(list.older_ms, 0);
        assert_int_equal(list.limit, DESK_LIMIT_DEFAULT);
        assert_true(uuid_is_zero(&list.before_id));
    }
}

static void a_list_is_asked_for_by_state_age_size_and_place(void **state)
{
    struct operator_list list;
    struct error err = {0};
    char id[UUID_TEXT_SIZE];

    assert_int_equal(desk_read_list("state=STUCK&older_than=10m&limit=7"
                                    "&before=01a20b62-3295-7944-9c36-0f2868c9cd05",
                                    *state, &list, &err),
                     STATUS_OK);
    assert_int_equal(list.state, ORDER_STUCK);
    assert_int_equal(list.older_ms, 10 * 60 * 1000);
    assert_int_equal(list.limit, 7);
    uuid_format(&list.before_id, id);
    assert_string_equal(id, "01a20b62-3295-7944-9c36-0f2868c9cd05");
}

static void all_that_is_wrong_with_a_query_is_told_at_once(void **state)
{
    struct operator_list list;
    struct error err = {0};

    assert_int_equal(desk_read_list("state=STATE_UNSPECIFIED&older_than=3&limit=0&before=x&x=1"
                                    "&limit=1",
                                    *state, &list, &err),
                     STATUS_INVALID_ARGUMENT);
    assert_int_equal(err.reason, REASON_REQUEST_INVALID);
    assert_int_equal(err.field_count, 6);
}

static void numbers_have_their_limits(void **state)
{
    static const char *const queries[] = {
        "limit=1001",       "limit=-1",       "limit=", "limit=1e3",
        "older_than=4000d", "older_than=-1s", "state=%"};
    for (size_t i = 0; i < COUNT_OF(queries); i++) {
        struct operator_list list;
        struct error err = {0};
        assert_int_not_equal(desk_read_list(queries[i], *state, &list, &err), STATUS_OK);
    }
}

/* ---- Bodies ---- */

static enum reason read_body(struct arena *arena, enum desk_order_kind kind, const char *body,
                             struct desk_order *order)
{
    struct error err = {0};

    if (desk_read_order(body, strlen(body), kind, arena, order, &err) == STATUS_OK) {
        assert_int_equal(err.reason, REASON_NONE);
    }
    return err.reason;
}

static void a_body_says_why_and_who(void **state)
{
    struct desk_order order;

    assert_int_equal(read_body(*state, DESK_ORDER_PLAIN,
                               "{\"reason\":\"d\\u00fcnn\",\"operator\":\"ada\"}", &order),
                     REASON_NONE);
    assert_string_equal(order.why, "d\xc3\xbcnn");
    assert_string_equal(order.who, "ada");
    assert_int_equal(order.state, ORDER_STATE_UNSPECIFIED);
}

static void an_end_is_failed_or_cancelled(void **state)
{
    static const struct {
        const char *state;
        enum reason reason;
    } cases[] = {
        {"FAILED", REASON_NONE},
        {"CANCELLED", REASON_NONE},
        {"FULFILLED", REASON_REQUEST_INVALID},
        {"PENDING", REASON_REQUEST_INVALID},
        {"STUCK", REASON_REQUEST_INVALID},
        {"", REASON_REQUEST_INVALID},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct desk_order order;
        char body[100];
        snprintf(body, sizeof(body), "{\"reason\":\"r\",\"operator\":\"o\",\"state\":\"%s\"}",
                 cases[i].state);
        assert_int_equal(read_body(*state, DESK_ORDER_END, body, &order), cases[i].reason);
    }
}

static void a_body_that_is_not_right_is_refused(void **state)
{
    static const struct {
        const char *body;
        enum reason reason;
    } cases[] = {
        {"", REASON_JSON_INVALID},
        {"null", REASON_JSON_INVALID},
        {"[]", REASON_JSON_INVALID},
        {"{\"reason\":\"a\",\"reason\":\"b\",\"operator\":\"o\"}", REASON_JSON_INVALID},
        {"{\"reason\":\"\\u0000\",\"operator\":\"o\"}", REASON_JSON_INVALID},
        {"{\"reason\":\"\xff\",\"operator\":\"o\"}", REASON_JSON_INVALID},
        {"{}", REASON_REQUEST_INVALID},
        {"{\"reason\":\"r\"}", REASON_REQUEST_INVALID},
        {"{\"reason\":1,\"operator\":\"o\"}", REASON_REQUEST_INVALID},
        {"{\"reason\":\"r\",\"operator\":\"o\",\"state\":\"FAILED\"}", REASON_REQUEST_INVALID},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct desk_order order;
        enum reason reason = read_body(*state, DESK_ORDER_PLAIN, cases[i].body, &order);
        if (reason != cases[i].reason) {
            fail_msg("%s: %s", cases[i].body, reason_name(reason));
        }
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_list_without_a_query_is_of_all_that_do_not_rest),
        TEST(a_list_is_asked_for_by_state_age_size_and_place),
        TEST(all_that_is_wrong_with_a_query_is_told_at_once),
        TEST(numbers_have_their_limits),
        TEST(a_body_says_why_and_who),
        TEST(an_end_is_failed_or_cancelled),
        TEST(a_body_that_is_not_right_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
