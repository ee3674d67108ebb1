/* OpenSSL over the heap that fails: for the few of its functions that say that they had no memory. */
#pragma once

#include "fake/failing_heap.h"

#include <openssl/crypto.h>
#include <stdlib.h>

static inline void *failing_openssl_malloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return failing_heap_malloc(size);
}

static inline void *failing_openssl_realloc(void *memory, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return failing_heap_realloc(memory, size);
}

static inline void failing_openssl_free(void *memory, const char *file, int line)
{
    (void)file;
    (void)line;
    free(memory);
}

/* Before OpenSSL is used for the first time. */
static inline bool failing_openssl_install(void)
{
    return CRYPTO_set_mem_functions(failing_openssl_malloc, failing_openssl_realloc,
                                    failing_openssl_free) == 1;
}
