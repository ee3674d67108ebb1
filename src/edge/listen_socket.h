/* A listening TCP socket from a setting such as "0.0.0.0:50051", "[::]:0" or "localhost:50051". */
#pragma once

#include "base/error.h"

#include <stdint.h>

/* Opens, binds and listens; the socket is non-blocking and closed on exec. Resolves names, so it may
 * block: for the start of the program only. On failure the error names `setting` and address in
 * words: "GRPC_ADDR 127.0.0.1:50051: address already in use". *out_port is the port in use. */
enum status listen_socket_open(const char *setting, const char *address, int *out_fd,
                               uint16_t *out_port, struct error *err) NODISCARD;
