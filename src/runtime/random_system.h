/* Chance from the kernel, fetched in larger pieces. Belongs to one worker: not thread safe. */
#pragma once

#include "base/macros.h"
#include "port/random.h"

/* NULL when out of memory. Freed with random_system_free(); NULL does nothing. */
struct random_source *random_system_new(void) NODISCARD;
void random_system_free(struct random_source *random);
