/* Finds one HTTP/1.1 request in a buffer, on the fake upstream's side. */
#ifndef BENCH_REQUEST_H
#define BENCH_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

enum request_state { REQUEST_UNFINISHED, REQUEST_COMPLETE, REQUEST_MALFORMED };

struct request {
    bool post;
    bool closes; /* the client will not send another on this connection */
    const char *path;
    size_t path_length;
    const char *body;
    size_t body_length;
    size_t consumed; /* bytes of the buffer that it took */
};

/* Joins a chunked body in place once all of it is there. The pointers lead into the buffer. */
enum request_state request_read(struct request *request, char *buffer, size_t used);

/* Whether the body has `"name":true`, with or without spaces. */
bool request_has_true(const struct request *request, const char *quoted_name);
/* The first string value of `"name"` as it stands in the body; false when there is none. */
bool request_string(const struct request *request, const char *quoted_name, const char **value, size_t *length);

#endif
