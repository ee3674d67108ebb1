/* The migrations of store/sql/, compiled into the program, so that it needs no files beside it.
 *
 * Sorted by name, which begins with the number ("0001_init.sql"); ended by a row whose name is NULL.
 * The table is made by the build (orderd_embed in CMakeLists.txt). */
#pragma once

struct sql_file {
    const char *name; /* without folder */
    const char *text; /* the whole file */
};

extern const struct sql_file sql_files[];
