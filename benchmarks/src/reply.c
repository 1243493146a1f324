#define _GNU_SOURCE
#include "reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "content.h"

#define MAX_HEAD 65536

static void fail(struct reply *reply, enum failure failure)
{
    if (reply->failure == NO_FAILURE)
        reply->failure = failure;
}

static void break_off(struct reply *reply, enum failure failure)
{
    fail(reply, failure);
    reply->state = BROKEN;
}

void reply_begin(struct reply *reply)
{
    char *text = reply->text;
    size_t room = reply->room;
    memset(reply, 0, sizeof *reply);
    reply->text = text;
    reply->room = room;
}

void reply_free(struct reply *reply)
{
    free(reply->text);
    reply->text = NULL;
    reply->room = 0;
}

static void keep(struct reply *reply, const char *bytes, size_t length)
{
    if (reply->used + length > reply->room) {
        reply->room = (reply->used + length) * 2 + 4096;
        reply->text = realloc(reply->text, reply->room);
        if (reply->text == NULL) {
            perror("loadgen");
            exit(2);
        }
    }
    memcpy(reply->text + reply->used, bytes, length);
    reply->used += length;
}

static bool is_named(const char *line, size_t length, const char *name, const char **value, size_t *value_length)
{
    size_t n = strlen(name);
    if (length <= n || line[n] != ':' || strncasecmp(line, name, n) != 0)
        return false;
    for (n++; n < length && (line[n] == ' ' || line[n] == '\t'); n++)
        ;
    *value = line + n;
    *value_length = length - n;
    return true;
}

static void read_header(struct reply *reply, const char *line, size_t length)
{
    const char *value;
    size_t n;
    if (is_named(line, length, "content-length", &value, &n)) {
        char *end;
        reply->left = strtoull(value, &end, 10);
        if (n == 0 || end != value + n || reply->has_length)
            break_off(reply, FAILED_FRAMING);
        reply->has_length = true;
    } else if (is_named(line, length, "transfer-encoding", &value, &n)) {
        reply->chunked = n == 7 && strncasecmp(value, "chunked", 7) == 0;
    } else if (is_named(line, length, "connection", &value, &n)) {
        reply->closes = n == 5 && strncasecmp(value, "close", 5) == 0;
    }
}

/* The status line and the headers, `length` bytes that end with an empty line. */
static void read_head(struct reply *reply, size_t length)
{
    const char *line = reply->text, *end = reply->text + length;
    if (length < 16 || strncmp(line, "HTTP/1.1 ", 9) != 0) {
        break_off(reply, FAILED_FRAMING);
        return;
    }
    reply->status = atoi(line + 9);
    for (;;) {
        line = memchr(line, '\n', (size_t)(end - line));
        if (line == NULL || ++line >= end || *line == '\r')
            break;
        const char *stop = memchr(line, '\r', (size_t)(end - line));
        read_header(reply, line, (size_t)((stop ? stop : end) - line));
        if (reply->state == BROKEN)
            return;
    }
    if (reply->status != 200)
        fail(reply, FAILED_STATUS);
    if (reply->chunked == reply->has_length) { /* neither or both: its end cannot be told */
        break_off(reply, FAILED_FRAMING);
        return;
    }
    reply->state = reply->chunked ? IN_CHUNK_SIZE : IN_LENGTH;
}

static void check_content(struct reply *reply, const struct expectation *expected, const char *at, size_t available)
{
    bool stamped = expected->delays != NULL;
    switch (content_check(at, available, expected->content, reply->contents, expected->filler, stamped)) {
    case CONTENT_RIGHT:
        if (stamped) {
            uint64_t written = content_stamped(at);
            histogram_add(expected->delays, reply->arrived > written ? reply->arrived - written : 0);
        }
        break;
    case CONTENT_OUT_OF_PLACE:
        fail(reply, FAILED_EVENTS);
        break;
    case CONTENT_DAMAGED:
        fail(reply, FAILED_CONTENT);
        break;
    }
    reply->contents++;
}

static bool has(const char *line, size_t length, const char *word)
{
    return memmem(line, length, word, strlen(word)) != NULL;
}

static void read_line(struct reply *reply, const struct expectation *expected, const char *line, size_t length)
{
    const char *at;
    if (length < 5 || memcmp(line, "data:", 5) != 0)
        return;
    if (reply->done)
        fail(reply, FAILED_EVENTS); /* an event after the last one */
    if (has(line, length, "\"usage\":{") || has(line, length, "\"usage\": {"))
        reply->saw_usage = true;
    if (has(line, length, "[DONE]") || has(line, length, "\"response.completed\""))
        reply->done = true;
    else if ((at = memmem(line, length, CONTENT_OPEN, CONTENT_OPEN_LENGTH)) != NULL)
        check_content(reply, expected, at, length - (size_t)(at - line));
}

/* Reads the complete lines of a stream and keeps the unfinished one. */
static void read_lines(struct reply *reply, const struct expectation *expected)
{
    size_t from = 0;
    for (;;) {
        char *end = memchr(reply->text + from, '\n', reply->used - from);
        if (end == NULL)
            break;
        size_t stop = (size_t)(end - reply->text);
        read_line(reply, expected, reply->text + from, stop - from);
        from = stop + 1;
    }
    memmove(reply->text, reply->text + from, reply->used - from);
    reply->used -= from;
}

static void complete(struct reply *reply, const struct expectation *expected)
{
    reply->state = COMPLETE;
    if (reply->failure != NO_FAILURE)
        return;
    if (!expected->stream) {
        const char *at = memmem(reply->text, reply->used, CONTENT_OPEN, CONTENT_OPEN_LENGTH);
        if (at == NULL)
            fail(reply, FAILED_CONTENT);
        else
            check_content(reply, expected, at, reply->used - (size_t)(at - reply->text));
    } else if (reply->contents != expected->events || !reply->done || (expected->usage && !reply->saw_usage)) {
        fail(reply, FAILED_EVENTS);
    }
}

/* Part of the body; the whole of it is kept only where it is checked at the end. */
static void read_body(struct reply *reply, const struct expectation *expected, const char *bytes, size_t length)
{
    keep(reply, bytes, length);
    if (expected->stream && reply->status == 200)
        read_lines(reply, expected);
}

/* One byte of chunk framing: a size line, the line break after a chunk, or a trailer. */
static void read_framing(struct reply *reply, const struct expectation *expected, char byte)
{
    if (byte == '\r')
        return;
    if (byte != '\n') {
        reply->line++;
        if (reply->state == IN_CHUNK_END) {
            break_off(reply, FAILED_FRAMING);
        } else if (reply->state == IN_CHUNK_SIZE && !reply->size_seen) {
            int digit = byte >= '0' && byte <= '9' ? byte - '0'
                : (byte | 32) >= 'a' && (byte | 32) <= 'f' ? (byte | 32) - 'a' + 10
                                                           : -1;
            if (digit >= 0)
                reply->left = reply->left * 16 + (unsigned)digit;
            else if (byte == ';' && reply->line > 1)
                reply->size_seen = true;
            else
                break_off(reply, FAILED_FRAMING);
            if (reply->left > 1ull << 40)
                break_off(reply, FAILED_FRAMING);
        }
        return;
    }
    bool empty = reply->line == 0;
    reply->line = 0;
    reply->size_seen = false;
    if (reply->state == IN_CHUNK_END)
        reply->state = IN_CHUNK_SIZE;
    else if (reply->state == IN_TRAILER && empty)
        complete(reply, expected);
    else if (reply->state == IN_CHUNK_SIZE && empty)
        break_off(reply, FAILED_FRAMING);
    else if (reply->state == IN_CHUNK_SIZE)
        reply->state = reply->left > 0 ? IN_CHUNK : IN_TRAILER;
}

/* Adds to the head; returns how many of the bytes belong to it. */
static size_t feed_head(struct reply *reply, const struct expectation *expected, const char *bytes, size_t length)
{
    size_t before = reply->used;
    keep(reply, bytes, length);
    char *end = memmem(reply->text, reply->used, "\r\n\r\n", 4);
    if (end == NULL) {
        if (reply->used > MAX_HEAD)
            break_off(reply, FAILED_FRAMING);
        return length;
    }
    size_t head = (size_t)(end - reply->text) + 4;
    read_head(reply, head);
    if (reply->state == BROKEN)
        return length;
    reply->used = 0;
    if (reply->state == IN_LENGTH && reply->left == 0)
        complete(reply, expected);
    return head - before;
}

void reply_feed(struct reply *reply, const struct expectation *expected, const char *bytes, size_t length)
{
    while (length > 0 && reply->state != BROKEN) {
        size_t taken = 1;
        switch (reply->state) {
        case IN_HEAD:
            taken = feed_head(reply, expected, bytes, length);
            break;
        case IN_LENGTH:
        case IN_CHUNK:
            taken = reply->left < length ? (size_t)reply->left : length;
            read_body(reply, expected, bytes, taken);
            reply->left -= taken;
            if (reply->left == 0 && reply->state == IN_CHUNK)
                reply->state = IN_CHUNK_END;
            else if (reply->left == 0)
                complete(reply, expected);
            break;
        case IN_CHUNK_SIZE:
        case IN_CHUNK_END:
        case IN_TRAILER:
            read_framing(reply, expected, *bytes);
            break;
        case COMPLETE: /* bytes after the end */
        case BROKEN:
            break_off(reply, FAILED_FRAMING);
            break;
        }
        bytes += taken;
        length -= taken;
    }
}
