/* The acceptor on a real listening socket, with a fake in place of gRPC core: it keeps the sockets it
 * is given and closes them when the test says so. Also runs under TSan. */
#include "edge/grpc/grpc_acceptor.h"

#include "base/macros.h"
#include "fake/fake_clock.h"
#include "observe/metrics.h"
#include "runtime/mailbox.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    LIMIT = 5,
    PEERS_MAX = 64
};

/* What the injected accept does, one entry a call; then it accepts. */
static int accept_failures[8];
static unsigned accept_failure_count, accept_call_count;

struct fixture {
    struct event_base *base;
    struct fake_clock clock;
    struct grpc_acceptor *acceptor;
    struct sockaddr_in address;
    int taken[PEERS_MAX];
    unsigned taken_count;
    int peers[PEERS_MAX];
    unsigned peer_count;
};

static void take(void *arg, int fd)
{
    struct fixture *f = arg;
    assert_true(f->taken_count < PEERS_MAX);
    f->taken[f->taken_count++] = fd;
}

static int accept_or_fail(int listen_fd)
{
    if (accept_call_count < accept_failure_count && accept_failures[accept_call_count] != 0) {
        errno = accept_failures[accept_call_count++];
        return -1;
    }
    accept_call_count++;
    return accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static int listen_anywhere(struct fixture *f)
{
    socklen_t size = sizeof(f->address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    f->address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(bind(fd, (const struct sockaddr *)&f->address, sizeof(f->address)), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&f->address, &size), 0);
    return fd;
}

static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    accept_failure_count = accept_call_count = 0;
    fake_clock_init(&f->clock);
    f->base = event_base_new();
    f->acceptor = grpc_acceptor_new(&(struct grpc_acceptor_config){
        .base = f->base,
        .clock = &f->clock.base,
        .listen_fd = listen_anywhere(f),
        .connections_max = LIMIT,
        .take = take,
        .arg = f,
        .accept = accept_or_fail,
    });
    assert_non_null(f->acceptor);
    grpc_acceptor_start(f->acceptor);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    grpc_acceptor_free(f->acceptor);
    for (unsigned i = 0; i < f->taken_count; i++) {
        if (f->taken[i] >= 0) {
            close(f->taken[i]);
        }
    }
    for (unsigned i = 0; i < f->peer_count; i++) {
        close(f->peers[i]);
    }
    event_base_free(f->base);
    test_free(f);
    return 0;
}

static int dial(struct fixture *f)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&f->address, sizeof(f->address)), 0);
    f->peers[f->peer_count++] = fd;
    return fd;
}

static void turn(struct fixture *f)
{
    event_base_loop(f->base, EVLOOP_NONBLOCK);
}

static void hang_up(struct fixture *f, unsigned index)
{
    close(f->taken[index]);
    f->taken[index] = -1;
}

/* The server has closed the connection: reading says so. */
static void assert_refused(int peer)
{
    char byte;
    assert_int_equal(recv(peer, &byte, 1, MSG_DONTWAIT), 0);
}

static void assert_open(int peer)
{
    char byte;
    assert_int_equal(recv(peer, &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
}

static void connections_up_to_the_limit_are_taken_and_the_next_is_closed_at_once(void **state)
{
    struct fixture *f = *state;
    const int64_t refused = metrics_get(METRIC_CONNECTIONS_REFUSED, 0);

    for (int i = 0; i < LIMIT; i++) {
        const int peer = dial(f);
        turn(f);
        assert_open(peer);
    }
    assert_int_equal(f->taken_count, LIMIT);
    assert_int_equal(metrics_get(METRIC_CONNECTIONS, 0), LIMIT);

    const int one_more = dial(f);
    turn(f);
    assert_refused(one_more);
    assert_int_equal(f->taken_count, LIMIT);
    assert_int_equal(metrics_get(METRIC_CONNECTIONS_REFUSED, 0), refused + 1);
}

static void taken_sockets_do_not_block_and_send_at_once(void **state)
{
    struct fixture *f = *state;
    int value = 0;
    socklen_t size = sizeof(value);

    dial(f);
    turn(f);
    assert_int_equal(f->taken_count, 1);
    assert_true(fcntl(f->taken[0], F_GETFL) & O_NONBLOCK);
    assert_int_equal(getsockopt(f->taken[0], IPPROTO_TCP, TCP_NODELAY, &value, &size), 0);
    assert_int_equal(value, 1);
    assert_int_equal(getsockopt(f->taken[0], SOL_SOCKET, SO_KEEPALIVE, &value, &size), 0);
    assert_int_equal(value, 1);
}

static void a_closed_connection_makes_room_for_another(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < LIMIT; i++) {
        dial(f);
    }
    turn(f);
    assert_refused((turn(f), dial(f), turn(f), f->peers[f->peer_count - 1]));
    hang_up(f, 2);
    fake_clock_advance(&f->clock, 100);
    assert_open((dial(f), turn(f), f->peers[f->peer_count - 1]));
    assert_int_equal(f->taken_count, LIMIT + 1);
    assert_refused((dial(f), turn(f), f->peers[f->peer_count - 1]));
}

static void a_descriptor_used_again_for_something_else_is_not_a_connection(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < LIMIT; i++) {
        dial(f);
    }
    turn(f);
    /* The number is taken by another file, and by another socket: both have other inodes. */
    const int numbers[] = {f->taken[0], f->taken[1]};
    hang_up(f, 0);
    hang_up(f, 1);
    const int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    const int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(MIN_OF(file, other), MIN_OF(numbers[0], numbers[1]));
    fake_clock_advance(&f->clock, 100);
    dial(f);
    turn(f);
    assert_int_equal(f->taken_count, LIMIT + 1);
    assert_int_equal(grpc_acceptor_count(f->acceptor), LIMIT - 1);
    close(file);
    close(other);
}

static void at_the_limit_sweeps_are_apart_so_that_refusing_stays_cheap(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < LIMIT; i++) {
        dial(f);
    }
    turn(f);
    dial(f);
    turn(f); /* sweeps, and finds all in use */
    hang_up(f, 0);
    fake_clock_advance(&f->clock, 99);
    assert_refused((dial(f), turn(f), f->peers[f->peer_count - 1]));
    fake_clock_advance(&f->clock, 1);
    assert_open((dial(f), turn(f), f->peers[f->peer_count - 1]));
}

static void without_descriptors_the_caller_is_told_and_accepting_goes_on(void **state)
{
    struct fixture *f = *state;
    static const int failures[] = {EMFILE, ENFILE};

    for (size_t i = 0; i < COUNT_OF(failures); i++) {
        const unsigned taken = f->taken_count;
        accept_call_count = 0;
        accept_failures[0] = failures[i];
        accept_failure_count = 1;
        const int refused = dial(f);
        turn(f);
        assert_refused(refused);
        assert_int_equal(f->taken_count, taken);
        assert_open((dial(f), turn(f), f->peers[f->peer_count - 1]));
        assert_int_equal(f->taken_count, taken + 1);
    }
}

static void when_even_the_spare_descriptor_does_not_help_it_pauses_and_comes_back(void **state)
{
    struct fixture *f = *state;

    accept_failures[0] = EMFILE;
    accept_failures[1] = EMFILE; /* with the spare one given up */
    accept_failure_count = 2;
    const int peer = dial(f);
    turn(f);
    turn(f);
    assert_int_equal(accept_call_count, 2); /* no spinning */
    assert_open(peer);
    fake_clock_advance(&f->clock, 100);
    turn(f);
    assert_int_equal(f->taken_count, 1);
}

static void when_the_system_is_short_of_memory_it_pauses_and_comes_back(void **state)
{
    static const int failures[] = {ENOBUFS, ENOMEM};
    struct fixture *f = *state;

    for (unsigned i = 0; i < COUNT_OF(failures); i++) {
        accept_call_count = 0;
        accept_failures[0] = failures[i];
        accept_failure_count = 1;
        dial(f);
        turn(f);
        turn(f);
        assert_int_equal(accept_call_count, 1); /* no spinning */
        assert_int_equal(f->taken_count, i);
        fake_clock_advance(&f->clock, 100);
        turn(f);
        assert_int_equal(f->taken_count, i + 1);
    }
}

static void stopped_in_a_pause_it_does_not_come_back(void **state)
{
    struct fixture *f = *state;

    accept_failures[0] = ENOMEM;
    accept_failure_count = 1;
    dial(f);
    turn(f);
    grpc_acceptor_stop(f->acceptor);
    fake_clock_advance(&f->clock, 1000);
    turn(f);
    assert_int_equal(f->taken_count, 0);
}

static void errors_of_one_connection_do_not_disturb_the_next(void **state)
{
    static const int failures[] = {ECONNABORTED, EINTR, EPROTO, ENETDOWN};
    struct fixture *f = *state;

    memcpy(accept_failures, failures, sizeof(failures));
    accept_failure_count = COUNT_OF(failures);
    dial(f);
    turn(f);
    assert_int_equal(f->taken_count, 1);
}

static void after_stop_nobody_is_let_in(void **state)
{
    struct fixture *f = *state;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    grpc_acceptor_stop(f->acceptor);
    assert_int_equal(connect(fd, (const struct sockaddr *)&f->address, sizeof(f->address)), -1);
    assert_int_equal(errno, ECONNREFUSED);
    close(fd);
}

/* As in the server: sockets go to another thread, which says through a mailbox that it closed them. */

struct owner {
    struct mailbox mailbox;
    struct {
        struct letter letter;
        int fd;
    } letters[LIMIT * 4];
    unsigned count;
};

static void give_to_owner(void *arg, int fd)
{
    struct owner *owner = arg;
    owner->letters[owner->count].fd = fd;
    mailbox_put(&owner->mailbox, &owner->letters[owner->count++].letter);
}

static void *own(void *arg)
{
    struct owner *owner = arg;
    unsigned closed = 0;

    while (closed < LIMIT) {
        const struct letter *letter = mailbox_take(&owner->mailbox);
        for (; letter != NULL; letter = letter->next) {
            char byte = 'x';
            const size_t at = (size_t)((const char *)letter - (const char *)owner->letters) /
                              sizeof(owner->letters[0]);
            assert_int_equal(write(owner->letters[at].fd, &byte, 1), 1);
            closed++;
        }
    }
    return NULL;
}

static void sockets_may_live_in_another_thread(void **state)
{
    struct fixture *f = *state;
    struct owner owner = {.count = 0};
    pthread_t thread;
    char byte;

    assert_true(mailbox_init(&owner.mailbox));
    grpc_acceptor_free(f->acceptor);
    f->acceptor = grpc_acceptor_new(&(struct grpc_acceptor_config){
        .base = f->base,
        .clock = &f->clock.base,
        .listen_fd = listen_anywhere(f),
        .connections_max = LIMIT,
        .take = give_to_owner,
        .arg = &owner,
    });
    assert_non_null(f->acceptor);
    grpc_acceptor_start(f->acceptor);
    assert_int_equal(pthread_create(&thread, NULL, own, &owner), 0);
    for (int i = 0; i < LIMIT; i++) {
        const int peer = dial(f);
        turn(f);
        assert_int_equal(recv(peer, &byte, 1, 0), 1);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    for (unsigned i = 0; i < owner.count; i++) {
        close(owner.letters[i].fd);
    }
    mailbox_deinit(&owner.mailbox);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(connections_up_to_the_limit_are_taken_and_the_next_is_closed_at_once),
        TEST(taken_sockets_do_not_block_and_send_at_once),
        TEST(a_closed_connection_makes_room_for_another),
        TEST(a_descriptor_used_again_for_something_else_is_not_a_connection),
        TEST(at_the_limit_sweeps_are_apart_so_that_refusing_stays_cheap),
        TEST(without_descriptors_the_caller_is_told_and_accepting_goes_on),
        TEST(when_even_the_spare_descriptor_does_not_help_it_pauses_and_comes_back),
        TEST(when_the_system_is_short_of_memory_it_pauses_and_comes_back),
        TEST(stopped_in_a_pause_it_does_not_come_back),
        TEST(errors_of_one_connection_do_not_disturb_the_next),
        TEST(after_stop_nobody_is_let_in),
        TEST(sockets_may_live_in_another_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
