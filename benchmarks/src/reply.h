/* Reads one HTTP/1.1 reply as its bytes arrive and checks all of it. */
#ifndef BENCH_REPLY_H
#define BENCH_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "histogram.h"

/* Why a request failed. Each ends with exactly one of these, or without. */
enum failure {
    NO_FAILURE,
    FAILED_CONNECT, /* no connection to the gateway */
    FAILED_CLOSED,  /* the connection ended before the reply did */
    FAILED_TIMEOUT, /* no complete reply in time */
    FAILED_STATUS,  /* another status than 200 */
    FAILED_FRAMING, /* not HTTP/1.1, no length, bytes too many, broken chunks */
    FAILED_CONTENT, /* the text of the reply is missing or damaged */
    FAILED_EVENTS,  /* events lost, doubled or out of order, no usage, no [DONE] */
    FAILURES
};

struct expectation {
    bool stream;
    bool usage;      /* a usage event was asked for */
    unsigned events; /* content events in a stream */
    struct histogram *delays; /* of stamped events, from their writing to their arrival; NULL: there are no stamps */
    size_t filler;
    char *content; /* the text of place 0 */
};

enum reply_state { IN_HEAD, IN_LENGTH, IN_CHUNK_SIZE, IN_CHUNK, IN_CHUNK_END, IN_TRAILER, COMPLETE, BROKEN };

struct reply {
    enum reply_state state;
    enum failure failure;
    int status;
    bool closes; /* the peer will close the connection after it */
    bool has_length;
    bool chunked;
    bool done; /* the stream said that it is at its end */
    bool saw_usage;
    bool size_seen;
    uint64_t left;     /* bytes of the body, or of the chunk, still to come */
    size_t line;       /* bytes in the current line of chunk framing */
    unsigned contents; /* content events so far, 1 for a whole reply */
    uint64_t arrived;  /* when the bytes came that are being read; set by the caller where events are stamped */
    char *text;        /* the head, then the body or the unfinished line of the stream */
    size_t used, room;
};

void reply_begin(struct reply *reply);
/* Takes all the bytes; afterwards `state` tells whether the reply is complete or broken. */
void reply_feed(struct reply *reply, const struct expectation *expected, const char *bytes, size_t length);
void reply_free(struct reply *reply);

#endif
