#define _GNU_SOURCE
#include "request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/types.h>

#define MAX_HEAD 65536
#define MAX_BODY (256u << 20)

/* The value of a header, up to the end of the head; NULL without one. */
static const char *header(const char *head, size_t length, const char *name)
{
    const char *line = head, *end = head + length;
    size_t n = strlen(name);
    while ((line = memchr(line, '\n', (size_t)(end - line))) != NULL && (size_t)(end - ++line) > n)
        if (strncasecmp(line, name, n) == 0 && line[n] == ':') {
            for (line += n + 1; *line == ' '; line++)
                ;
            return line;
        }
    return NULL;
}

/* Moves the chunks of a body together. Returns the bytes consumed, 0 when some are missing, -1 when broken.
 * With `move` false it only looks. */
static ssize_t join_chunks(char *body, size_t available, size_t *length, bool move)
{
    size_t at = 0;
    *length = 0;
    for (;;) {
        char *end = memmem(body + at, available - at, "\r\n", 2), *stop;
        if (end == NULL)
            return 0;
        unsigned long size = strtoul(body + at, &stop, 16);
        if (stop == body + at || size > MAX_BODY)
            return -1;
        at = (size_t)(end - body) + 2;
        if (available - at < size + 2)
            return 0;
        if (memcmp(body + at + size, "\r\n", 2) != 0)
            return -1;
        if (move)
            memmove(body + *length, body + at, size);
        *length += size;
        at += size + 2;
        if (size == 0)
            return (ssize_t)at;
    }
}

static enum request_state read_body(struct request *request, char *buffer, size_t used, size_t head)
{
    const char *value = header(buffer, head, "content-length");
    request->body = buffer + head;
    request->consumed = head;
    if (value != NULL) {
        request->body_length = strtoul(value, NULL, 10);
        if (request->body_length > MAX_BODY)
            return REQUEST_MALFORMED;
        request->consumed = head + request->body_length;
        return used < request->consumed ? REQUEST_UNFINISHED : REQUEST_COMPLETE;
    }
    if (header(buffer, head, "transfer-encoding") == NULL)
        return REQUEST_COMPLETE;
    ssize_t taken = join_chunks(buffer + head, used - head, &request->body_length, false);
    if (taken <= 0)
        return taken < 0 ? REQUEST_MALFORMED : REQUEST_UNFINISHED;
    join_chunks(buffer + head, used - head, &request->body_length, true);
    request->consumed = head + (size_t)taken;
    return REQUEST_COMPLETE;
}

enum request_state request_read(struct request *request, char *buffer, size_t used)
{
    char *end = memmem(buffer, used, "\r\n\r\n", 4);
    memset(request, 0, sizeof *request);
    if (end == NULL)
        return used > MAX_HEAD ? REQUEST_MALFORMED : REQUEST_UNFINISHED;
    size_t head = (size_t)(end - buffer) + 4;
    request->post = strncmp(buffer, "POST ", 5) == 0;
    if (!request->post && strncmp(buffer, "GET ", 4) != 0)
        return REQUEST_MALFORMED;
    request->path = buffer + (request->post ? 5 : 4);
    const char *stop = memchr(request->path, ' ', (size_t)(end - request->path));
    if (stop == NULL)
        return REQUEST_MALFORMED;
    request->path_length = (size_t)(stop - request->path);
    const char *connection = header(buffer, head, "connection");
    request->closes = connection != NULL && strncasecmp(connection, "close", 5) == 0;
    return read_body(request, buffer, used, head);
}

/* What stands after `"name":` and spaces. */
static const char *value_of(const struct request *request, const char *quoted_name)
{
    const char *end = request->body + request->body_length;
    const char *at = memmem(request->body, request->body_length, quoted_name, strlen(quoted_name));
    if (at == NULL)
        return end;
    for (at += strlen(quoted_name); at < end && (*at == ' ' || *at == ':'); at++)
        ;
    return at;
}

bool request_has_true(const struct request *request, const char *quoted_name)
{
    const char *at = value_of(request, quoted_name);
    return request->body + request->body_length - at >= 4 && memcmp(at, "true", 4) == 0;
}

bool request_string(const struct request *request, const char *quoted_name, const char **value, size_t *length)
{
    const char *at = value_of(request, quoted_name), *end = request->body + request->body_length;
    const char *stop = at < end && *at == '"' ? memchr(at + 1, '"', (size_t)(end - at - 1)) : NULL;
    if (stop == NULL)
        return false;
    *value = at + 1;
    *length = (size_t)(stop - at - 1);
    return true;
}
