/* Files of the HTTP port that are compiled into the program, so that it needs none beside it.
 *
 * The tables are made by the build (orderd_embed in CMakeLists.txt); each is ended by a row whose name
 * is NULL. Not for how they are sent: that is the gateway's. */
#pragma once

struct http_static_file {
    const char *name; /* without folder */
    const char *text; /* the whole file */
};

/* edge/http/page/: "index.html" is the page at "/", every other file is at "/<name>", beside it. The
 * page has no inline code or style and asks nobody else, so it is sent with a Content-Security-Policy
 * that allows neither. */
extern const struct http_static_file http_page_files[];

/* gen/openapi.json, the document at "/openapi.json". */
extern const struct http_static_file http_openapi_files[];
