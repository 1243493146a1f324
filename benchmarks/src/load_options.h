/* The command line of the load generator, and the requests that follow from it. */
#ifndef BENCH_LOAD_OPTIONS_H
#define BENCH_LOAD_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "reply.h"

#define MAX_CONNECTIONS 20000

struct bytes {
    char *start;
    size_t length;
};

struct load_options {
    int port;
    unsigned connections;
    double rate; /* arrivals a second; 0 is a closed loop */
    double seconds;
    uint64_t count; /* requests at most; 0 is as many as fit */
    double ramp;    /* seconds over which the connections of a closed loop begin */
    unsigned stay;  /* requests that a connection sends of one kind before it takes the next */
    bool stamped;   /* chunks tell when they were written */
    double timeout; /* seconds for one request, and for the last ones after the end */
    struct expectation expected;
    struct bytes *requests; /* whole, one for each model or key, whichever are more */
    unsigned request_count;
};

/* Reads the arguments and renders the requests; ends the program when the arguments are wrong. */
void read_options(struct load_options *options, int argc, char **argv);

#endif
