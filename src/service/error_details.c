/* From struct error to google.rpc.Status, within a size. Not for HTTP bodies or trailers themselves,
 * which the doors write from it.
 *
 * Fitting goes by levels: each takes more away than the one before, and the first that fits is
 * sent. A list that is cut ends with an entry that says how many more there are. */
#include "service/error_details.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "google/protobuf/duration.pb-c.h"
#include "google/rpc/error_details.pb-c.h"

#include "base/limits.h"
#include "base/text.h"

static const char TYPE_URL_PREFIX[] = "type.googleapis.com/";

enum {
    DETAIL_KINDS_MAX = 5,
    KEY_LEN_MAX = 64,
};

/* How much of an error is told. */
struct fit {
    uint32_t entry_max; /* of each list */
    size_t text_len;    /* of each text that is not a key */
    bool lists;         /* ResourceInfo, PreconditionFailure, BadRequest at all */
    bool metadata;
};
static const struct fit fits[] = {
    {UINT32_MAX, 300, true, true}, {UINT32_MAX, 120, true, true}, {40, 120, true, true},
    {25, 120, true, true},         {12, 120, true, true},         {6, 80, true, true},
    {2, 40, true, true},           {1, 30, false, true},          {0, 0, false, false},
};

/* What is being built. */
struct builder {
    const struct error *err;
    struct arena *arena;
    const struct fit *fit;
    Google__Protobuf__Any *details[DETAIL_KINDS_MAX];
    size_t detail_count;
    bool failed; /* the arena is full */
};

/* ---- Pieces -------------------------------------------------------------------------------- */

static uint32_t details_of(const struct error *err, enum error_detail_kind kind)
{
    uint32_t count = 0;

    for (const struct error_detail *detail = err->details; detail != NULL; detail = detail->next)
        count += detail->kind == kind;
    return count;
}

static const struct error_detail *next_of(const struct error_detail *detail,
                                          enum error_detail_kind kind)
{
    while (detail != NULL && detail->kind != kind)
        detail = detail->next;
    return detail;
}

/* At most `len_max` bytes of a text, "…" in the place of the rest. */
static char *text_shorten(struct builder *builder, const char *text, size_t len_max)
{
    size_t len = text == NULL ? 0 : strlen(text);
    char *copy;

    if (len <= len_max)
        copy = arena_strndup(builder->arena, text == NULL ? "" : text, len);
    else
        copy = arena_printf(builder->arena, "%.*s…", (int)text_cut(text, len_max), text);
    builder->failed |= copy == NULL;
    return copy;
}

static void builder_add(struct builder *builder, const ProtobufCMessage *message)
{
    Google__Protobuf__Any *any = ARENA_NEW(builder->arena, Google__Protobuf__Any);
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = arena_alloc(builder->arena, size);
    char *type_url =
        arena_printf(builder->arena, "%s%s", TYPE_URL_PREFIX, message->descriptor->name);

    if (any == NULL || bytes == NULL || type_url == NULL) {
        builder->failed = true;
        return;
    }
    assert(builder->detail_count < DETAIL_KINDS_MAX);
    google__protobuf__any__init(any);
    any->type_url = type_url;
    any->value =
        (ProtobufCBinaryData){.len = protobuf_c_message_pack(message, bytes), .data = bytes};
    builder->details[builder->detail_count++] = any;
}

/* A list of `count` messages of `size` bytes each and the pointers to them; NULL when the arena is
 * full. */
static void **list_new(struct builder *builder, uint32_t count, size_t size)
{
    void **pointers = arena_array(builder->arena, (size_t)count + 1, sizeof(void *));
    char *items = arena_array(builder->arena, (size_t)count + 1, size);

    if (pointers == NULL || items == NULL) {
        builder->failed = true;
        return NULL;
    }
    for (uint32_t i = 0; i < count; i++)
        pointers[i] = items + i * size;
    return pointers;
}

/* ---- The kinds of details ------------------------------------------------------------------ */

static void add_error_info(struct builder *builder)
{
    const struct error *err = builder->err;
    Google__Rpc__ErrorInfo info;
    const struct error_detail *detail = err->details;
    uint32_t count = builder->fit->metadata ? details_of(err, DETAIL_METADATA) : 0;
    char domain[] = ERROR_DOMAIN;

    google__rpc__error_info__init(&info);
    info.domain = domain;
    info.reason = text_shorten(builder, reason_name(err->reason), KEY_LEN_MAX);
    info.metadata = (Google__Rpc__ErrorInfo__MetadataEntry **)list_new(
        builder, count, sizeof(Google__Rpc__ErrorInfo__MetadataEntry));
    if (info.reason == NULL || info.metadata == NULL)
        return;
    for (; info.n_metadata < count; detail = detail->next) {
        Google__Rpc__ErrorInfo__MetadataEntry *entry = info.metadata[info.n_metadata++];
        detail = next_of(detail, DETAIL_METADATA);
        google__rpc__error_info__metadata_entry__init(entry);
        entry->key = text_shorten(builder, detail->a, KEY_LEN_MAX);
        entry->value = text_shorten(builder, detail->b, builder->fit->text_len);
    }
    if (!builder->failed)
        builder_add(builder, &info.base);
}

static int32_t retry_delay_ms(const struct error *err)
{
    return err->retry_delay_ms > 0 ? err->retry_delay_ms : ERROR_RETRY_DELAY_MS_DEFAULT;
}

static void add_retry_info(struct builder *builder)
{
    Google__Rpc__RetryInfo info;
    Google__Protobuf__Duration delay;

    if (reason_retry(builder->err->reason) != RETRY_AFTER)
        return;
    google__rpc__retry_info__init(&info);
    google__protobuf__duration__init(&delay);
    delay.seconds = retry_delay_ms(builder->err) / 1000;
    delay.nanos = retry_delay_ms(builder->err) % 1000 * 1000000;
    info.retry_delay = &delay;
    builder_add(builder, &info.base);
}

/* One ResourceInfo for all: a kind of detail stands once at most, so the first is the resource and
 * the others are listed in its description. */
static void add_resource_info(struct builder *builder)
{
    const struct error *err = builder->err;
    const struct error_detail *detail = next_of(err->details, DETAIL_RESOURCE);
    uint32_t count = details_of(err, DETAIL_RESOURCE);
    Google__Rpc__ResourceInfo info;
    const char *others = "";

    if (detail == NULL)
        return;
    google__rpc__resource_info__init(&info);
    info.resource_type = text_shorten(builder, detail->a, KEY_LEN_MAX);
    info.resource_name = text_shorten(builder, detail->b, builder->fit->text_len);
    for (uint32_t i = 1; i < count && others != NULL; i++) {
        detail = next_of(detail->next, DETAIL_RESOURCE);
        if (i > builder->fit->entry_max) {
            others = arena_printf(builder->arena, "%s, and %u more", others, count - i);
            break;
        }
        others = arena_printf(builder->arena, "%s%s%s", others, i == 1 ? "also " : ", ",
                              text_shorten(builder, detail->b, builder->fit->text_len));
    }
    builder->failed |= others == NULL;
    info.description = text_shorten(builder, others, SIZE_MAX);
    if (!builder->failed)
        builder_add(builder, &info.base);
}

static void add_precondition_failure(struct builder *builder)
{
    const struct error_detail *detail = builder->err->details;
    uint32_t total = details_of(builder->err, DETAIL_PRECONDITION);
    uint32_t count = MIN_OF(total, builder->fit->entry_max);
    Google__Rpc__PreconditionFailure failure;
    Google__Rpc__PreconditionFailure__Violation *entry;

    if (total == 0)
        return;
    google__rpc__precondition_failure__init(&failure);
    failure.violations = (Google__Rpc__PreconditionFailure__Violation **)list_new(
        builder, count + 1, sizeof(*entry));
    if (failure.violations == NULL)
        return;
    for (; failure.n_violations < count; detail = detail->next) {
        detail = next_of(detail, DETAIL_PRECONDITION);
        entry = failure.violations[failure.n_violations++];
        google__rpc__precondition_failure__violation__init(entry);
        entry->type = text_shorten(builder, detail->a, KEY_LEN_MAX);
        entry->subject = text_shorten(builder, detail->b, builder->fit->text_len);
        entry->description = text_shorten(builder, detail->c, builder->fit->text_len);
    }
    if (total > count) {
        entry = failure.violations[failure.n_violations++];
        google__rpc__precondition_failure__violation__init(entry);
        entry->description = arena_printf(builder->arena, "%u more", total - count);
        builder->failed |= entry->description == NULL;
    }
    if (!builder->failed)
        builder_add(builder, &failure.base);
}

/* The field an INVALID_ARGUMENT is about when no violation says so; "" is the whole message. */
static const char *field_of_reason(enum reason reason)
{
    static const struct {
        enum reason reason;
        const char *field;
    } rows[] = {
        {REASON_REQUEST_ID_REUSED, "request_id"},
        {REASON_PAGE_TOKEN_INVALID, "page_token"},
        {REASON_CURRENCY_MIXED, "lines"},
        {REASON_ORDER_TOTAL_ZERO, "lines"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (rows[i].reason == reason)
            return rows[i].field;
    }
    return "";
}

/* Clients look for what is wrong in one place, whatever the reason. */
static void add_bad_request_of_reason(struct builder *builder)
{
    Google__Rpc__BadRequest request;
    Google__Rpc__BadRequest__FieldViolation violation, *violations[] = {&violation};

    google__rpc__bad_request__init(&request);
    google__rpc__bad_request__field_violation__init(&violation);
    violation.field = text_shorten(builder, field_of_reason(builder->err->reason), KEY_LEN_MAX);
    violation.description = text_shorten(builder, builder->err->message, builder->fit->text_len);
    request.field_violations = violations;
    request.n_field_violations = COUNT_OF(violations);
    if (!builder->failed)
        builder_add(builder, &request.base);
}

static void add_bad_request(struct builder *builder)
{
    const struct error_detail *detail = builder->err->details;
    uint32_t stored = details_of(builder->err, DETAIL_FIELD);
    uint32_t total = MAX_OF(stored, builder->err->field_count);
    uint32_t count = MIN_OF(stored, builder->fit->entry_max);
    Google__Rpc__BadRequest request;
    Google__Rpc__BadRequest__FieldViolation *entry;

    if (total == 0) {
        if (builder->err->status == STATUS_INVALID_ARGUMENT)
            add_bad_request_of_reason(builder);
        return;
    }
    google__rpc__bad_request__init(&request);
    request.field_violations =
        (Google__Rpc__BadRequest__FieldViolation **)list_new(builder, count + 1, sizeof(*entry));
    if (request.field_violations == NULL)
        return;
    for (; request.n_field_violations < count; detail = detail->next) {
        detail = next_of(detail, DETAIL_FIELD);
        entry = request.field_violations[request.n_field_violations++];
        google__rpc__bad_request__field_violation__init(entry);
        entry->field = text_shorten(builder, detail->a, builder->fit->text_len);
        entry->description = text_shorten(builder, detail->b, builder->fit->text_len);
    }
    if (total > count) {
        entry = request.field_violations[request.n_field_violations++];
        google__rpc__bad_request__field_violation__init(entry);
        entry->description = arena_printf(builder->arena, "%u more", total - count);
        builder->failed |= entry->description == NULL;
    }
    if (!builder->failed)
        builder_add(builder, &request.base);
}

/* ---- The whole ----------------------------------------------------------------------------- */

static Google__Rpc__Status *status_build(const struct error *err, struct arena *arena,
                                         const struct fit *fit)
{
    struct builder builder = {.err = err, .arena = arena, .fit = fit};
    Google__Rpc__Status *status = ARENA_NEW(arena, Google__Rpc__Status);

    if (status == NULL)
        return NULL;
    google__rpc__status__init(status);
    status->code = (int32_t)err->status;
    status->message = text_shorten(&builder, err->message, ERROR_MESSAGE_SIZE);
    add_error_info(&builder);
    if (fit->metadata)
        add_retry_info(&builder);
    if (fit->lists) {
        add_resource_info(&builder);
        add_precondition_failure(&builder);
        add_bad_request(&builder);
    }
    status->details = arena_memdup(arena, builder.details, builder.detail_count * sizeof(void *));
    status->n_details = builder.detail_count;
    return builder.failed || status->details == NULL ? NULL : status;
}

/* The first level that fits; NULL when the arena is full or even the last one is too large. */
static Google__Rpc__Status *status_fit(const struct error *err, size_t size_max,
                                       struct arena *arena)
{
    assert(error_is_set(err));
    for (size_t i = 0; i < COUNT_OF(fits); i++) {
        Google__Rpc__Status *status = status_build(err, arena, &fits[i]);
        if (status == NULL)
            return NULL;
        if (google__rpc__status__get_packed_size(status) <= size_max)
            return status;
    }
    return NULL;
}

Google__Rpc__Status *error_to_status(const struct error *err, struct arena *arena)
{
    return status_fit(err, ERROR_STATUS_SIZE_MAX, arena);
}

size_t error_pack_status(const struct error *err, size_t size_max, struct arena *arena,
                         uint8_t **out)
{
    Google__Rpc__Status *status = status_fit(err, MIN_OF(size_max, ERROR_STATUS_SIZE_MAX), arena);
    uint8_t *bytes;

    if (status == NULL)
        return 0;
    bytes = arena_alloc(arena, google__rpc__status__get_packed_size(status));
    if (bytes == NULL)
        return 0;
    *out = bytes;
    return google__rpc__status__pack(status, bytes);
}

int32_t error_retry_pushback_ms(const struct error *err, bool *out_present)
{
    enum retry_policy policy = reason_retry(err->reason);

    *out_present = policy != RETRY_SILENT;
    return policy == RETRY_AFTER ? retry_delay_ms(err) : -1;
}
