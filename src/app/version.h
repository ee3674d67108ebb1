/* The versions of the program and of every library in it. */
#pragma once

#include <stdio.h>

void version_print(FILE *out);
