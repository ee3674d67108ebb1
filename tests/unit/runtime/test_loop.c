/* Turns of the loop: letters, timers and tasks, in which order, and how it stops. What is checked is
 * order, never how long something took. */
#include "runtime/loop.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum {
    STORY_SIZE = 64
};

static struct loop *loop;
static struct clock *timing;
static char story[STORY_SIZE]; /* what happened, a letter each */

static void tell(char what)
{
    size_t len = strlen(story);

    assert_true(len < STORY_SIZE - 1);
    story[len] = what;
    story[len + 1] = '\0';
}

/* A timer or task that tells its name, and may then do something. */
struct actor {
    struct clock_timer timer;
    struct loop_task task;
    struct letter letter;
    char name;
    void (*then)(void);
};

static void act(const struct actor *actor)
{
    tell(actor->name);
    if (actor->then != NULL)
        actor->then();
}

static void on_time(struct clock_timer *timer)
{
    act(CONTAINER_OF(timer, struct actor, timer));
}

static void on_task(struct loop_task *task)
{
    act(CONTAINER_OF(task, struct actor, task));
}

static void on_letter(struct letter *letter)
{
    act(CONTAINER_OF(letter, struct actor, letter));
}

static void stop(void)
{
    loop_stop(loop);
}

static struct actor actor(char name, void (*then)(void))
{
    return (struct actor){.name = name,
                          .then = then,
                          .timer.on_time = on_time,
                          .task.run = on_task,
                          .letter.open = on_letter};
}

static int setup(void **state)
{
    story[0] = '\0';
    loop = loop_new();
    timing = loop == NULL ? NULL : loop_clock(loop);
    return loop == NULL;
}

static int teardown(void **state)
{
    loop_free(loop);
    return 0;
}

static void timers_run_in_the_order_of_their_times(void **state)
{
    struct actor a = actor('a', NULL), b = actor('b', NULL), c = actor('c', stop);

    clock_timer_start(timing, &c.timer, 30);
    clock_timer_start(timing, &a.timer, 5);
    clock_timer_start(timing, &b.timer, 15);
    assert_true(a.timer.pending);
    loop_run(loop);
    assert_string_equal(story, "abc");
    assert_false(a.timer.pending);
}

static void a_stopped_timer_does_not_run_and_a_moved_one_runs_once(void **state)
{
    struct actor a = actor('a', NULL), b = actor('b', NULL), c = actor('c', stop);

    clock_timer_start(timing, &a.timer, 1);
    clock_timer_start(timing, &b.timer, 1);
    clock_timer_start(timing, &b.timer, 10);
    clock_timer_start(timing, &c.timer, 20);
    clock_timer_stop(timing, &a.timer);
    clock_timer_stop(timing, &a.timer); /* does nothing */
    loop_run(loop);
    assert_string_equal(story, "bc");
}

static struct actor started_later;
static void start_later(void)
{
    clock_timer_start(timing, &started_later.timer, 0);
}

static void a_timer_without_delay_runs_before_the_tasks_of_its_turn(void **state)
{
    struct actor a = actor('a', start_later), t = actor('t', stop);

    started_later = actor('l', NULL);
    clock_timer_start(timing, &a.timer, 0);
    loop_post(loop, &t.task);
    loop_run(loop);
    assert_string_equal(story, "atl"); /* the last one: second round of the same turn */
}

static void a_timer_is_never_called_from_inside_start(void **state)
{
    struct actor a = actor('a', stop);

    clock_timer_start(timing, &a.timer, 0);
    assert_string_equal(story, "");
    loop_run(loop);
    assert_string_equal(story, "a");
}

static struct actor victim;
static void stop_victim(void)
{
    clock_timer_stop(timing, &victim.timer);
}

static void a_ready_timer_can_be_stopped_by_one_before_it(void **state)
{
    struct actor a = actor('a', stop_victim), z = actor('z', stop);

    victim = actor('v', NULL);
    clock_timer_start(timing, &a.timer, 0);
    clock_timer_start(timing, &victim.timer, 0);
    clock_timer_start(timing, &z.timer, 0);
    loop_run(loop);
    assert_string_equal(story, "az");
}

static struct actor restless;
static int restarts;
static void restart(void)
{
    restarts++;
    story[0] = '\0';
    clock_timer_start(timing, &restless.timer, 0);
    loop_post(loop, &restless.task);
}

static void work_that_never_ends_does_not_keep_out_letters(void **state)
{
    struct actor m = actor('m', stop);

    restarts = 0;
    restless = actor('r', restart);
    clock_timer_start(timing, &restless.timer, 0);
    mailbox_put(loop_mailbox(loop), &m.letter);
    loop_run(loop); /* returns */
    assert_true(restarts > 0);
    clock_timer_stop(timing, &restless.timer);
}

static struct actor gathered;
static void post_gathered(void)
{
    loop_post(loop, &gathered.task);
}

static void a_task_posted_many_times_in_a_turn_runs_once_at_its_end(void **state)
{
    struct actor a = actor('a', post_gathered), b = actor('b', post_gathered);

    gathered = actor('g', stop);
    mailbox_put(loop_mailbox(loop), &a.letter);
    mailbox_put(loop_mailbox(loop), &b.letter);
    loop_run(loop);
    assert_string_equal(story, "abg");
}

static void *put_from_elsewhere(void *arg)
{
    struct actor *sender = arg;

    mailbox_put(loop_mailbox(loop), &sender->letter);
    return NULL;
}

static void a_letter_from_another_thread_wakes_the_loop(void **state)
{
    struct actor a = actor('a', stop);
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, put_from_elsewhere, &a), 0);
    loop_run(loop);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_string_equal(story, "a");
}

static void *stop_from_elsewhere(void *arg UNUSED)
{
    loop_stop(loop);
    return NULL;
}

static void another_thread_can_stop_the_loop(void **state)
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, stop_from_elsewhere, NULL), 0);
    loop_run(loop);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void a_stopped_loop_can_run_again(void **state)
{
    struct actor a = actor('a', stop), b = actor('b', stop);

    clock_timer_start(timing, &a.timer, 1);
    loop_run(loop);
    clock_timer_start(timing, &b.timer, 1);
    loop_run(loop);
    assert_string_equal(story, "ab");
}

static int64_t seen_us[2];
static void see_time_twice(void)
{
    int64_t exact_us;

    seen_us[0] = clock_turn_us(timing);
    do
        exact_us = clock_exact_us(timing);
    while (exact_us <= seen_us[0]);
    seen_us[1] = clock_turn_us(timing);
    loop_stop(loop);
}

static void time_stands_still_within_a_turn_and_is_never_behind_the_timer(void **state)
{
    struct actor a = actor('a', see_time_twice);
    int64_t started_ms = clock_now_ms(timing);

    clock_timer_start(timing, &a.timer, 3);
    loop_run(loop);
    assert_int_equal(seen_us[0], seen_us[1]);
    assert_true(seen_us[0] / 1000 >= started_ms + 3);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(timers_run_in_the_order_of_their_times),
        TEST(a_stopped_timer_does_not_run_and_a_moved_one_runs_once),
        TEST(a_timer_without_delay_runs_before_the_tasks_of_its_turn),
        TEST(a_timer_is_never_called_from_inside_start),
        TEST(a_ready_timer_can_be_stopped_by_one_before_it),
        TEST(work_that_never_ends_does_not_keep_out_letters),
        TEST(a_task_posted_many_times_in_a_turn_runs_once_at_its_end),
        TEST(a_letter_from_another_thread_wakes_the_loop),
        TEST(another_thread_can_stop_the_loop),
        TEST(a_stopped_loop_can_run_again),
        TEST(time_stands_still_within_a_turn_and_is_never_behind_the_timer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
