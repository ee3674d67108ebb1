/* What is done to a world: its profile, the fates of its messages, and what befalls it by itself
 * (outages, sleep, jumps of clocks, restarts). */
#pragma once

#include "sim_world.h"

struct sim_profile {
    const char *name;
    uint32_t clients;
    int64_t trouble_ms;    /* how long faults happen */
    uint32_t store_faults; /* per mille of the messages */
    uint32_t call_faults;
    uint32_t crashes;                          /* per mille of the fault points passed */
    uint32_t sleeps, jumps, outages, restarts; /* weights of what befalls it; see sim_trouble */
    uint32_t stock;                            /* of each product */
    uint32_t orders_max;                       /* sagas of a worker */
    int64_t undo_ms, fulfill_ms, forward_ms;
    uint32_t calls_max;       /* of a client */
    uint32_t crowd;           /* callers that come at once for one order */
    uint32_t short_deadlines; /* per mille of the calls */
    uint32_t sides, cancels;  /* other calls of a client; per cent of them that are cancels */
    enum sim_op focus;        /* what fails most; SIM_OP_COUNT: drawn */
    const char *doom;         /* workers die most at one of the points named like this; NULL */
};

enum sim_fate_kind {
    SIM_WELL,
    SIM_SLOW,
    SIM_NOT_SENT,    /* surely not; providers: not reached */
    SIM_LOST,        /* sent, never arrives */
    SIM_ANSWER_LOST, /* does its work, and nobody is told */
    SIM_LATE,        /* arrives when the caller has given up */
    SIM_DOUBLED,     /* arrives twice */
    SIM_REFUSED,     /* store: an error of SQL. Providers: a definite no */
    SIM_FAILING, /* store: overloaded. Providers: 5xx, which may have acted, and stays under its key */
    SIM_ASKED_LATER,  /* providers: 409, "processing" */
    SIM_CONTRADICTED, /* providers: another amount */
    SIM_FATE_COUNT
};
const char *sim_fate_name(enum sim_fate_kind kind);

void sim_faults_init(struct sim_world *world);
/* The fate of a message that is sent now; its caller gives up after `patience_ms`. */
struct sim_fate sim_fate_draw(struct sim_world *world, enum sim_op op, int64_t patience_ms);
unsigned sim_profile_count(void);
