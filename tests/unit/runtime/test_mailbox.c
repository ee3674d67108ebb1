/* Letters arrive each once, in the order of their sender, and none is left lying when senders and
 * owner run at the same time. Runs under TSan too. */
#include "runtime/mailbox.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
    SENDERS = 4,
    LETTERS_EACH = 20000
};

struct note {
    struct letter letter;
    int sender, number;
};

static struct mailbox mailbox;
static int opened_count;
static int last_number[SENDERS];
static bool in_order;

static void on_open(struct letter *letter)
{
    struct note *note = CONTAINER_OF(letter, struct note, letter);

    if (note->number != last_number[note->sender] + 1)
        in_order = false;
    last_number[note->sender] = note->number;
    opened_count++;
}

static int setup(void **state)
{
    opened_count = 0;
    in_order = true;
    for (int i = 0; i < SENDERS; i++)
        last_number[i] = -1;
    return mailbox_init(&mailbox) ? 0 : 1;
}

static int teardown(void **state)
{
    mailbox_deinit(&mailbox);
    return 0;
}

static bool is_awake(int timeout_ms)
{
    struct pollfd poll_fd = {.fd = mailbox.wake_fd, .events = POLLIN};

    return poll(&poll_fd, 1, timeout_ms) == 1;
}

static void an_empty_mailbox_gives_nothing_and_is_asleep(void **state)
{
    assert_null(mailbox_take(&mailbox));
    assert_int_equal(mailbox_open_all(&mailbox), 0);
    assert_false(is_awake(0));
}

static void letters_come_out_oldest_first(void **state)
{
    struct note notes[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
    struct letter *letter;

    for (int i = 0; i < 3; i++)
        mailbox_put(&mailbox, &notes[i].letter);
    assert_true(is_awake(0));
    letter = mailbox_take(&mailbox);
    assert_false(is_awake(0));
    for (int i = 0; i < 3; i++, letter = letter->next)
        assert_ptr_equal(letter, &notes[i].letter);
    assert_null(letter);
}

static struct note second;
static void on_open_and_put(struct letter *letter UNUSED)
{
    mailbox_put(&mailbox, &second.letter);
}

static void a_letter_put_while_one_is_opened_waits_for_the_next_turn(void **state)
{
    struct note first = {.letter.open = on_open_and_put};

    second = (struct note){.letter.open = on_open, .number = 0};
    mailbox_put(&mailbox, &first.letter);
    assert_int_equal(mailbox_open_all(&mailbox), 1);
    assert_int_equal(opened_count, 0);
    assert_true(is_awake(0));
    assert_int_equal(mailbox_open_all(&mailbox), 1);
    assert_int_equal(opened_count, 1);
}

static void *send_all(void *arg)
{
    struct note *notes = arg;

    for (int i = 0; i < LETTERS_EACH; i++)
        mailbox_put(&mailbox, &notes[i].letter);
    return NULL;
}

static struct note *notes_new(void)
{
    struct note *notes = calloc((size_t)SENDERS * LETTERS_EACH, sizeof(*notes));

    assert_non_null(notes);
    for (int i = 0; i < SENDERS * LETTERS_EACH; i++) {
        notes[i].letter.open = on_open;
        notes[i].sender = i / LETTERS_EACH;
        notes[i].number = i % LETTERS_EACH;
    }
    return notes;
}

/* The owner sleeps on the descriptor whenever it finds nothing: a lost wake-up would end the wait by
 * its time limit, with letters missing. */
static void no_letter_of_many_senders_is_lost_or_out_of_order(void **state)
{
    struct note *notes = notes_new();
    pthread_t threads[SENDERS];

    for (int i = 0; i < SENDERS; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, send_all, notes + (ptrdiff_t)i * LETTERS_EACH), 0);
    while (opened_count < SENDERS * LETTERS_EACH && is_awake(30000))
        mailbox_open_all(&mailbox);
    for (int i = 0; i < SENDERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(opened_count, SENDERS * LETTERS_EACH);
    assert_true(in_order);
    free(notes);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_empty_mailbox_gives_nothing_and_is_asleep),
        TEST(letters_come_out_oldest_first),
        TEST(a_letter_put_while_one_is_opened_waits_for_the_next_turn),
        TEST(no_letter_of_many_senders_is_lost_or_out_of_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
