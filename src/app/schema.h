/* Waits for the database's schema on a thread of its own, since libpq's migrations block: once
 * before serving, and, while the database cannot be reached, again and again beside it. */
#pragma once

#include "base/error.h"
#include "domain/page.h"
#include "runtime/loop.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct schema {
    const char *conninfo;
    bool may_migrate;
    uint8_t page_key[PAGE_KEY_SIZE];
    struct loop *loop;
    void (*ready)(struct schema *schema); /* on `loop`, once */
    struct letter letter;
    pthread_t thread;
    bool has_thread;
    atomic_bool stopping;
};

/* One try, blocking, on the calling thread: migrates if allowed and checks. */
enum status schema_try(struct schema *schema, struct error *err) NODISCARD;
/* Tries in the background until it works; then `ready` is called. */
enum status schema_start(struct schema *schema, struct error *err) NODISCARD;
void schema_stop(struct schema *schema);
