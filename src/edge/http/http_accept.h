/* What a client wants: media types of Accept and codings of Accept-Encoding, with their weights. */
#pragma once

#include "base/macros.h"
#include "edge/http/http_request.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    HTTP_ACCEPT_NONE = -1
};

/* Which of the media types that are offered ("application/json") is wanted most; of those wanted alike
 * the one that is named most exactly, then the first. HTTP_ACCEPT_NONE: none is wanted. */
int http_accept_choose(const struct http_request *request, const char *const *offered,
                       size_t offered_count);
bool http_accept_gzip(const struct http_request *request);
/* Whether the body is JSON in UTF-8, and not compressed. */
bool http_accept_is_json(const struct http_request *request);
