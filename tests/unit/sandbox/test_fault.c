/* The first rule that concerns a call wins; rules skip, count, and toss a coin that can be repeated. */
#include "sandbox/fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"

static struct fault_table table;

static int setup(void **state)
{
    fault_table_init(&table, 1);
    return 0;
}

static void add(const char *mode, const char *path, struct fault_rule rule)
{
    rule.mode = fault_mode_find(mode);
    assert_non_null(rule.mode);
    memcpy(rule.path, path, strlen(path) + 1);
    assert_true(fault_table_add(&table, &rule));
}

static const char *pick(const char *name, const char *key)
{
    const struct fault_call call = {
        .name = name,
        .group = strcmp(name, "ship") == 0 ? "shipping" : "payments",
        .path = "/v1/somewhere",
        .key = key,
    };

    return fault_table_pick(&table, &call).mode->name;
}

static void a_rule_concerns_a_call_a_group_or_all(void **state)
{
    add("409", "confirm", (struct fault_rule){.count = 1, .probability = 1, .delay_ms = -1});
    add("429", "shipping", (struct fault_rule){.count = 1, .probability = 1, .delay_ms = -1});
    assert_null(pick("open", NULL));
    assert_string_equal(pick("confirm", NULL), "409");
    assert_null(pick("confirm", NULL));
    assert_string_equal(pick("ship", NULL), "429");
    add("422", "*", (struct fault_rule){.count = -1, .probability = 1, .delay_ms = -1});
    assert_string_equal(pick("open", NULL), "422");
    fault_table_clear(&table);
    assert_null(pick("open", NULL));
}

static void a_rule_skips_calls_that_match_and_counts(void **state)
{
    add("409", "*",
        (struct fault_rule){
            .count = 1, .skip = 1, .probability = 1, .delay_ms = -1, .match = "mine"});
    assert_null(pick("open", "mine.1"));
    assert_null(pick("open", "other"));
    assert_null(pick("open", NULL));
    assert_string_equal(pick("open", "mine.1"), "409");
    assert_null(pick("open", "mine.1"));
}

static void rules_with_one_text_can_be_removed(void **state)
{
    static const char *const matches[] = {"mine", "", "other", "mine"};
    static const char *const modes[] = {"409", "429", "422", "409"};

    for (size_t i = 0; i < COUNT_OF(matches); i++) {
        struct fault_rule rule = {.count = -1, .probability = 1, .delay_ms = -1};

        snprintf(rule.match, sizeof(rule.match), "%s", matches[i]);
        add(modes[i], i == 1 ? "ship" : "*", rule);
    }
    assert_string_equal(pick("open", "mine.1"), "409");
    fault_table_remove(&table, "mine");
    assert_int_equal(table.rule_count, 2);
    assert_null(pick("open", "mine.1"));
    assert_string_equal(pick("open", "other.1"), "422");
    assert_string_equal(pick("ship", "mine.1"), "429");
}

static void a_rule_aims_at_one_order(void **state)
{
    struct fault_call call = {.name = "look", .group = "payments", .order_id = "order 1"};

    add("409", "*",
        (struct fault_rule){.count = -1, .probability = 1, .delay_ms = -1, .order = "order 2"});
    assert_null(fault_table_pick(&table, &call).mode->name);
    call.order_id = NULL;
    assert_null(fault_table_pick(&table, &call).mode->name);
    call.order_id = "order 2";
    assert_string_equal(fault_table_pick(&table, &call).mode->name, "409");
    call.order_id = "order 22";
    assert_null(fault_table_pick(&table, &call).mode->name);
}

static void equal_seeds_give_equal_chance(void **state)
{
    uint64_t seen[2] = {0, 0};

    for (size_t run = 0; run < COUNT_OF(seen); run++) {
        fault_table_init(&table, 42);
        add("409", "*", (struct fault_rule){.count = -1, .probability = 0.5, .delay_ms = -1});
        for (unsigned i = 0; i < 64; i++)
            seen[run] |= (uint64_t)(pick("open", NULL) != NULL) << i;
    }
    assert_int_equal(seen[0], seen[1]);
    assert_true(seen[0] != 0 && seen[0] != UINT64_MAX);
}

static void a_rule_has_the_delay_of_its_mode_or_its_own(void **state)
{
    const struct fault_call call = {.name = "open", .group = "payments"};

    add("late", "*", (struct fault_rule){.count = 1, .probability = 1, .delay_ms = -1});
    add("late", "*", (struct fault_rule){.count = 1, .probability = 1, .delay_ms = 7});
    assert_int_equal(fault_table_pick(&table, &call).delay_ms, fault_mode_find("late")->delay_ms);
    assert_int_equal(fault_table_pick(&table, &call).delay_ms, 7);
}

static void one_rule_too_many_is_refused(void **state)
{
    const struct fault_rule rule = {.mode = fault_mode_find("409")};

    for (size_t i = 0; i < FAULT_RULE_COUNT_MAX; i++)
        assert_true(fault_table_add(&table, &rule));
    assert_false(fault_table_add(&table, &rule));
}

/* What is stored under a key is said by the provider, so it needs a status to say. */
static void modes_have_names_of_their_own_and_make_sense(void **state)
{
    const struct fault_mode *mode;

    for (size_t i = 0; (mode = fault_mode_at(i)) != NULL; i++) {
        assert_ptr_equal(fault_mode_find(mode->name), mode);
        assert_true(!mode->is_stored || mode->http_status >= 500);
        assert_true(mode->http_status == 0 || mode->delivery == FAULT_DELIVERY_WHOLE);
        assert_true(mode->effect != FAULT_EFFECT_NONE || mode->http_status != 0 ||
                    mode->delivery != FAULT_DELIVERY_WHOLE);
        assert_true(mode->path == NULL || strcmp(mode->path, "confirm") == 0 ||
                    strcmp(mode->path, "ship") == 0);
    }
    assert_null(fault_mode_find("no such"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_rule_concerns_a_call_a_group_or_all, setup),
        cmocka_unit_test_setup(a_rule_skips_calls_that_match_and_counts, setup),
        cmocka_unit_test_setup(rules_with_one_text_can_be_removed, setup),
        cmocka_unit_test_setup(a_rule_aims_at_one_order, setup),
        cmocka_unit_test_setup(equal_seeds_give_equal_chance, setup),
        cmocka_unit_test_setup(a_rule_has_the_delay_of_its_mode_or_its_own, setup),
        cmocka_unit_test_setup(one_rule_too_many_is_refused, setup),
        cmocka_unit_test(modes_have_names_of_their_own_and_make_sense),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
