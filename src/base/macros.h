/* Compiler attributes behind names, and functions nobody may call. */
#pragma once

/* The headers that declare the forbidden functions come first: nobody may name them afterwards. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODISCARD __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_index, first_index) \
    __attribute__((format(printf, format_index, first_index)))
#define UNUSED __attribute__((unused))

/* The object whose `member` is at `pointer`. */
#define CONTAINER_OF(pointer, type, member) \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#define MIN_OF(a, b) ((a) < (b) ? (a) : (b))
#define MAX_OF(a, b) ((a) > (b) ? (a) : (b))

/* They write without a bound, parse without an error, or keep hidden state. */
#undef sprintf /* a macro in hardened builds */
#undef alloca
#pragma GCC poison strcpy strcat sprintf gets strtok atoi alloca
