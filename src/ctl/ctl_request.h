/* A command as a request to the admin port, and sending it. Blocking: orderctl has nothing else to do. */
#pragma once

#include "base/buf.h"
#include "ctl/ctl_options.h"

struct ctl_request {
    struct buf url;
    char *body; /* JSON, or NULL; jansson's */
};

/* False: out of memory. ctl_request_deinit in any case. */
bool ctl_request_init(struct ctl_request *request, const struct ctl_options *options) NODISCARD;
void ctl_request_deinit(struct ctl_request *request);

/* The answer's status, its body in `answer`; 0: none came, and `problem` says why. */
long ctl_request_send(const struct ctl_request *request, const struct ctl_options *options,
                      struct buf *answer, char *problem, size_t problem_size);
