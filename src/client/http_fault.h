/* Fault points inside an HTTP exchange, where nothing but the client itself is at work: for test
 * builds (base/fault_point.h). Loop of the transfer. */
#pragma once

#ifdef FAULT_POINTS
#include "client/http_client.h"

/* To be called when the connection, from this port of ours, is there, and nothing was sent yet. When
 * the point "<name>.middle" is the chosen one, half of the request is sent before the process ends. */
void http_fault_middle(int own_port, const struct http_exchange *exchange);
/* A header function: "<name>.acted" when the first byte of the answer has come, and nothing of it was
 * looked at. The argument is the exchange. */
size_t http_fault_on_header(char *data, size_t unit, size_t count, void *exchange);
#endif
