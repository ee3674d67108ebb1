/* The statuses in use. */
#include "edge/http/http_status.h"

#include "base/macros.h"

#include <assert.h>
#include <stddef.h>

static const struct {
    int status;
    const char *text;
} texts[] = {
    {200, "200 OK"},
    {204, "204 No Content"},
    {304, "304 Not Modified"},
    {400, "400 Bad Request"},
    {401, "401 Unauthorized"},
    {403, "403 Forbidden"},
    {404, "404 Not Found"},
    {405, "405 Method Not Allowed"},
    {406, "406 Not Acceptable"},
    {409, "409 Conflict"},
    {412, "412 Precondition Failed"},
    {413, "413 Content Too Large"},
    {414, "414 URI Too Long"},
    {415, "415 Unsupported Media Type"},
    {417, "417 Expectation Failed"},
    {429, "429 Too Many Requests"},
    {431, "431 Request Header Fields Too Large"},
    {499, "499 Client Closed Request"},
    {500, "500 Internal Server Error"},
    {501, "501 Not Implemented"},
    {503, "503 Service Unavailable"},
    {504, "504 Gateway Timeout"},
};

const char *http_status_text(int status)
{
    size_t i = 0;

    while (i < COUNT_OF(texts) && texts[i].status != status)
        i++;
    assert(i < COUNT_OF(texts));
    return texts[i].text;
}
