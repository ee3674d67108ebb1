/* What the linker puts in place of malloc and its kin (--wrap), for objects of src/ only. */
#include "fake/failing_heap.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <setjmp.h> /* cmocka.h needs the four */

#include <cmocka.h>

#include "base/arena.h"

enum {
    RUNS_MAX = 20000 /* a run that never gets through is a bug of the test */
};

static _Thread_local struct {
    bool is_on;
    bool is_paused; /* a test or fake has asked, or an arena that was counted */
} heap;

/* Of whichever thread is on: it is handed over with the work. */
static struct {
    bool has_failed;
    unsigned left;    /* that many allocations work, then one does not */
    bool is_for_good; /* nor do those that follow */
} this_run;

/* ---- Runs ---------------------------------------------------------------------------------- */

/* Of the sanitizer's, when there is one. */
int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

static void each(failing_heap_run *run, void *context, bool is_for_good)
{
    unsigned n = 0;

    do {
        assert_true(n < RUNS_MAX);
        heap.is_on = false;
        this_run.has_failed = false;
        this_run.left = n++;
        this_run.is_for_good = is_for_good;
        run(context);
        assert_false(heap.is_on);
    } while (this_run.has_failed);
    assert_true(n > 1);
    if (__lsan_do_recoverable_leak_check != NULL)
        assert_int_equal(__lsan_do_recoverable_leak_check(), 0);
}

void failing_heap_each(failing_heap_run *run, void *context)
{
    each(run, context, false);
}

void failing_heap_from_each(failing_heap_run *run, void *context)
{
    each(run, context, true);
}

void failing_heap_begin(void)
{
    heap.is_on = true;
}

void failing_heap_end(void)
{
    heap.is_on = false;
}

bool failing_heap_has_failed(void)
{
    return this_run.has_failed;
}

static bool fails(void)
{
    if (!heap.is_on || heap.is_paused)
        return false;
    if (this_run.has_failed)
        return this_run.is_for_good;
    this_run.has_failed = this_run.left == 0;
    if (this_run.left > 0)
        this_run.left--;
    return this_run.has_failed;
}

/* ---- In place of ... ----------------------------------------------------------------------- */

/* __real_x is the x of libc or of base/arena, __wrap_x what objects of src/ are linked with, unfailing_x
 * what those of tests and fakes are compiled with. An arena asks malloc in its turn; whether it must does
 * not depend on the work, so it is not counted again. */
#define IN_PLACE_OF(type, name, parameters, arguments)      \
    type __real_##name parameters;                          \
    type unfailing_##name parameters;                       \
    type unfailing_##name parameters                        \
    {                                                       \
        bool was_paused = heap.is_paused;                   \
        type result;                                        \
                                                            \
        heap.is_paused = true;                              \
        result = __real_##name arguments;                   \
        heap.is_paused = was_paused;                        \
        return result;                                      \
    }                                                       \
    type __wrap_##name parameters;                          \
    type __wrap_##name parameters                           \
    {                                                       \
        return fails() ? NULL : unfailing_##name arguments; \
    }

IN_PLACE_OF(void *, malloc, (size_t size), (size))
IN_PLACE_OF(void *, calloc, (size_t count, size_t size), (count, size))
IN_PLACE_OF(void *, realloc, (void *memory, size_t size), (memory, size))
IN_PLACE_OF(char *, strdup, (const char *text), (text))
IN_PLACE_OF(struct arena *, arena_new, (size_t size_max), (size_max))
IN_PLACE_OF(void *, arena_alloc, (struct arena * arena, size_t size), (arena, size))
IN_PLACE_OF(void *, arena_alloc_zero, (struct arena * arena, size_t size), (arena, size))
IN_PLACE_OF(void *, arena_array, (struct arena * arena, size_t count, size_t size),
            (arena, count, size))
IN_PLACE_OF(char *, arena_strdup, (struct arena * arena, const char *text), (arena, text))
IN_PLACE_OF(char *, arena_strndup, (struct arena * arena, const char *text, size_t len),
            (arena, text, len))
IN_PLACE_OF(void *, arena_memdup, (struct arena * arena, const void *data, size_t size),
            (arena, data, size))

void *failing_heap_malloc(size_t size)
{
    return __wrap_malloc(size);
}

void *failing_heap_realloc(void *memory, size_t size)
{
    return __wrap_realloc(memory, size);
}

/* The text is printed twice, since its arguments cannot be handed on. */
PRINTF_LIKE(2, 0)
static char *print(struct arena *arena, const char *format, va_list args)
{
    va_list again;
    char *text;
    int len;

    va_copy(again, args);
    len = vsnprintf(NULL, 0, format, args);
    text = unfailing_arena_alloc(arena, (size_t)len + 1);
    if (text != NULL)
        vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return text;
}

char *__wrap_arena_printf(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);
char *__wrap_arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    char *text;

    if (fails())
        return NULL;
    va_start(args, format);
    text = print(arena, format, args);
    va_end(args);
    return text;
}

char *unfailing_arena_printf(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);
char *unfailing_arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    char *text;

    va_start(args, format);
    text = print(arena, format, args);
    va_end(args);
    return text;
}
