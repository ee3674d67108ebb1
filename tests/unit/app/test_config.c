/* Settings: where they come from, which source wins, and how a bad one is told. */
#include "app/config.h"

#include "base/limits.h"
#include "fake/failing_heap.h"
#include "observe/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    ARGS_MAX = 16
};

struct fixture {
    struct config config;
    struct error err;
    char path[64];
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    memcpy(fixture->path, "/tmp/orderd-config-XXXXXX", sizeof("/tmp/orderd-config-XXXXXX"));
    int fd = mkstemp(fixture->path);
    assert_true(fd >= 0);
    close(fd);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    config_deinit(&fixture->config);
    unlink(fixture->path);
    free(fixture);
    return 0;
}

static char *const environment_minimal[] = {
    (char[]){"DATABASE_URL=dbname=x"},
    (char[]){"PAYMENT_URL=http://127.0.0.1:1"},
    (char[]){"FULFILLMENT_URL=http://127.0.0.1:2"},
    NULL,
};

/* Loads with the settings that are required and up to ARGS_MAX arguments. */
static enum status load(struct fixture *fixture, const char *const *args)
{
    char *argv[ARGS_MAX] = {(char[]){"orderd"}};
    int argc = 1;
    for (; args[argc - 1] != NULL; argc++) {
        argv[argc] = strdup(args[argc - 1]);
    }
    config_deinit(&fixture->config);
    fixture->err = (struct error){0};
    enum status status =
        config_load(&fixture->config, argc, argv, environment_minimal, &fixture->err);
    for (int i = 1; i < argc; i++) {
        free(argv[i]);
    }
    return status;
}
#define LOAD(fixture, ...) load(fixture, (const char *const[]){__VA_ARGS__, NULL})

static void write_file(const struct fixture *fixture, const char *text)
{
    FILE *out = fopen(fixture->path, "w");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    fclose(out);
}

static void defaults_are_those_of_the_documentation(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(LOAD(fixture, "--check-config"), STATUS_OK);
    const struct config *config = &fixture->config;
    assert_int_equal(config->action, CONFIG_CHECK);
    assert_string_equal(config->grpc_addr, "0.0.0.0:50051");
    assert_string_equal(config->admin_addr, "127.0.0.1:9090");
    assert_string_equal(config->http_addr, "0.0.0.0:8080");
    assert_string_equal(config->cors_origins, "");
    assert_int_equal(config->db_connections, 8);
    assert_int_equal(config->batch_max, 128);
    assert_int_equal(config->drain_delay_ms, 5000);
    assert_int_equal(config->drain_timeout_ms, 25000);
    assert_int_equal(config->lease_ms, 10000);
    assert_int_equal(config->try_timeout_ms, 5000);
    assert_int_equal(config->forward_ms, 60000);
    assert_int_equal(config->fulfill_ms, 15 * 60000);
    assert_int_equal(config->undo_ms, 24 * 3600000);
    assert_int_equal(config->connections_max, 10000);
    assert_int_equal(config->calls_max, 2000);
    assert_int_equal(config->orders_max, 10000);
    assert_int_equal(config->watchers_max, 1000);
    assert_int_equal(config->log_level, LOG_INFO);
    assert_true(config->workers >= 1);
}

static void the_command_line_wins_over_the_environment_over_the_file(void **state)
{
    struct fixture *fixture = *state;
    write_file(fixture, "# ours\n\nbatch_max = 7\nlease= 20s\npayment_url = http://file:1\n");
    assert_int_equal(LOAD(fixture, "--config", fixture->path, "--lease=30s"), STATUS_OK);
    assert_int_equal(fixture->config.batch_max, 7);
    assert_string_equal(fixture->config.payment_url, "http://127.0.0.1:1");
    assert_int_equal(fixture->config.lease_ms, 30000);
}

static void origins_are_a_list_or_all(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(LOAD(fixture, "--cors-origins", "https://a.example, http://b.example:8080"),
                     STATUS_OK);
    assert_string_equal(fixture->config.cors_origins, "https://a.example, http://b.example:8080");
}

static void a_bad_value_is_told_with_its_place_and_what_is_expected(void **state)
{
    static const struct {
        const char *args[3];
        const char *message;
    } cases[] = {
        {{"--batch-max", "0"}, "BATCH_MAX (command line): '0' is not a number from 1 to 1024"},
        {{"--batch-max", "1025"},
         "BATCH_MAX (command line): '1025' is not a number from 1 to 1024"},
        {{"--lease=10"}, "LEASE (command line): '10' is not a duration with a unit"},
        {{"--grpc-addr", "nowhere"}, "GRPC_ADDR (command line): 'nowhere' is not HOST:PORT"},
        {{"--grpc-addr", "h:65536"}, "GRPC_ADDR (command line): 'h:65536' is not HOST:PORT"},
        {{"--migrate-auto", "x"}, "unknown setting '--migrate-auto', see --help"},
        {{"--migrate=often"}, "MIGRATE (command line): 'often' is not one of auto, off"},
        {{"--payment-url", "ftp://x"}, "PAYMENT_URL (command line): 'ftp://x' is not an address"},
        {{"--cors-origins", "shop.example"},
         "CORS_ORIGINS (command line): 'shop.example' is not a list"},
        {{"--cors-origins", "https://a/"},
         "CORS_ORIGINS (command line): 'https://a/' is not a list"},
        {{"--cors-origins", "https://"}, "CORS_ORIGINS (command line): 'https://' is not a list"},
        {{"--cors-origins", "*, x"},
         "CORS_ORIGINS (command line): '*, x' is not a list of origins"},
        {{"--workers"}, "'--workers' needs a value or is unknown"},
        {{"lonely"}, "unexpected argument 'lonely'"},
        {{"--database-url="}, "DATABASE_URL is required, see --help"},
        {{"--auth", "jwt"}, "AUTH (command line): 'jwt' is not one of none"},
        {{"--tls-cert-file", "x"}, "TLS_CERT_FILE must be empty"},
        {{"--config", "/nonexistent"}, "configuration file /nonexistent: No such file"},
        {{"--config", "/"}, "configuration file /: Is a directory"},
        {{"--payment-api-key-file", "/nonexistent"}, "PAYMENT_API_KEY_FILE /nonexistent: No such"},
        {{"--workers", "3"}, "DB_CONNECTIONS must be at least 3 for each of the 3 workers"},
        {{"--try-timeout=60s"}, "TRY_TIMEOUT must be shorter than FORWARD_TIME"},
        {{"--drain-delay=2h"}, "DRAIN_DELAY (command line): '2h' is not a duration with a unit"},
        {{"--inventory-url", "http://x"}, "INVENTORY_URL must be empty: this version cannot do it"},
        {{"--cors-origins", "ftp://a"}, "CORS_ORIGINS (command line): 'ftp://a' is not a list"},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(load(fixture, cases[i].args), STATUS_INVALID_ARGUMENT);
        assert_memory_equal(fixture->err.message, cases[i].message, strlen(cases[i].message));
    }
}

static void as_many_orders_as_the_limit_says_may_be_under_way_and_no_more(void **state)
{
    struct fixture *fixture = *state;
    char largest[32], too_large[32];

    snprintf(largest, sizeof(largest), "--max-orders=%d", LIMIT_ORDERS);
    snprintf(too_large, sizeof(too_large), "--max-orders=%d", LIMIT_ORDERS + 1);
    assert_int_equal(load(fixture, (const char *const[]){largest, NULL}), STATUS_OK);
    assert_int_equal(fixture->config.orders_max, LIMIT_ORDERS);
    assert_int_not_equal(load(fixture, (const char *const[]){too_large, NULL}), STATUS_OK);
    assert_non_null(strstr(fixture->err.message, "MAX_ORDERS"));
}

static void what_is_wrong_in_the_file_is_told_with_its_line(void **state)
{
    static const struct {
        const char *file, *message;
    } cases[] = {
        {"batch_max = 7\ncolour = blue\n", " line 2: unknown setting 'colour'"},
        {"\n\nbatch_max 7\n", " line 3: expected 'name = value'"},
        {"batch = 7\n", " line 1: unknown setting 'batch'"}, /* the beginning of a name is none */
        {"# ours\nlease = soon", " line 2): 'soon' is not a duration with a unit"},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        write_file(fixture, cases[i].file);
        assert_int_equal(LOAD(fixture, "--config", fixture->path), STATUS_INVALID_ARGUMENT);
        assert_non_null(strstr(fixture->err.message, cases[i].message));
    }
}

static void a_line_of_the_file_is_never_cut(void **state)
{
    struct fixture *fixture = *state;
    char text[5000];
    memset(text, ' ', sizeof(text));
    memcpy(text, "batch_max =", strlen("batch_max ="));
    memcpy(text + sizeof(text) - 3, "7\n", 3);
    write_file(fixture, text);
    assert_int_equal(LOAD(fixture, "--config", fixture->path), STATUS_INVALID_ARGUMENT);
    assert_non_null(strstr(fixture->err.message, " line 1: too long"));
    text[4000] = '7';
    text[4001] = '\0'; /* the last line needs no end */
    write_file(fixture, text);
    assert_int_equal(LOAD(fixture, "--config", fixture->path), STATUS_OK);
    assert_int_equal(fixture->config.batch_max, 7);
}

static enum status load_environment(struct fixture *fixture, const char *variable)
{
    char *argv[] = {(char[]){"orderd"}};
    char *text = strdup(variable);
    char *const environment[] = {environment_minimal[0], environment_minimal[1],
                                 environment_minimal[2], text, NULL};
    enum status status;

    config_deinit(&fixture->config);
    fixture->err = (struct error){0};
    status = config_load(&fixture->config, 1, argv, environment, &fixture->err);
    free(text);
    return status;
}

static void a_bad_value_of_the_environment_is_told_as_such(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(load_environment(fixture, "LOG_LEVEL=loud"), STATUS_INVALID_ARGUMENT);
    assert_string_equal(fixture->err.message,
                        "LOG_LEVEL (environment): 'loud' is not one of debug, info, warn, error");
}

static void variables_of_others_are_left_alone(void **state)
{
    static const char *const variables[] = {"workers=many", "Batch_Max=x", "WORKERS", "PATH=/bin"};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < COUNT_OF(variables); i++) {
        assert_int_equal(load_environment(fixture, variables[i]), STATUS_OK);
        assert_int_equal(fixture->config.batch_max, 128);
    }
}

static void a_migration_needs_no_provider_and_a_start_names_what_is_missing(void **state)
{
    static const struct {
        const char *flag, *missing;
    } cases[] = {
        {"--migrate", NULL},
        {"--check-config", "PAYMENT_URL is required, see --help"},
    };
    struct fixture *fixture = *state;
    char *const environment[] = {environment_minimal[0], NULL};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char *argv[] = {(char[]){"orderd"}, strdup(cases[i].flag)};
        config_deinit(&fixture->config);
        enum status status = config_load(&fixture->config, 2, argv, environment, &fixture->err);
        assert_int_equal(status, cases[i].missing == NULL ? STATUS_OK : STATUS_INVALID_ARGUMENT);
        if (cases[i].missing != NULL)
            assert_string_equal(fixture->err.message, cases[i].missing);
        free(argv[1]);
    }
}

static void load_with_little_memory(void *context)
{
    struct fixture *fixture = context;
    char *argv[] = {(char[]){"orderd"}, (char[]){"--config"}, fixture->path,
                    (char[]){"--payment-api-key-file"}, fixture->path};
    enum status status;

    config_deinit(&fixture->config);
    fixture->err = (struct error){0};
    failing_heap_begin();
    status =
        config_load(&fixture->config, COUNT_OF(argv), argv, environment_minimal, &fixture->err);
    failing_heap_end();
    assert_int_equal(status, failing_heap_has_failed() ? STATUS_RESOURCE_EXHAUSTED : STATUS_OK);
}

static void without_memory_for_a_setting_nothing_is_started(void **state)
{
    struct fixture *fixture = *state;
    write_file(fixture, "cors_origins = *");
    failing_heap_each(load_with_little_memory, fixture);
}

static void a_file_that_cannot_be_read_is_an_error(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(LOAD(fixture, "--config", "/"), STATUS_INVALID_ARGUMENT);
    assert_non_null(strstr(fixture->err.message, "configuration file /: "));
    assert_int_equal(LOAD(fixture, "--payment-api-key-file", "/"), STATUS_INVALID_ARGUMENT);
}

static void a_key_is_never_cut(void **state)
{
    struct fixture *fixture = *state;
    char key[4200];
    memset(key, 'k', sizeof(key) - 1);
    key[4095] = '\0';
    write_file(fixture, key);
    assert_int_equal(LOAD(fixture, "--payment-api-key-file", fixture->path), STATUS_OK);
    assert_int_equal(strlen(fixture->config.payment_api_key), 4095);
    key[4095] = 'k';
    key[4096] = '\0';
    write_file(fixture, key);
    assert_int_equal(LOAD(fixture, "--payment-api-key-file", fixture->path),
                     STATUS_INVALID_ARGUMENT);
}

static void the_key_is_one_line_of_a_file_without_its_end(void **state)
{
    struct fixture *fixture = *state;
    write_file(fixture, "sk_test_1\n");
    assert_int_equal(LOAD(fixture, "--payment-api-key-file", fixture->path), STATUS_OK);
    assert_string_equal(fixture->config.payment_api_key, "sk_test_1");
    write_file(fixture, "two\nlines\n");
    assert_int_equal(LOAD(fixture, "--payment-api-key-file", fixture->path),
                     STATUS_INVALID_ARGUMENT);
}

static void help_and_version_need_no_settings(void **state)
{
    static const struct {
        const char *flag;
        enum config_action action;
    } cases[] = {{"--help", CONFIG_HELP}, {"--version", CONFIG_VERSION}};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char *argv[] = {(char[]){"orderd"}, strdup(cases[i].flag)};
        char *const environment[] = {NULL};
        config_deinit(&fixture->config);
        assert_int_equal(config_load(&fixture->config, 2, argv, environment, &fixture->err),
                         STATUS_OK);
        assert_int_equal(fixture->config.action, cases[i].action);
        free(argv[1]);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(defaults_are_those_of_the_documentation),
        TEST(the_command_line_wins_over_the_environment_over_the_file),
        TEST(origins_are_a_list_or_all),
        TEST(a_bad_value_is_told_with_its_place_and_what_is_expected),
        TEST(as_many_orders_as_the_limit_says_may_be_under_way_and_no_more),
        TEST(what_is_wrong_in_the_file_is_told_with_its_line),
        TEST(a_line_of_the_file_is_never_cut),
        TEST(a_bad_value_of_the_environment_is_told_as_such),
        TEST(variables_of_others_are_left_alone),
        TEST(a_migration_needs_no_provider_and_a_start_names_what_is_missing),
        TEST(without_memory_for_a_setting_nothing_is_started),
        TEST(a_file_that_cannot_be_read_is_an_error),
        TEST(a_key_is_never_cut),
        TEST(the_key_is_one_line_of_a_file_without_its_end),
        TEST(help_and_version_need_no_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
