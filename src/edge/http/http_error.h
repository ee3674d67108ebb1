/* How an error is told over HTTP: its status, and the one shape of its body. */
#pragma once

#include "base/error.h"
#include "edge/http/http_site.h"
#include "service/error_details.h"

/* That of the reason; of most it is that of the code. `has_if_match`: an etag that does not fit came in
 * a header. */
int http_error_status(const struct error *err, bool has_if_match);

/* The body that needs no memory. */
extern const char http_error_no_memory[];

/* {"error":{"code":404,"message":"…","status":"NOT_FOUND","details":[…]}}, in the arena. Without memory
 * http_error_no_memory, and *http_status becomes the one it names. */
const char *http_error_write(const struct http_site *site, const struct error *err,
                             int *http_status, struct arena *arena, size_t *out_size);

/* The body for one that gets no connection, on the heap; NULL without memory. */
char *http_error_refusal(const struct http_site *site) NODISCARD;

/* What the connection could not read: the reason of a refusal with that status. */
enum reason http_error_reason(int refused_status);
