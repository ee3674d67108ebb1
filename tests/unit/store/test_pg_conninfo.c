/* What libpq is told: the operator's words, our defaults, our demands; and host lists. */
#include "store/pg_conninfo.h"
#include "store/pg_hosts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int setup(void **state)
{
    static const char *const names[] = {"PGHOST", "PGHOSTADDR", "PGPORT", "PGOPTIONS"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        unsetenv(names[i]);
    return 0;
}

static void open_info(struct pg_conninfo *info, const char *conninfo)
{
    struct error err = {0};
    assert_int_equal(pg_conninfo_init(info, conninfo, "orderd", "-c jit=off", &err), STATUS_OK);
}

static void assert_setting(const struct pg_conninfo *info, const char *keyword, const char *value)
{
    const char *found = pg_conninfo_get(info, keyword);
    if (value == NULL) {
        assert_null(found);
    } else {
        assert_non_null(found);
        assert_string_equal(found, value);
    }
}

static void defaults_give_way_to_the_operator(void **state)
{
    struct pg_conninfo info;
    open_info(&info, "postgresql://shop@db1:5433/orders");
    assert_setting(&info, "user", "shop");
    assert_setting(&info, "host", "db1");
    assert_setting(&info, "port", "5433");
    assert_setting(&info, "dbname", "orders");
    assert_setting(&info, "target_session_attrs", "read-write");
    assert_setting(&info, "application_name", "orderd");
    assert_setting(&info, "client_encoding", "UTF8");
    assert_setting(&info, "password", NULL);
    pg_conninfo_deinit(&info);

    open_info(&info, "host=db1 target_session_attrs=any application_name=mine"
                     " client_encoding=LATIN1 options='-c search_path=x'");
    assert_setting(&info, "target_session_attrs", "any");
    assert_setting(&info, "application_name", "mine");
    assert_setting(&info, "client_encoding", "UTF8"); /* not his to choose */
    assert_setting(&info, "options", "-c jit=off -c search_path=x");
    pg_conninfo_deinit(&info);
}

static void a_string_that_cannot_be_read_is_told_without_repeating_it(void **state)
{
    struct pg_conninfo info;
    struct error err = {0};
    assert_int_equal(pg_conninfo_init(&info, "password=secret nonsense", "a", "", &err),
                     STATUS_INVALID_ARGUMENT);
    assert_null(strstr(err.message, "secret"));
    pg_conninfo_deinit(&info);
}

static void the_environment_names_the_host_when_the_string_does_not(void **state)
{
    struct pg_conninfo info;
    setenv("PGHOST", "db9", 1);
    open_info(&info, "user=x");
    assert_setting(&info, "host", "db9");
    pg_conninfo_deinit(&info);
    open_info(&info, "host=db1");
    assert_setting(&info, "host", "db1");
    pg_conninfo_deinit(&info);
    unsetenv("PGHOST");
}

static void only_names_need_a_look_up(void **state)
{
    static const struct {
        const char *host, *address;
        bool needs;
    } cases[] = {
        {"db1", NULL, true},        {"db1.example.com", NULL, true},    {"10.0.0.1", NULL, false},
        {"::1", NULL, false},       {"/run/postgresql", NULL, false},   {"@abstract", NULL, false},
        {"db1", "10.0.0.1", false}, {NULL, "10.0.0.1", false},          {NULL, NULL, false},
        {"/run,db2", NULL, true},   {"10.0.0.1,10.0.0.2", NULL, false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pg_hosts hosts;
        assert_true(pg_hosts_parse(&hosts, cases[i].host, cases[i].address, NULL));
        assert_int_equal(pg_hosts_need_lookup(&hosts), cases[i].needs);
    }
}

static void lists_stay_aligned_wherever_the_walk_begins(void **state)
{
    static const struct {
        uint32_t first;
        const char *names, *addresses, *ports;
    } cases[] = {
        {0, "a,/run,c", "10.0.0.1,,10.0.0.3", "1,2,3"},
        {1, "/run,c,a", ",10.0.0.3,10.0.0.1", "2,3,1"},
        {5, "c,a,/run", "10.0.0.3,10.0.0.1,", "3,1,2"},
    };
    struct pg_hosts hosts;
    assert_true(pg_hosts_parse(&hosts, "a,/run,c", "10.0.0.1,,10.0.0.3", "1,2,3"));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pg_conninfo info;
        open_info(&info, "");
        assert_true(pg_hosts_apply(&hosts, cases[i].first, &info));
        assert_setting(&info, "host", cases[i].names);
        assert_setting(&info, "hostaddr", cases[i].addresses);
        assert_setting(&info, "port", cases[i].ports);
        pg_conninfo_deinit(&info);
    }
}

static void one_port_serves_all_hosts_and_no_host_is_the_default_socket(void **state)
{
    struct pg_hosts hosts;
    struct pg_conninfo info;
    assert_true(pg_hosts_parse(&hosts, "a,b", NULL, "5433"));
    open_info(&info, "");
    assert_true(pg_hosts_apply(&hosts, 0, &info));
    assert_setting(&info, "port", "5433,5433");
    assert_setting(&info, "hostaddr", NULL);
    pg_conninfo_deinit(&info);

    assert_true(pg_hosts_parse(&hosts, NULL, NULL, NULL));
    open_info(&info, "");
    assert_true(pg_hosts_apply(&hosts, 3, &info));
    assert_setting(&info, "host", NULL);
    pg_conninfo_deinit(&info);
}

static void lists_that_do_not_fit_are_refused(void **state)
{
    struct pg_hosts hosts;
    assert_false(pg_hosts_parse(&hosts, "a,b", "10.0.0.1", NULL));
    assert_false(pg_hosts_parse(&hosts, "a,b,c", NULL, "1,2"));
    assert_false(pg_hosts_parse(&hosts, NULL, NULL, "1,2"));
    char list[2 * PG_HOSTS_MAX + 2] = "h";
    for (int i = 1; i < PG_HOSTS_MAX; i++)
        snprintf(list + strlen(list), 3, ",h");
    assert_true(pg_hosts_parse(&hosts, list, NULL, NULL));
    assert_int_equal(hosts.count, PG_HOSTS_MAX);
    assert_false(pg_hosts_add(&hosts, &hosts.list[0]));
    snprintf(list + strlen(list), 3, ",h");
    assert_false(pg_hosts_parse(&hosts, list, NULL, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_give_way_to_the_operator),
        cmocka_unit_test(a_string_that_cannot_be_read_is_told_without_repeating_it),
        cmocka_unit_test(the_environment_names_the_host_when_the_string_does_not),
        cmocka_unit_test(only_names_need_a_look_up),
        cmocka_unit_test(lists_stay_aligned_wherever_the_walk_begins),
        cmocka_unit_test(one_port_serves_all_hosts_and_no_host_is_the_default_socket),
        cmocka_unit_test(lists_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
