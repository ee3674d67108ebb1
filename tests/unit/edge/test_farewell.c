/* Sockets that are told why they get no connection: what is said arrives, and none is kept for long. */
#include "edge/farewell.h"

#include "fake/fake_clock.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static const char words[] = "no room";

struct fixture {
    struct fake_clock clock;
    struct farewell farewell;
    int peers[FAREWELLS_MAX + 1];
    unsigned peer_count;
};

static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    fake_clock_init(&f->clock);
    farewell_init(&f->farewell, &f->clock.base);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    farewell_deinit(&f->farewell);
    for (unsigned i = 0; i < f->peer_count; i++)
        close(f->peers[i]);
    test_free(f);
    return 0;
}

/* The peer of a socket that was said good-bye to. */
static int say(struct fixture *f, const char *text)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    farewell_say(&f->farewell, fds[1], text, strlen(text));
    f->peers[f->peer_count++] = fds[0];
    return fds[0];
}

/* Writing to a socket fails once its other end is closed. */
static bool is_closed(int peer)
{
    return send(peer, "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE;
}

static void the_words_arrive_and_then_the_end(void **state)
{
    char received[32];
    int peer = say(*state, words);

    assert_int_equal(recv(peer, received, sizeof(received), 0), strlen(words));
    assert_memory_equal(received, words, strlen(words));
    assert_int_equal(recv(peer, received, sizeof(received), 0), 0);
}

static void without_words_there_is_only_the_end(void **state)
{
    char byte;

    assert_int_equal(recv(say(*state, ""), &byte, 1, 0), 0);
}

static void a_socket_stays_for_a_second_so_that_the_words_are_not_lost(void **state)
{
    struct fixture *f = *state;
    int first = say(f, words), second;

    fake_clock_advance(&f->clock, FAREWELL_MS - 1);
    second = say(f, words);
    assert_false(is_closed(first));
    fake_clock_advance(&f->clock, 1);
    assert_true(is_closed(first));
    assert_false(is_closed(second));
    fake_clock_advance(&f->clock, FAREWELL_MS - 1);
    assert_true(is_closed(second));
    assert_int_equal(fake_clock_next_ms(&f->clock), -1);
}

static void of_one_more_than_can_be_kept_the_oldest_is_closed(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < FAREWELLS_MAX; i++)
        say(f, words);
    assert_false(is_closed(f->peers[0]));
    say(f, words);
    assert_true(is_closed(f->peers[0]));
    assert_false(is_closed(f->peers[1]));
    fake_clock_advance(&f->clock, FAREWELL_MS);
    for (int i = 0; i <= FAREWELLS_MAX; i++)
        assert_true(is_closed(f->peers[i]));
}

static void at_the_end_all_are_closed(void **state)
{
    struct fixture *f = *state;
    int peer = say(f, words);

    farewell_deinit(&f->farewell);
    assert_true(is_closed(peer));
    assert_int_equal(fake_clock_next_ms(&f->clock), -1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_words_arrive_and_then_the_end),
        TEST(without_words_there_is_only_the_end),
        TEST(a_socket_stays_for_a_second_so_that_the_words_are_not_lost),
        TEST(of_one_more_than_can_be_kept_the_oldest_is_closed),
        TEST(at_the_end_all_are_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
