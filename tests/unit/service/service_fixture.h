/* A service over fakes, and one call after the other to it. */
#pragma once

#include "fake/fake_catalog_store.h"
#include "fake/fake_clock.h"
#include "fake/fake_order_store.h"
#include "fake/fake_random.h"
#include "fake_saga_driver.h"
#include "service/service.h"

#include "shop/v1/catalog.pb-c.h"
#include "shop/v1/orders.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Messages have `char *` where they only read. */
#define TEXT(literal) ((char *)(uintptr_t)(literal))

struct fixture {
    struct fake_clock clock;
    struct fake_random random;
    struct fake_catalog_store catalog;
    struct fake_order_store orders;
    struct saga_driver driver;
    struct service service;
    struct call call; /* the last one */
    unsigned done_count;
};

int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Products tea (2.50 EUR), cup (10 EUR) and sake (500 JPY), 10 of each, all in category "shop". */
void fixture_put_products(struct fixture *fixture);

/* Runs a method to its end with a deadline of 10 s (or what call.deadline_ms was set to before). The
 * answer is in fixture->call until the next one; it has come exactly once. */
void fixture_run(struct fixture *fixture, service_fn *method, const ProtobufCMessage *request);
/* The same, asserting that it succeeds; the reply. */
const void *fixture_reply(struct fixture *fixture, service_fn *method,
                          const ProtobufCMessage *request);
/* The same, asserting how it fails. */
void fixture_refuses(struct fixture *fixture, service_fn *method, const ProtobufCMessage *request,
                     enum reason reason);

/* Detail of the last call's error: the value of a metadata key, the description of a violation, whether
 * a resource is named; NULL when there is none. */
const char *fixture_metadata(const struct fixture *fixture, const char *key);
const char *fixture_violation(const struct fixture *fixture, const char *field);
bool fixture_names_resource(const struct fixture *fixture, const char *type, const char *name);
