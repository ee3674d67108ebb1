/* orderd-sandbox: arguments, the listening socket, signals. */
#include "sandbox/exchange.h"

#include "base/number.h"

#include <event2/event.h>
#include <event2/http.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

enum {
    EXIT_USAGE = 2,
    HEADERS_SIZE_MAX = 16 * 1024,
    BODY_SIZE_MAX = 1024 * 1024,
    BACKLOG = 1024
};

struct options {
    char host[64];
    uint16_t port;
    const char *port_file;
    const char *api_key;
    int64_t latency_ms;
    int64_t count_max;
    int64_t seed;
    char key[256]; /* of --api-key-file */
};

static const char help[] =
    "orderd-sandbox - a payment API and a shipping API, simulated, with a ledger\n\n"
    "  --listen HOST:PORT   127.0.0.1:12111; port 0 takes a free one\n"
    "  --port-file FILE     where the port in use is written\n"
    "  --api-key KEY        the bearer key of the payment API; without one any key will do\n"
    "  --api-key-file FILE  the same from the first line of a file\n"
    "  --latency DURATION   every answer takes that long (200ms)\n"
    "  --max-payments N     payments, refunds and shipments kept (2000000)\n"
    "  --seed N             of the chance in fault rules (1)\n"
    "  --help, --version\n\n"
    "Cards: pm_card_visa, pm_card_mastercard, pm_card_chargeDeclined,\n"
    "pm_card_chargeDeclinedInsufficientFunds, pm_card_authenticationRequired, ...\n"
    "Addresses in region ZZ, or for the recipient 'REJECT ME', are refused.\n\n"
    "  GET  /ledger[?order_id=ID]    POST /ledger/reset    GET /healthz\n"
    "  POST /control/latency {\"paymentMs\":200,\"shippingMs\":0}\n"
    "  POST /control/faults  {\"path\":\"confirm\",\"mode\":\"500_after\",\"count\":1}\n"
    "       (also order, match, skip, probability, delayMs; GET lists the modes, DELETE removes "
    "the rules,\n"
    "       DELETE ?match=TEXT those with it, and what they delay is answered)\n"
    "  POST /control/keys    {\"ignore\":true,\"expire\":true}\n"
    "  POST /control/ship    {\"requestId\":\"...\"}   the shipment has left\n"
    "  POST /control/settle  {\"id\":\"pi_...\",\"succeeds\":true}\n";

/* ------------------------------------------------------------------------------------- options */

static bool read_address(struct options *options, const char *text)
{
    const char *colon = strrchr(text, ':');
    int64_t port;

    if (colon == NULL || (size_t)(colon - text) >= sizeof(options->host) ||
        !number_parse(colon + 1, 0, 65535, &port))
        return false;
    (void)snprintf(options->host, sizeof(options->host), "%.*s", (int)(colon - text), text);
    options->port = (uint16_t)port;
    return true;
}

static bool read_key_file(struct options *options, const char *file)
{
    FILE *in = fopen(file, "re");
    bool ok = in != NULL && fgets(options->key, sizeof(options->key), in) != NULL;
    size_t len = strcspn(options->key, "\r\n");

    if (in != NULL)
        (void)fclose(in);
    ok = ok && len > 0 && len < sizeof(options->key) - 1; /* a longer one would be cut */
    options->key[len] = '\0';
    options->api_key = options->key;
    return ok;
}

static bool read_option(struct options *options, const char *name, const char *value)
{
    if (strcmp(name, "--listen") == 0)
        return read_address(options, value);
    if (strcmp(name, "--port-file") == 0)
        return (options->port_file = value) != NULL;
    if (strcmp(name, "--api-key") == 0)
        return *(options->api_key = value) != '\0';
    if (strcmp(name, "--api-key-file") == 0)
        return read_key_file(options, value);
    if (strcmp(name, "--latency") == 0)
        return number_parse_duration(value, &options->latency_ms) &&
               options->latency_ms <= FAULT_DELAY_MS_MAX;
    if (strcmp(name, "--max-payments") == 0)
        return number_parse(value, 1, 100000000, &options->count_max);
    if (strcmp(name, "--seed") == 0)
        return number_parse(value, INT64_MIN, INT64_MAX, &options->seed);
    return false;
}

/* -1: go on; otherwise the exit code. */
static int read_options(struct options *options, int argc, char **argv)
{
    for (int i = 1; i < argc; i += 2) {
        if (strcmp(argv[i], "--help") == 0) {
            (void)fputs(help, stdout);
            return EXIT_SUCCESS;
        }
        if (strcmp(argv[i], "--version") == 0) {
            printf("orderd-sandbox %s\n", ORDERD_VERSION);
            return EXIT_SUCCESS;
        }
        if (i + 1 >= argc || !read_option(options, argv[i], argv[i + 1])) {
            (void)fprintf(stderr,
                          "orderd-sandbox: '%s' is unknown or its value is not valid, see"
                          " --help\n",
                          argv[i]);
            return EXIT_USAGE;
        }
    }
    return -1;
}

/* ------------------------------------------------------------------------------------- serving */

static uint16_t port_of(struct evhttp_bound_socket *bound)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {.v6 = {0}};
    socklen_t size = sizeof(address);

    if (getsockname(evhttp_bound_socket_get_fd(bound), &address.any, &size) != 0)
        return 0;
    return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

/* Renamed into place: whoever sees the file sees a whole number. */
static bool write_port(const char *file, uint16_t port)
{
    char part[PATH_MAX];
    FILE *out = NULL;
    bool ok = (size_t)snprintf(part, sizeof(part), "%s.part", file) < sizeof(part);

    if (ok)
        out = fopen(part, "we");
    ok = out != NULL && fprintf(out, "%u\n", port) > 0;
    if (out != NULL && fclose(out) != 0)
        ok = false;
    ok = ok && rename(part, file) == 0;
    if (!ok)
        (void)fprintf(stderr, "orderd-sandbox: cannot write %s\n", file);
    return ok;
}

static bool announce(const struct options *options, uint16_t port)
{
    printf("orderd-sandbox listens on %s:%u\n", options->host, port);
    (void)fflush(stdout);
    if (options->port_file == NULL)
        return true;
    return write_port(options->port_file, port);
}

static void on_signal(evutil_socket_t number, short events, void *arg)
{
    (void)number;
    (void)events;
    (void)event_base_loopbreak(arg);
}

static bool serve(struct sandbox *sandbox, struct evhttp *http, const struct options *options)
{
    struct event *term = evsignal_new(sandbox->base, SIGTERM, on_signal, sandbox->base);
    struct event *interrupt = evsignal_new(sandbox->base, SIGINT, on_signal, sandbox->base);
    struct evhttp_bound_socket *bound =
        evhttp_bind_socket_with_handle(http, options->host, options->port);
    bool ok = term != NULL && interrupt != NULL && evsignal_add(term, NULL) == 0 &&
              evsignal_add(interrupt, NULL) == 0;

    if (bound == NULL)
        (void)fprintf(stderr, "orderd-sandbox: cannot listen on %s:%u\n", options->host,
                      options->port);
    else /* evhttp's own backlog is too short for many connections at once */
        (void)listen(evhttp_bound_socket_get_fd(bound), BACKLOG);
    ok = ok && bound != NULL && announce(options, port_of(bound));
    if (ok)
        (void)event_base_dispatch(sandbox->base);
    if (term != NULL)
        event_free(term);
    if (interrupt != NULL)
        event_free(interrupt);
    return ok;
}

static bool run(const struct options *options)
{
    struct sandbox sandbox = {
        .base = event_base_new(),
        .api_key = options->api_key,
        .payment_latency_ms = options->latency_ms,
        .shipping_latency_ms = options->latency_ms,
        .count_max = (size_t)options->count_max,
        .seed = (uint64_t)options->seed,
    };
    struct evhttp *http = sandbox.base != NULL ? evhttp_new(sandbox.base) : NULL;
    bool ok = http != NULL && sandbox_init(&sandbox) == 0;

    if (ok) {
        evhttp_set_max_headers_size(http, HEADERS_SIZE_MAX);
        evhttp_set_max_body_size(http, BODY_SIZE_MAX);
        evhttp_set_gencb(http, exchange_on_request, &sandbox);
        ok = serve(&sandbox, http, options);
        exchange_free_all(&sandbox);
    }
    if (http != NULL)
        evhttp_free(http);
    sandbox_deinit(&sandbox);
    if (sandbox.base != NULL)
        event_base_free(sandbox.base);
    return ok;
}

/* A caller with many orders under way has many connections; what the hard limit allows is taken. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* the old limit will do for a laptop */
    }
}

int main(int argc, char **argv)
{
    struct options options = {.host = "127.0.0.1", .port = 12111, .count_max = 2000000, .seed = 1};
    int code = read_options(&options, argc, argv);

    if (code >= 0)
        return code;
    (void)signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    return run(&options) ? EXIT_SUCCESS : EXIT_FAILURE;
}
