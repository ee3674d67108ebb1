/* Memory that runs out. Allocations of ours are numbered: in the first run of a piece of work the
 * first of them fails, in the second run the second, until a run had none left to fail.
 *
 * Ours are the calls that objects of src/ make to malloc and its kin, and to an arena, which is asked
 * far more often than it asks the system. Libraries, fakes and tests always get what they ask for.
 * tests/CMakeLists.txt links every test so; no program has anything of this.
 *
 * It fails on the thread that has begun it: one at a time, which the run may have told to. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

typedef void failing_heap_run(void *context);

/* Calls run(context) once for each allocation, and once more with none failing. Each run does the same
 * work from the beginning. With the address sanitizer, a leak of any of them fails the test. */
void failing_heap_each(failing_heap_run *run, void *context);
/* The same, but from that allocation on all fail, until the run calls failing_heap_end. */
void failing_heap_from_each(failing_heap_run *run, void *context);

/* Called by the run, around the work that has to stand it: what comes before and after is neither
 * counted nor fails. */
void failing_heap_begin(void);
void failing_heap_end(void);

/* Whether an allocation of this run has failed. */
bool failing_heap_has_failed(void);

/* Allocations that are counted and fail like ours: for a library that can be given its heap. */
void *failing_heap_malloc(size_t size);
void *failing_heap_realloc(void *memory, size_t size);
