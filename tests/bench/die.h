/* The generator has no use for a run that went wrong: it says why and ends. */
#pragma once

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

__attribute__((format(printf, 1, 2), noreturn)) static inline void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(EXIT_FAILURE);
}

static inline void *need(void *memory)
{
    if (memory == NULL) {
        die("out of memory");
    }
    return memory;
}
