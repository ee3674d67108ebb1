/* URL, body, libcurl. What may be asked is the server's to check. */
#include "ctl/ctl_request.h"

#include <curl/curl.h>
#include <jansson.h>
#include <string.h>

enum {
    URL_SIZE_MAX = 8 * 1024,
    CONNECT_S = 5,
    ANSWER_S = 20,
};

static void put_parameter(struct buf *url, bool *is_first, const char *name, const char *value)
{
    if (value == NULL) {
        return;
    }
    buf_put_char(url, *is_first ? '?' : '&');
    buf_put_str(url, name);
    buf_put_char(url, '=');
    buf_put_form_text(url, value);
    *is_first = false;
}

static void put_url(struct buf *url, const struct ctl_options *options)
{
    const struct ctl_command *command = options->command;
    const size_t len = strlen(options->admin);
    bool is_first = true;

    buf_put(url, options->admin, len > 0 && options->admin[len - 1] == '/' ? len - 1 : len);
    buf_put_str(url, command->path);
    if (command->verb != NULL) {
        buf_put_form_text(url, options->id);
        buf_put_str(url, command->verb);
    }
    if (strcmp(command->method, "GET") == 0) {
        put_parameter(url, &is_first, "state", options->state);
        put_parameter(url, &is_first, "older_than", options->older_than);
        put_parameter(url, &is_first, "limit", options->limit);
        put_parameter(url, &is_first, "before", options->before);
    }
}

bool ctl_request_init(struct ctl_request *request, const struct ctl_options *options)
{
    *request = (struct ctl_request){0};
    buf_init(&request->url, URL_SIZE_MAX);
    put_url(&request->url, options);
    if (strcmp(options->command->method, "POST") == 0) {
        json_t *body = json_pack("{s:s, s:s, s:s*}", "reason", options->reason, "operator",
                                 options->who, "state", options->state);
        request->body = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
        json_decref(body);
        if (request->body == NULL) {
            return false;
        }
    }
    return !request->url.failed;
}

void ctl_request_deinit(struct ctl_request *request)
{
    buf_deinit(&request->url);
    free(request->body);
}

static size_t on_answer(char *data, size_t size, size_t count, void *arg)
{
    return buf_put(arg, data, size * count) ? size * count : 0;
}

static CURLcode perform(CURL *easy, const struct ctl_request *request, struct buf *answer,
                        struct curl_slist *headers)
{
    CURLcode code = curl_easy_setopt(easy, CURLOPT_URL, request->url.data);
#define SET(option, value) code = code != CURLE_OK ? code : curl_easy_setopt(easy, option, value)
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
    SET(CURLOPT_TIMEOUT, (long)ANSWER_S);
    SET(CURLOPT_USERAGENT, "orderctl/" ORDERD_VERSION);
    SET(CURLOPT_HTTPHEADER, headers);
    SET(CURLOPT_WRITEFUNCTION, on_answer);
    SET(CURLOPT_WRITEDATA, answer);
    if (request->body != NULL) {
        SET(CURLOPT_POSTFIELDS, request->body);
    }
#undef SET
    return code != CURLE_OK ? code : curl_easy_perform(easy);
}

long ctl_request_send(const struct ctl_request *request, const struct ctl_options *options,
                      struct buf *answer, char *problem, size_t problem_size)
{
    CURL *easy = curl_easy_init();
    struct curl_slist *headers =
        request->body == NULL ? NULL : curl_slist_append(NULL, "Content-Type: application/json");
    CURLcode code = CURLE_OUT_OF_MEMORY;
    long status = 0;

    if (easy != NULL && (request->body == NULL || headers != NULL)) {
        code = perform(easy, request, answer, headers);
    }
    if (code == CURLE_OK) {
        (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    } else {
        snprintf(problem, problem_size, "%s: %s", options->admin,
                 answer->failed ? "the answer is too large" : curl_easy_strerror(code));
    }
    curl_slist_free_all(headers);
    curl_easy_cleanup(easy);
    return status;
}
