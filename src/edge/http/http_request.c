/* Reading requests. Who makes and replies them is http_conn. */
#include "edge/http/http_request.h"

const char *http_request_field(const struct http_request *request, const char *name,
                               uint32_t *out_count)
{
    const char *first = NULL;
    uint32_t count = 0;

    for (uint32_t i = 0; i < request->field_count; i++) {
        if (!http_field_is(&request->fields[i], name))
            continue;
        if (count++ == 0)
            first = request->fields[i].value;
    }
    if (out_count != NULL)
        *out_count = count;
    return first;
}
