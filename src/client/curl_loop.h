/* libcurl's multi interface on the loop: its sockets become events of the loop, its timer one of the loop's
 * clock. What is transferred, and what comes of it, is the owner's business.
 *
 * Belongs to its loop. */
#pragma once

#include "base/macros.h"
#include "runtime/loop.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

struct curl_loop;

/* `ended` is called for each handle that has ended by itself, never from inside curl_loop_add(); it
 * removes the handle. NULL: out of memory. */
struct curl_loop *curl_loop_new(struct loop *loop, uint32_t connections_max,
                                void (*ended)(CURL *easy, CURLcode code)) NODISCARD;
/* All handles have been removed. */
void curl_loop_free(struct curl_loop *curl_loop);

/* Starts what the handle is set to. */
bool curl_loop_add(struct curl_loop *curl_loop, CURL *easy) NODISCARD;
void curl_loop_remove(struct curl_loop *curl_loop, CURL *easy);
