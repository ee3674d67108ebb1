/* The schema, made or waited for. Not here: the migrations themselves (store/migrate). */
#include "app/schema.h"

#include "observe/log.h"
#include "store/migrate.h"

#include <string.h>
#include <time.h>

enum {
    WAIT_MS_MIN = 200,
    WAIT_MS_MAX = 5000,
    NAP_MS = 50
};

enum status schema_try(struct schema *schema, struct error *err)
{
    unsigned applied = 0;
    if (schema->may_migrate && migrate_run(schema->conninfo, &applied, err)) {
        return err->status;
    }
    if (applied > 0) {
        log_write(LOG_INFO, "applied %u migrations", applied);
    }
    return migrate_check(schema->conninfo, schema->page_key, err);
}

static void on_ready(struct letter *letter)
{
    struct schema *schema = CONTAINER_OF(letter, struct schema, letter);
    schema->ready(schema);
}

/* In naps, so that stopping does not wait for it. */
static void schema_sleep(struct schema *schema, int wait_ms)
{
    const struct timespec nap = {.tv_nsec = NAP_MS * 1000000L};
    for (int slept_ms = 0; slept_ms < wait_ms && !atomic_load(&schema->stopping);
         slept_ms += NAP_MS) {
        nanosleep(&nap, NULL);
    }
}

static void *schema_thread(void *arg)
{
    struct schema *schema = arg;
    char last[ERROR_MESSAGE_SIZE] = "";
    for (int wait_ms = WAIT_MS_MIN; !atomic_load(&schema->stopping);
         wait_ms = MIN_OF(wait_ms * 2, WAIT_MS_MAX)) {
        struct error err = {0};
        schema_sleep(schema, wait_ms);
        if (schema_try(schema, &err) == STATUS_OK) {
            schema->letter.open = on_ready;
            mailbox_put(loop_mailbox(schema->loop), &schema->letter);
            return NULL;
        }
        if (strcmp(last, err.message) != 0) { /* the same trouble is told once */
            log_write(LOG_WARN, "waiting for the database: %s", err.message);
            memcpy(last, err.message, sizeof(last));
        }
    }
    return NULL;
}

enum status schema_start(struct schema *schema, struct error *err)
{
    int problem = pthread_create(&schema->thread, NULL, schema_thread, schema);
    if (problem != 0) {
        return error_setf(err, REASON_INTERNAL, "no thread for the schema: %s", strerror(problem));
    }
    schema->has_thread = true;
    return STATUS_OK;
}

void schema_stop(struct schema *schema)
{
    if (schema->has_thread) {
        atomic_store(&schema->stopping, true);
        pthread_join(schema->thread, NULL);
        schema->has_thread = false;
    }
}
