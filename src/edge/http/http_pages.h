/* What is sent as it is: the page with its files, the OpenAPI document, and /healthz. */
#pragma once

#include "base/macros.h"

#include <stdbool.h>
#include <stddef.h>

struct http_exchange;

enum {
    HTTP_PAGES_MAX = 64,
    HTTP_PAGE_PATH_SIZE = 64,
    HTTP_PAGE_ETAG_SIZE = 24,
};

struct http_page {
    char path[HTTP_PAGE_PATH_SIZE];
    const char *text; /* NULL: /healthz, which is made when it is asked for */
    size_t size;
    const char *content_type;
    char etag[HTTP_PAGE_ETAG_SIZE]; /* by what is in it */
    char *lines;                    /* of the fields that it is always answered with */
    unsigned series;                /* as http_site_series() */
};

struct http_pages {
    struct http_page *pages;
    size_t count;
    unsigned char path_sizes[HTTP_PAGES_MAX]; /* which mostly tell them apart */
};

bool http_pages_init(struct http_pages *pages) NODISCARD;
void http_pages_deinit(struct http_pages *pages);

/* The page at the path; NULL when there is none. */
const struct http_page *http_pages_find(const struct http_pages *pages, const char *path);
/* Answers the request, which is for this page. */
void http_page_answer(const struct http_page *page, struct http_exchange *exchange);
