/* The command line of the fake upstream. */
#ifndef BENCH_UPSTREAM_OPTIONS_H
#define BENCH_UPSTREAM_OPTIONS_H

#include "answers.h"

/* What is wrong with every nth reply, on purpose. */
enum damage {
    NO_DAMAGE,
    DAMAGE_CONTENT,  /* one byte of the text is another */
    DAMAGE_STATUS,   /* status 500 */
    DAMAGE_TRUNCATE, /* the connection ends in the middle */
    DAMAGE_EVENT,    /* one event of a stream is left out */
    DAMAGE_DONE,     /* a stream without its last event */
    DAMAGES
};

struct upstream_options {
    int port; /* 0: any free one */
    long delay_ms, pace_ms;
    bool stamp; /* chunks tell when they were written */
    unsigned chunks;
    unsigned long damage_every; /* 0: never */
    enum damage damage;
    struct answer_options answers;
};

/* Fills in the defaults and reads the arguments; ends the program when they are wrong. */
void read_options(struct upstream_options *options, int argc, char **argv);

#endif
