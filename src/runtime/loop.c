/* The loop: turns of "wait, then everything that is ready, then what was put off to the end".
 *
 *   wait ──> events and letters ──> ready timers ──> tasks ──┐
 *    ^                                  ^     └── more of either, at most ROUNDS_MAX times
 *    └──────────────────────────────────┴────────────────────┘
 *
 * Timers stand in a heap of their own and libevent knows only the earliest, so that starting and
 * stopping one is cheap; a timer without delay goes straight to the ready list. The clock is read
 * once a turn, after the wake-up. */
#include "runtime/loop.h"

#include <assert.h>
#include <event2/event.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "runtime/mailbox_internal.h"
#include "runtime/timer_heap.h"

/* Timers and tasks that keep starting each other may hold up the descriptors this long at most. */
enum {
    ROUNDS_MAX = 16
};

/* Slots of clock_timer.adapter while the timer is on the ready list; SLOT_DUE is timer_heap's. */
enum {
    SLOT_NEXT,
    SLOT_PREVIOUS,
    SLOT_UNUSED,
    SLOT_DUE
};
#define DUE_NOW ((void *)(intptr_t)-1)

struct ready_list {
    struct clock_timer *first, *last;
};

struct loop {
    struct event_base *base;
    struct event *mail_event;
    struct event *timer_event;
    struct mailbox mailbox;
    struct clock clock;
    struct timer_heap timers;
    struct ready_list ready;
    struct loop_task *task_first, **task_end;
    int64_t armed_ms; /* what timer_event is set for; -1: not set */
    int64_t turn_us;  /* when this turn began; -1: not read yet */
    bool running;     /* outside of loop_run() there are no turns, and time is read every time */
    atomic_bool stop;
};

/* ---- The clock --------------------------------------------------------------------------- */

static struct loop *loop_of(struct clock *clock)
{
    return CONTAINER_OF(clock, struct loop, clock);
}

static int64_t on_exact_us(struct clock *clock UNUSED)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t on_turn_us(struct clock *clock)
{
    struct loop *loop = loop_of(clock);

    if (loop->turn_us < 0 || !loop->running)
        loop->turn_us = on_exact_us(clock);
    return loop->turn_us;
}

static int64_t on_unix_us(struct clock *clock UNUSED)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void ready_append(struct ready_list *ready, struct clock_timer *timer)
{
    timer->adapter[SLOT_NEXT] = NULL;
    timer->adapter[SLOT_PREVIOUS] = ready->last;
    timer->adapter[SLOT_DUE] = DUE_NOW;
    if (ready->last == NULL)
        ready->first = timer;
    else
        ready->last->adapter[SLOT_NEXT] = timer;
    ready->last = timer;
}

static void ready_remove(struct ready_list *ready, struct clock_timer *timer)
{
    struct clock_timer *next = timer->adapter[SLOT_NEXT];
    struct clock_timer *previous = timer->adapter[SLOT_PREVIOUS];

    if (previous == NULL)
        ready->first = next;
    else
        previous->adapter[SLOT_NEXT] = next;
    if (next == NULL)
        ready->last = previous;
    else
        next->adapter[SLOT_PREVIOUS] = previous;
}

static void on_timer_stop(struct clock *clock, struct clock_timer *timer)
{
    struct loop *loop = loop_of(clock);

    if (!timer->pending)
        return;
    timer->pending = false;
    if (timer->adapter[SLOT_DUE] == DUE_NOW)
        ready_remove(&loop->ready, timer);
    else
        timer_heap_remove(&loop->timers, timer);
}

static void on_timer_start(struct clock *clock, struct clock_timer *timer, int64_t delay_ms)
{
    struct loop *loop = loop_of(clock);

    assert(timer->on_time != NULL);
    on_timer_stop(clock, timer);
    timer->pending = true;
    if (delay_ms <= 0)
        ready_append(&loop->ready, timer);
    else
        timer_heap_push(&loop->timers, timer, clock_now_ms(clock) + delay_ms);
}

static const struct clock_ops loop_clock_ops = {
    .turn_us = on_turn_us,
    .exact_us = on_exact_us,
    .unix_us = on_unix_us,
    .timer_start = on_timer_start,
    .timer_stop = on_timer_stop,
};

/* ---- What libevent calls ----------------------------------------------------------------- */

static void on_mail(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
    struct loop *loop = arg;

    mailbox_open_all(&loop->mailbox);
}

/* All due timers are made ready first and called later, so that one of them may still stop another
 * or start itself again. */
static void on_timer_event(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
    struct loop *loop = arg;
    int64_t now_ms = clock_now_ms(&loop->clock);
    struct clock_timer *timer;

    loop->armed_ms = -1;
    while ((timer = timer_heap_first(&loop->timers)) != NULL &&
           timer_heap_due_ms(timer) <= now_ms) {
        timer_heap_remove(&loop->timers, timer);
        ready_append(&loop->ready, timer);
    }
}

/* ---- Life cycle -------------------------------------------------------------------------- */

/* No locks: other threads reach a loop through its mailbox only. */
static struct event_base *base_new(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base = NULL;

    if (config != NULL && event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK) == 0)
        base = event_base_new_with_config(config);
    if (config != NULL)
        event_config_free(config);
    return base;
}

static bool loop_init(struct loop *loop)
{
    if (!mailbox_init(&loop->mailbox))
        return false;
    loop->base = base_new();
    if (loop->base == NULL)
        return false;
    loop->timer_event = evtimer_new(loop->base, on_timer_event, loop);
    loop->mail_event =
        event_new(loop->base, loop->mailbox.wake_fd, EV_READ | EV_PERSIST, on_mail, loop);
    return loop->timer_event != NULL && loop->mail_event != NULL &&
           event_add(loop->mail_event, NULL) == 0;
}

struct loop *loop_new(void)
{
    struct loop *loop = calloc(1, sizeof(*loop));

    if (loop == NULL)
        return NULL;
    loop->clock.ops = &loop_clock_ops;
    loop->task_end = &loop->task_first;
    loop->armed_ms = -1;
    loop->turn_us = -1;
    loop->mailbox.wake_fd = -1;
    atomic_init(&loop->stop, false);
    if (!loop_init(loop)) {
        loop_free(loop);
        return NULL;
    }
    return loop;
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    if (loop->mail_event != NULL)
        event_free(loop->mail_event);
    if (loop->timer_event != NULL)
        event_free(loop->timer_event);
    if (loop->base != NULL)
        event_base_free(loop->base);
    mailbox_deinit(&loop->mailbox);
    free(loop);
}

struct event_base *loop_base(struct loop *loop)
{
    return loop->base;
}

struct mailbox *loop_mailbox(struct loop *loop)
{
    return &loop->mailbox;
}

struct clock *loop_clock(struct loop *loop)
{
    return &loop->clock;
}

/* ---- Turns ------------------------------------------------------------------------------- */

void loop_post(struct loop *loop, struct loop_task *task)
{
    assert(task->run != NULL);
    if (task->pending)
        return;
    task->pending = true;
    task->next = NULL;
    *loop->task_end = task;
    loop->task_end = &task->next;
}

/* Those that are on the list now; what they start is for the next round. */
static void run_ready(struct loop *loop)
{
    struct clock_timer *last = loop->ready.last;
    struct clock_timer marker = {.on_time = NULL};

    if (last == NULL)
        return;
    ready_append(&loop->ready, &marker); /* `last` itself might be stopped meanwhile */
    while (loop->ready.first != &marker) {
        struct clock_timer *timer = loop->ready.first;

        ready_remove(&loop->ready, timer);
        timer->pending = false;
        timer->on_time(timer);
    }
    ready_remove(&loop->ready, &marker);
}

static void run_tasks(struct loop *loop)
{
    struct loop_task *task = loop->task_first;

    loop->task_first = NULL;
    loop->task_end = &loop->task_first;
    while (task != NULL) {
        struct loop_task *next = task->next;

        task->pending = false;
        task->run(task);
        task = next;
    }
}

static bool has_work(const struct loop *loop)
{
    return loop->ready.first != NULL || loop->task_first != NULL;
}

/* Tells libevent when to wake up for the earliest timer. An event set for an earlier time than
 * needed may stand: it finds nothing due. */
static void arm(struct loop *loop)
{
    struct clock_timer *first = timer_heap_first(&loop->timers);
    int64_t due_ms, delay_ms;
    struct timeval delay;
    int result;

    if (first == NULL)
        return;
    due_ms = timer_heap_due_ms(first);
    if (loop->armed_ms >= 0 && loop->armed_ms <= due_ms)
        return;
    delay_ms = MAX_OF(due_ms - clock_now_ms(&loop->clock), 0);
    delay.tv_sec = (time_t)(delay_ms / 1000);
    delay.tv_usec = (suseconds_t)(delay_ms % 1000 * 1000);
    result = evtimer_add(loop->timer_event, &delay);
    assert(result == 0);
    loop->armed_ms = due_ms;
}

static void turn(struct loop *loop)
{
    int flags = EVLOOP_ONCE | (has_work(loop) ? EVLOOP_NONBLOCK : 0);
    int result;

    loop->turn_us = -1; /* this turn may have taken long */
    arm(loop);
    loop->turn_us = -1; /* read again by whoever asks first after the wake-up */
    result = event_base_loop(loop->base, flags);
    assert(result >= 0);
    for (int round = 0; round < ROUNDS_MAX && has_work(loop); round++) {
        run_ready(loop);
        run_tasks(loop);
    }
}

void loop_run(struct loop *loop)
{
    loop->running = true;
    while (!atomic_exchange_explicit(&loop->stop, false, memory_order_acquire))
        turn(loop);
    loop->running = false;
}

void loop_stop(struct loop *loop)
{
    atomic_store_explicit(&loop->stop, true, memory_order_release);
    mailbox__wake(&loop->mailbox);
}
