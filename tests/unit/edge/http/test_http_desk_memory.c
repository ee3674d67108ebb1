/* Memory runs out once, anywhere in a request to the admin port: it is answered as it should be or told that
 * there is no memory, and the next one is served. */
#include "edge/http/http_admin.h"

#include "fake/failing_heap.h"
#include "observe/log.h"
#include "port/operator_store.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define KNOWN "017f22e2-79b0-7000-8000-000000000001"
#define UNKNOWN "017f22e2-79b0-7000-8000-000000000002"

/* A store that answers at the next turn of the loop; it knows one order. */
struct fixture {
    struct loop *loop;
    struct door_limits limits;
    struct http_site *site;
    struct http_admin *admin;
    struct operator_store store;
    struct store_call *asked;
    struct clock_timer answer, turn;
    char received[256 * 1024];
};

/* ---- The store ---- */

static struct fixture *of_store(struct operator_store *store)
{
    return CONTAINER_OF(store, struct fixture, store);
}

static void on_answer(struct clock_timer *timer)
{
    struct fixture *f = CONTAINER_OF(timer, struct fixture, answer);
    struct store_call *call = f->asked;

    f->asked = NULL;
    call->done(call);
}

static void answer_later(struct fixture *f, struct store_call *call, const struct uuid *id)
{
    char text[UUID_TEXT_SIZE];

    assert_null(f->asked);
    uuid_format(id, text);
    if (strcmp(text, UNKNOWN) == 0) {
        error_set(&call->err, REASON_ORDER_NOT_FOUND);
    }
    f->asked = call;
    f->answer.on_time = on_answer;
    clock_timer_start(loop_clock(f->loop), &f->answer, 0);
}

static void store_list(struct operator_store *store, struct operator_list *list)
{
    static const char *orders[] = {"{\"id\":1}", "{\"id\":2}"};

    list->orders = orders;
    list->count = COUNT_OF(orders);
    list->has_more = true;
    answer_later(of_store(store), &list->call, &list->last_id);
}

static void store_show(struct operator_store *store, struct operator_show *show)
{
    show->order = "{\"id\":1}";
    answer_later(of_store(store), &show->call, &show->id);
}

static void store_mend(struct operator_store *store, struct operator_mend *mend)
{
    assert_string_equal(mend->who, "ada");
    mend->state = ORDER_FAILED;
    answer_later(of_store(store), &mend->call, &mend->id);
}

static const struct operator_store_ops store_ops = {
    .list = store_list, .show = store_show, .mend = store_mend};

/* ---- Fixture ---- */

static bool is_ready(void *arg, const char **out_why)
{
    return true;
}

static void print_batches(void *arg, struct buf *json)
{
    buf_put_str(json, "{\"batches\":1}");
}

static void pause_recovery(void *arg, bool is_paused)
{
}

static struct http_desk_config desk_config(struct fixture *f)
{
    return (struct http_desk_config){.site = f->site,
                                     .store = &f->store,
                                     .clock = loop_clock(f->loop),
                                     .print_batches = print_batches,
                                     .pause_recovery = pause_recovery};
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    const struct http_site_config site = {.limits = &f->limits};
    struct error err = {0};

    f->loop = loop_new();
    f->store.ops = &store_ops;
    f->site = http_site_new(&site, &err);
    assert_non_null(f->site);
    const struct http_desk_config desk = desk_config(f);
    const struct http_admin_config config = {
        .address = "127.0.0.1:0", .is_ready = is_ready, .desk = &desk};
    assert_int_equal(http_admin_new(f->loop, &config, &f->admin, &err), STATUS_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    http_admin_free(f->admin);
    http_site_free(f->site);
    loop_free(f->loop);
    free(f);
    return 0;
}

/* ---- Exchanges ---- */

static void on_turn(struct clock_timer *timer)
{
    loop_stop(CONTAINER_OF(timer, struct fixture, turn)->loop);
}

static void turn(struct fixture *f)
{
    f->turn.on_time = on_turn;
    clock_timer_start(loop_clock(f->loop), &f->turn, 1);
    loop_run(f->loop);
}

/* Sends it on a connection of its own, and turns the loop until that has been closed. */
static void exchange(struct fixture *f, const char *request)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(http_admin_port(f->admin)),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t len = 0;
    ssize_t got;

    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(write(fd, request, strlen(request)), (int)strlen(request));
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    do {
        turn(f);
        got = read(fd, f->received + len, sizeof(f->received) - 1 - len);
        len += got > 0 ? (size_t)got : 0;
    } while (got != 0);
    f->received[len] = '\0';
    close(fd);
}

struct scene {
    const char *method, *path, *body;
    int status;
    int other_status; /* without memory: as good as 429 and 503 */
    struct fixture *fixture;
};

static long status_of(const char *received)
{
    assert_int_equal(strncmp(received, "HTTP/1.1 ", 9), 0);
    return strtol(received + 9, NULL, 10);
}

static void ask(void *context)
{
    const struct scene *scene = context;
    struct fixture *f = scene->fixture;
    char request[1000];
    long status;

    snprintf(request, sizeof(request),
             "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             scene->method, scene->path, strlen(scene->body), scene->body);
    failing_heap_begin();
    exchange(f, request);
    failing_heap_end();
    status = status_of(f->received);
    assert_null(f->asked);
    if (failing_heap_has_failed() &&
        (status == 429 || status == 503 || status == scene->other_status)) {
        return;
    }
    if (status != scene->status) {
        fail_msg("%s %s: %s", scene->method, scene->path, f->received);
    }
}

static void every_request_is_answered_wherever_memory_runs_out(void **state)
{
    static const char retry[] = "{\"reason\":\"it is back\",\"operator\":\"ada\"}";
    static const char resolve[] =
        "{\"reason\":\"it is back\",\"operator\":\"ada\",\"state\":\"FAILED\"}";
    struct scene scenes[] = {
        {"GET", "/debug/orders?state=STUCK&limit=2", "", 200, 0, NULL},
        {"GET", "/debug/orders?state=nothing&what=1", "", 400, 0, NULL},
        {"GET", "/debug/orders/" KNOWN, "", 200, 0, NULL},
        {"GET", "/debug/orders/" UNKNOWN, "", 404, 0, NULL},
        {"POST", "/debug/orders/" KNOWN ":retry", retry, 200, 0, NULL},
        {"POST", "/debug/orders/" KNOWN ":retry", "[]", 400, 0, NULL},
        {"POST", "/debug/orders/" KNOWN ":resolve", resolve, 200, 0, NULL},
        {"POST", "/debug/orders/" KNOWN ":resolve", retry, 400, 0, NULL},
        {"GET", "/debug/batches", "", 200, 0, NULL},
        {"POST", "/debug/recovery:pause", retry, 200, 0, NULL},
        {"GET", "/debug/recovery:pause", "", 405, 0, NULL},
        {"GET", "/debug/nothing", "", 404, 0, NULL},
        {"GET", "/metrics", "", 200, 500, NULL},
    };

    for (size_t i = 0; i < COUNT_OF(scenes); i++) {
        scenes[i].fixture = *state;
        failing_heap_each(ask, &scenes[i]);
        failing_heap_from_each(ask, &scenes[i]);
    }
}

static void make_admin(void *context)
{
    struct fixture *f = context;
    const struct http_desk_config desk = desk_config(f);
    const struct http_admin_config config = {
        .address = "127.0.0.1:0", .is_ready = is_ready, .desk = &desk};
    struct http_admin *admin = NULL;
    struct error err = {0};
    enum status status;

    failing_heap_begin();
    status = http_admin_new(f->loop, &config, &admin, &err);
    failing_heap_end();
    assert_int_equal(status != STATUS_OK, failing_heap_has_failed());
    if (status == STATUS_OK) {
        http_admin_free(admin);
    } else {
        assert_int_equal(err.reason, REASON_OUT_OF_MEMORY);
    }
}

static void an_admin_port_is_whole_or_none(void **state)
{
    failing_heap_each(make_admin, *state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_request_is_answered_wherever_memory_runs_out),
        TEST(an_admin_port_is_whole_or_none),
    };

    log_configure(LOG_ERROR, LOG_JSON, STDERR_FILENO);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
