/* What is injected, as tables: the profiles of the worlds, what may become of a message, and what
 * befalls a world by itself. After calm_ms nothing of it happens. */
#include "sim_faults.h"

#include "sim_coverage.h"
#include "sim_parts.h"

#include <assert.h>
#include <string.h>

enum {
    MINUTE_MS = 60 * 1000,
    HOUR_MS = 60 * MINUTE_MS,
    LEASE_MS = 10 * 1000,
    TRY_MS = 5 * 1000,
    FIRST_OUTAGE_MS = 8 * 1000,
};

/* ---- Profiles ------------------------------------------------------------------------------- */

/* clang-format off */
#define ANY SIM_OP_COUNT
static const struct sim_profile profiles[] = {
    /*                                 per mille           weights of what befalls it            saga.md "Time"                             a client's calls       other  of them
     *                      trouble    store call crash    sleep        outage       sagas a     undone,   shipped,        charged                crowd           calls  cancels
     *  name       clients  ms         faults     points   jump  restart      stock  worker      within ms                             calls      short deadlines               focus  doom */
    { "calm",      40,      20 * 1000,   5,   5,  0,       0, 0, 0,  1,       400,   1000,       HOUR_MS,  15 * MINUTE_MS, MINUTE_MS,  4,    0,   50,            4,   14,      ANY,          NULL },
    { "stormy",    30,      45 * 1000, 150, 250,  2,       0, 0, 4,  1,       120,   1000,       HOUR_MS,  15 * MINUTE_MS, MINUTE_MS,  6,    0,   80,            4,   14,      ANY,          NULL },
    { "crashes",   30,      45 * 1000,  60, 100, 30,       0, 0, 1,  2,       120,   1000,       HOUR_MS,  15 * MINUTE_MS, MINUTE_MS,  6,    0,   50,            4,   14,      ANY,          NULL },
    { "sleepers",  30,      60 * 1000,  60, 120,  3,       6, 0, 1,  1,       120,   1000,       HOUR_MS,  15 * MINUTE_MS, MINUTE_MS,  6,    0,   50,            4,   14,      ANY,          NULL },
    { "jumps",     24,      60 * 1000,  60, 120,  5,       3, 4, 1,  1,       120,   1000,       HOUR_MS,  15 * MINUTE_MS, MINUTE_MS,  6,    0,   50,            4,   14,      ANY,          NULL },
    { "outages",   24,      90 * 1000,  60, 100,  3,       0, 0, 10, 1,       120,   1000,       HOUR_MS,  20 * 1000,      15 * 1000,  6,    0,   50,            4,   14,      ANY,          NULL },
    { "scarce",    40,      30 * 1000,  60,  80,  6,       1, 0, 1,  1,        30,   1000,       HOUR_MS,  15 * MINUTE_MS, MINUTE_MS,  6,    0,   50,            4,   14,      ANY,          NULL },
    { "stuck",     30,      60 * 1000,  60, 350,  4,       0, 0, 8,  1,       120,   1000,       6 * 1000, 4 * 1000,       15 * 1000,  6,    0,   50,            3,   30,      SIM_SHIP,     "stuck" },
    { "undone",    30,      40 * 1000,  40, 150,  2,       0, 0, 1,  1,       120,   1000,       HOUR_MS,  4 * 1000,       MINUTE_MS,  6,    0,   50,            4,   40,      SIM_SHIP,     "recall" },
    { "cancelled", 40,      30 * 1000,  40, 200,  2,       0, 0, 1,  1,       160,   1000,       HOUR_MS,  6 * 1000,       MINUTE_MS,  3,    0,   20,            6,   70,      SIM_SHIP,     "cancelled" },
    { "refunds",   30,      40 * 1000,  40, 150,  2,       0, 0, 1,  1,       120,   1000,       HOUR_MS,  2 * 1000,       MINUTE_MS,  4,    0,   20,            4,   50,      SIM_RECALL,   "refund" },
    { "restarts",  30,      40 * 1000,  60, 300,  2,       0, 0, 1, 30,       120,   1000,       HOUR_MS,  15 * MINUTE_MS, MINUTE_MS,  3,    0,   50,            2,   14,      ANY,          "give_back" },
    { "full",      30,      30 * 1000,  60, 100,  6,       0, 0, 2,  3,       120,      3,       HOUR_MS,  15 * MINUTE_MS, MINUTE_MS,  6,    0,   80,            4,   14,      ANY,          NULL },
    { "crowd",      6,      30 * 1000,  20, 100,  0,       0, 0, 2,  1,       120,   1000,       HOUR_MS,  15 * MINUTE_MS, MINUTE_MS,  4,  125,   20,            3,    0,      ANY,          NULL },
    { "patient",   12,     120 * 1000,  20,  40,  2,       0, 0, 1,  1,       120,   1000,       HOUR_MS,  15 * MINUTE_MS, MINUTE_MS, 60,    0,   10,            4,   10,      ANY,          NULL },
};
#undef ANY
/* clang-format on */

unsigned sim_profile_count(void)
{
    return COUNT_OF(profiles);
}

static const char *const fate_names[SIM_FATE_COUNT] = {
    [SIM_WELL] = "well",
    [SIM_SLOW] = "slow",
    [SIM_NOT_SENT] = "not sent",
    [SIM_LOST] = "lost",
    [SIM_ANSWER_LOST] = "answer lost",
    [SIM_LATE] = "late",
    [SIM_DOUBLED] = "doubled",
    [SIM_REFUSED] = "refused",
    [SIM_FAILING] = "failing",
    [SIM_ASKED_LATER] = "in progress",
    [SIM_CONTRADICTED] = "contradicted",
};

const char *sim_fate_name(enum sim_fate_kind kind)
{
    assert(kind < SIM_FATE_COUNT);
    return fate_names[kind];
}

/* ---- Fates ---------------------------------------------------------------------------------- */

/* Errors of SQL, of every class that a statement of ours can meet. */
static const char *const sqlstates[] = {
    "08006", "08P01", "21000", "22003", "22021", "22P02", "23502", "23505", "23514", "25006",
    "25P03", "26000", "28000", "3D000", "40001", "40P01", "42501", "42703", "53100", "53200",
    "53300", "54001", "55P03", "57014", "57P01", "57P02", "57P03", "58030", "P0001", "XX000",
};

/* Which fates an operation may have; a kind named twice is drawn twice as often. */
static const enum sim_fate_kind store_fates[] = {
    SIM_SLOW, SIM_NOT_SENT, SIM_LOST,    SIM_ANSWER_LOST, SIM_ANSWER_LOST,
    SIM_LATE, SIM_DOUBLED,  SIM_DOUBLED, SIM_REFUSED,     SIM_FAILING,
};
static const enum sim_fate_kind forward_fates[] = {
    SIM_SLOW,    SIM_NOT_SENT, SIM_LOST,        SIM_ANSWER_LOST,  SIM_ANSWER_LOST,
    SIM_LATE,    SIM_LATE,     SIM_DOUBLED,     SIM_DOUBLED,      SIM_REFUSED,
    SIM_FAILING, SIM_FAILING,  SIM_ASKED_LATER, SIM_CONTRADICTED,
};
static const enum sim_fate_kind undo_fates[] = {
    SIM_SLOW, SIM_NOT_SENT, SIM_LOST,    SIM_ANSWER_LOST, SIM_ANSWER_LOST, SIM_LATE,
    SIM_LATE, SIM_DOUBLED,  SIM_DOUBLED, SIM_FAILING,     SIM_FAILING,     SIM_ASKED_LATER,
};

static enum sim_fate_kind draw_kind(struct sim_world *world, enum sim_op op)
{
    switch (op) {
    case SIM_OPEN:
    case SIM_CONFIRM:
    case SIM_LOOK:
    case SIM_SHIP:
    case SIM_RESERVE:
        return forward_fates[sim_below(world, COUNT_OF(forward_fates))];
    case SIM_CANCEL:
    case SIM_REFUND:
    case SIM_LOOK_REFUNDS:
    case SIM_RECALL:
    case SIM_RELEASE:
        return undo_fates[sim_below(world, COUNT_OF(undo_fates))];
    case SIM_CREATE:
    case SIM_GET:
    case SIM_WISH:
    case SIM_CLAIM:
    case SIM_ADVANCE:
    case SIM_RENEW:
    case SIM_TAKE_DUE:
    case SIM_GIVE_BACK:
    case SIM_OP_COUNT:
        break;
    }
    return store_fates[sim_below(world, COUNT_OF(store_fates))];
}

static enum sim_fate_kind fate_kind(struct sim_world *world, enum sim_op op)
{
    bool is_store = sim_op_is_store(op);
    uint32_t faults = is_store ? world->profile->store_faults : world->profile->call_faults;

    if (sim_is_calm(world))
        return SIM_WELL;
    if (is_store && world->db.down_until_ms > world->now_ms)
        return sim_chance(world, 800) ? SIM_NOT_SENT : SIM_ANSWER_LOST;
    if (world->provider_down_until_ms[op] > world->now_ms)
        return world->provider_down_is_unknown[op] ? SIM_LOST : SIM_NOT_SENT;
    if (op == world->focus)
        faults = MIN_OF(4 * faults, 700);
    return sim_chance(world, faults) ? draw_kind(world, op) : SIM_WELL;
}

/* Whether the failure was noticed at once, or only when patience was at its end. */
static int64_t failed_after(struct sim_world *world, int64_t patience_ms)
{
    return sim_chance(world, 600) ? sim_between(world, 1, MIN_OF(patience_ms, 50)) : patience_ms;
}

static void draw_times(struct sim_world *world, struct sim_fate *fate, int64_t patience_ms)
{
    int64_t there_ms = sim_between(world, 1, 20);

    fate->arrive_ms = there_ms;
    fate->answer_ms = there_ms + sim_between(world, 1, 20);
    switch ((enum sim_fate_kind)fate->kind) {
    case SIM_SLOW:
        fate->answer_ms = patience_ms + 1 - sim_between(world, 0, MIN_OF(patience_ms - 1, 20));
        fate->arrive_ms = sim_between(world, 0, fate->answer_ms - 1);
        break;
    case SIM_NOT_SENT:
        fate->arrive_ms = -1;
        fate->answer_ms = sim_chance(world, 700) ? 1 : MIN_OF(patience_ms, 2000);
        break;
    case SIM_LOST:
        fate->arrive_ms = -1;
        fate->answer_ms = failed_after(world, patience_ms);
        break;
    case SIM_ANSWER_LOST:
        fate->answer_ms = there_ms + failed_after(world, patience_ms);
        break;
    case SIM_LATE:
        fate->answer_ms = failed_after(world, patience_ms);
        fate->arrive_ms =
            fate->answer_ms + sim_between(world, 1, sim_chance(world, 500) ? 500 : 40000);
        break;
    case SIM_DOUBLED:
        fate->again_ms = there_ms + sim_between(world, 0, sim_chance(world, 500) ? 10 : 30000);
        break;
    case SIM_WELL:
    case SIM_REFUSED:
    case SIM_FAILING:
    case SIM_ASKED_LATER:
    case SIM_CONTRADICTED:
    case SIM_FATE_COUNT:
        break;
    }
}

/* Whatever is late or lost has come, or is given up, when the world is calm. */
static void end_by_calm(const struct sim_world *world, struct sim_fate *fate)
{
    int64_t left_ms = world->calm_ms - world->now_ms;

    if (left_ms <= 0)
        return;
    fate->arrive_ms = MIN_OF(fate->arrive_ms, left_ms);
    fate->again_ms = MIN_OF(fate->again_ms, left_ms);
    if (fate->kind != SIM_WELL)
        fate->answer_ms = MIN_OF(fate->answer_ms, left_ms + 1);
}

struct sim_fate sim_fate_draw(struct sim_world *world, enum sim_op op, int64_t patience_ms)
{
    struct sim_fate fate = {.again_ms = -1};

    patience_ms = MAX_OF(patience_ms, 1);
    fate.kind = (int)fate_kind(world, op);
    draw_times(world, &fate, patience_ms);
    /* A store that has lost the connection sends the same once more and tells how that went. */
    if (fate.kind == SIM_DOUBLED && sim_op_is_store(op)) {
        fate.again_ms = MIN_OF(fate.again_ms, patience_ms - 1);
        fate.answer_ms = MAX_OF(fate.again_ms + 1, fate.answer_ms);
    }
    if (fate.kind == SIM_REFUSED && sim_op_is_store(op)) {
        fate.sqlstate = sqlstates[sim_below(world, COUNT_OF(sqlstates))];
        sim_cover_sqlstate(world->coverage, op, fate.sqlstate);
    }
    end_by_calm(world, &fate);
    fate.crash_when_acted = sim_dies_at(world, sim_op_name(op), ".acted");
    world->coverage->fates[op][fate.kind]++;
    return fate;
}

/* ---- What befalls the world ----------------------------------------------------------------- */

static int64_t until_calm_ms(const struct sim_world *world, int64_t ms)
{
    return MIN_OF(ms, MAX_OF(world->calm_ms - world->now_ms, 0));
}

static void befall_sleep(struct sim_world *world)
{
    struct sim_worker *worker = &world->workers[sim_below(world, SIM_WORKERS)];
    int64_t ms = sim_between(world, 100, sim_chance(world, 500) ? 2000 : 40000);

    sim_worker_sleep(worker, until_calm_ms(world, ms), sim_chance(world, 500));
}

static void befall_jump(struct sim_world *world)
{
    int64_t ms = sim_between(world, -3000, 3000);

    if (sim_chance(world, 100))
        ms = sim_between(world, 5000, 2 * (int64_t)HOUR_MS);
    world->db.offset_ms += ms;
    world->last_time_jump_ms += ms < 0 ? -ms : 0;
    sim_tell(world, "the clock of the database jumps by %lld ms", (long long)ms);
}

static const enum sim_op providers[][3] = {
    {SIM_OPEN, SIM_CONFIRM, SIM_LOOK},
    {SIM_CANCEL, SIM_REFUND, SIM_LOOK_REFUNDS},
    {SIM_SHIP, SIM_SHIP, SIM_SHIP},
    {SIM_RECALL, SIM_RECALL, SIM_RECALL},
    {SIM_RESERVE, SIM_RESERVE, SIM_RESERVE},
    {SIM_RELEASE, SIM_RELEASE, SIM_RELEASE},
    {SIM_CONFIRM, SIM_CONFIRM, SIM_CONFIRM},
    {SIM_OPEN, SIM_OPEN, SIM_OPEN},
    {SIM_REFUND, SIM_LOOK_REFUNDS, SIM_REFUND},
};

static void befall_outage(struct sim_world *world)
{
    int64_t ms = sim_between(world, 100, sim_chance(world, 500) ? 3000 : 50000);
    const enum sim_op *ops = providers[sim_below(world, COUNT_OF(providers))];
    bool is_unknown = sim_chance(world, 500);

    if (sim_chance(world, 200)) {
        world->db.down_until_ms = world->now_ms + until_calm_ms(world, MIN_OF(ms, 15000));
        sim_tell(world, "the database is away");
        return;
    }
    if (sim_chance(world, 150)) {
        world->breaker_until_ms = world->now_ms + MIN_OF(ms, 3000);
        sim_tell(world, "the breaker of fulfillment is open");
        return;
    }
    for (unsigned i = 0; i < 3; i++) {
        world->provider_down_until_ms[ops[i]] = world->now_ms + ms;
        world->provider_down_is_unknown[ops[i]] = is_unknown;
    }
    sim_tell(world, "%s is away for %lld ms", sim_op_name(ops[0]), (long long)ms);
}

static void befall_restart(struct sim_world *world)
{
    sim_worker_drain(&world->workers[sim_below(world, SIM_WORKERS)]);
}

/* Rare things nobody expects: a product is deleted, an order's commits are refused for certain, a
 * payment is cancelled by somebody else. */
static void befall_oddity(struct sim_world *world)
{
    struct sim_db *db = &world->db;

    if (db->order_count == 0)
        return;
    if (sim_chance(world, 300)) {
        db->orders[sim_below(world, db->order_count)]->advance_refusals = 3 + sim_below(world, 9);
    } else if (sim_chance(world, 150)) {
        db->products[sim_below(world, SIM_PRODUCTS)].is_deleted = true;
        sim_tell(world, "a product is deleted");
    } else if (sim_chance(world, 200) && world->books.payment_count > 0) {
        struct sim_payment_row *row =
            &world->books.payments[sim_below(world, world->books.payment_count)];

        if (row->status == PAYMENT_STATUS_OPEN)
            row->status = PAYMENT_STATUS_CANCELLED;
    }
}

static void on_trouble(struct clock_timer *timer)
{
    struct sim_world *world = CONTAINER_OF(timer, struct sim_world, trouble);
    const struct sim_profile *profile = world->profile;
    const uint32_t weights[] = {profile->sleeps, profile->jumps, profile->outages,
                                profile->restarts, 3};
    void (*const befall[])(struct sim_world *) = {befall_sleep, befall_jump, befall_outage,
                                                  befall_restart, befall_oddity};
    uint32_t total = 0, drawn;
    unsigned i = 0;

    if (sim_is_calm(world))
        return;
    for (unsigned w = 0; w < COUNT_OF(weights); w++)
        total += weights[w];
    drawn = sim_below(world, total);
    while (drawn >= weights[i])
        drawn -= weights[i++];
    befall[i](world);
    sim_at(world, timer, until_calm_ms(world, sim_between(world, 200, 5000)));
}

void sim_faults_init(struct sim_world *world)
{
    const struct sim_profile *profile = &profiles[world->seed % COUNT_OF(profiles)];

    world->profile = profile;
    world->calm_ms = world->now_ms + profile->trouble_ms;
    world->is_remote = sim_chance(world, 500);
    world->is_clock_true = profile->sleeps == 0 && profile->jumps == 0;
    world->honours_keys = sim_chance(world, 650);
    world->keys_expire = sim_chance(world, 200);
    world->focus = (enum sim_op)sim_below(world, SIM_OP_COUNT);
    if (profile->focus != SIM_OP_COUNT && sim_chance(world, 600))
        world->focus = profile->focus;
    if (profile->doom != NULL)
        world->doom = sim_point_like(profile->doom, sim_below(world, UINT16_MAX));
    world->config = (struct saga_config){
        .try_timeout_ms = TRY_MS,
        .lease_ms = LEASE_MS,
        .forward_ms = profile->forward_ms,
        .fulfill_ms = profile->fulfill_ms,
        .undo_ms = profile->undo_ms,
        .orders_max = profile->orders_max,
    };
    if (profile->cancels > 60) /* so that wishes meet reservations that were never tried */
        world->provider_down_until_ms[SIM_RESERVE] = world->now_ms + FIRST_OUTAGE_MS;
    if (profile->crowd > 0) { /* what they wait for takes its time */
        world->provider_down_until_ms[SIM_CONFIRM] = world->now_ms + 2 * FIRST_OUTAGE_MS;
        world->provider_down_is_unknown[SIM_CONFIRM] = true;
    }
    world->trouble.on_time = on_trouble;
    sim_at(world, &world->trouble, sim_between(world, 100, 5000));
}
