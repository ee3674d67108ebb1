/* Makes ids. Not for secrets: they can be guessed. */
#include "sandbox/ident.h"

#include <stdio.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define IDENT_SEQ_LEN 9 /* 62^9 ids are enough for one run */

static void ident_base62(uint64_t value, char *out, size_t len)
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

    out[len] = '\0';
    while (len > 0) {
        out[--len] = digits[value % 62];
        value /= 62;
    }
}

void ident_source_init(struct ident_source *source)
{
    uint64_t seed = 0;

    if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
        seed = (uint64_t)time(NULL) * 1000003U + (uint64_t)getpid();
    ident_base62(seed, source->run, IDENT_RUN_LEN);
    source->seq = 0;
}

void ident_make(struct ident_source *source, const char *prefix, char out[IDENT_SIZE])
{
    char seq[IDENT_SEQ_LEN + 1];

    source->seq++;
    ident_base62(source->seq, seq, IDENT_SEQ_LEN);
    (void)snprintf(out, IDENT_SIZE, "%.4s%s%s", prefix, source->run, seq);
}
