/* Negotiation (RFC 9110, 12.5). Not for what is sent then. */
#include "edge/http/http_accept.h"

#include <string.h>
#include <strings.h>

enum {
    WEIGHT_MAX = 1000
};

/* One member of a list: "text/html;level=1;q=0.5". */
struct member {
    const char *name;
    size_t name_len;
    int weight; /* thousandths */
};

static size_t trimmed(const char *text, size_t len)
{
    while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t'))
        len--;
    return len;
}

/* 0 to 1 with up to three digits; anything else counts as 0. */
static int weight_of(const char *text, size_t len)
{
    int weight, unit = WEIGHT_MAX;

    if (len == 0 || len > 5 || (text[0] != '0' && text[0] != '1') || (len > 1 && text[1] != '.'))
        return 0;
    weight = (text[0] - '0') * WEIGHT_MAX;
    for (size_t i = 2; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return 0;
        unit /= 10;
        weight += (text[i] - '0') * unit;
    }
    return weight > WEIGHT_MAX ? 0 : weight;
}

static void read_parameters(const char *text, const char *end, struct member *member)
{
    while (text < end) {
        const char *semicolon = memchr(text, ';', (size_t)(end - text));
        const char *stop = semicolon == NULL ? end : semicolon;

        while (text < stop && (*text == ' ' || *text == '\t'))
            text++;
        if (stop - text >= 2 && strncasecmp(text, "q=", 2) == 0)
            member->weight = weight_of(text + 2, trimmed(text + 2, (size_t)(stop - text) - 2));
        text = stop + 1;
    }
}

static bool next_member(const char **list, struct member *out)
{
    const char *text = *list + strspn(*list, " \t,");
    size_t len = strcspn(text, ",");
    const char *semicolon = memchr(text, ';', len);
    size_t name_len = semicolon == NULL ? len : (size_t)(semicolon - text);

    *list = text + len;
    *out = (struct member){text, trimmed(text, name_len), WEIGHT_MAX};
    if (semicolon != NULL)
        read_parameters(semicolon + 1, text + len, out);
    return len > 0;
}

static bool range_is(const struct member *range, const char *text)
{
    return range->name_len == strlen(text) && strncasecmp(range->name, text, range->name_len) == 0;
}

/* How exactly a range names a type: 0 not at all, 1 all types, 2 all of its kind, 3 this one. */
static int exactness(const struct member *range, const char *type)
{
    const char *slash = strchr(type, '/');
    size_t kind_len = slash == NULL ? 0 : (size_t)(slash - type) + 1;

    if (range_is(range, type))
        return 3;
    if (slash == NULL)
        return range_is(range, "*");
    if (range->name_len == kind_len + 1 && range->name[kind_len] == '*' &&
        strncasecmp(range->name, type, kind_len) == 0)
        return 2;
    return range_is(range, "*/*");
}

/* How much a name is wanted, by the range that names it most exactly; 0 when none does. */
static int wanted(const struct http_request *request, const char *field, const char *name,
                  int *out_exactness)
{
    int weight = 0;

    *out_exactness = 0;
    for (uint32_t i = 0; i < request->field_count; i++) {
        const char *list = request->fields[i].value;
        struct member member;

        if (!http_field_is(&request->fields[i], field))
            continue;
        while (next_member(&list, &member)) {
            int exact = exactness(&member, name);

            if (exact > *out_exactness) {
                *out_exactness = exact;
                weight = member.weight;
            }
        }
    }
    return weight;
}

int http_accept_choose(const struct http_request *request, const char *const *offered,
                       size_t offered_count)
{
    int best = HTTP_ACCEPT_NONE, best_weight = 0, best_exactness = 0;

    if (http_request_field(request, "accept", NULL) == NULL)
        return 0;
    for (size_t i = 0; i < offered_count; i++) {
        int exact;
        int weight = wanted(request, "accept", offered[i], &exact);

        if (weight > best_weight ||
            (weight > 0 && weight == best_weight && exact > best_exactness)) {
            best = (int)i;
            best_weight = weight;
            best_exactness = exact;
        }
    }
    return best;
}

bool http_accept_gzip(const struct http_request *request)
{
    int exact;

    return wanted(request, "accept-encoding", "gzip", &exact) > 0;
}

/* ---- The body --------------------------------------------------------------------------------- */

static bool is_utf8(const char *text, size_t len)
{
    return (len == 5 && strncasecmp(text, "utf-8", len) == 0) ||
           (len == 7 && strncasecmp(text, "\"utf-8\"", len) == 0);
}

/* "; charset=utf-8; x=y": JSON has no parameters, so what they say is nobody's, but for another charset. */
static bool parameters_fit(const char *text)
{
    static const char charset[] = "charset=";
    const size_t name_len = sizeof(charset) - 1;

    while (*text == ';') {
        size_t len;

        text += 1 + strspn(text + 1, " \t");
        len = strcspn(text, ";");
        if (strncasecmp(text, charset, name_len) == 0 &&
            !is_utf8(text + name_len, trimmed(text + name_len, len - name_len)))
            return false;
        text += len;
    }
    return true;
}

bool http_accept_is_json(const struct http_request *request)
{
    static const char json[] = "application/json";
    uint32_t count, coding_count;
    const char *type = http_request_field(request, "content-type", &count);
    const char *coding = http_request_field(request, "content-encoding", &coding_count);
    size_t len;

    if (count != 1 || (coding_count > 0 && strcasecmp(coding, "identity") != 0))
        return false;
    len = strcspn(type, ";");
    return trimmed(type, len) == sizeof(json) - 1 &&
           strncasecmp(type, json, sizeof(json) - 1) == 0 && parameters_fit(type + len);
}
