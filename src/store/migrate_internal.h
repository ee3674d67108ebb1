/* What the tests of migrate.c use beside migrate.h: other files than those of this program. */
#pragma once

#include "base/error.h"
#include "store/sql_files.h"

enum status migrate__run(const char *conninfo, const struct sql_file *files, unsigned *out_applied,
                         struct error *err) NODISCARD;
