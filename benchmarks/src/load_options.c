#define _GNU_SOURCE
#include "load_options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "content.h"

static const char usage[] =
    "usage: loadgen --port N [--path P] [--mode json|sse] [--connections N] [--rate PER_SECOND]\n"
    "               [--seconds S] [--count N] [--timeout S] [--body-bytes N] [--models a,b] [--header LINE]...\n"
    "               [--content BYTES] [--chunks N] [--ask-usage] [--stamped] [--keys FILE] [--stay N] [--ramp S]\n"
    "Sends chat completions to 127.0.0.1 and checks each reply. With --rate, requests arrive at that rate\n"
    "whatever the replies do, and a latency counts from the moment at which its request was due.\n"
    "Models and keys (a file, one a line) are taken in turn; --stay lets a connection send N requests with one\n"
    "pair before it takes the next. --ramp lets the connections of a closed loop begin one after the other.\n"
    "--stamped expects the time of writing in each chunk and tells how long each was on its way.\n"
    "--content and --chunks say what to expect: the upstream's options of those meanings.\n";

static void refuse(const char *text)
{
    fprintf(stderr, "loadgen: %s\n%s", text, usage);
    exit(2);
}

static double number(const char *text, double least, double most)
{
    char *end, message[160];
    double value = strtod(text, &end);
    if (*text != '\0' && *end == '\0' && value >= least && value <= most)
        return value;
    snprintf(message, sizeof message, "%.60s is not a number from %g to %g", text, least, most);
    refuse(message);
    return 0;
}

static char *joined(const char *first, const char *line)
{
    char *text;
    if (asprintf(&text, "%s%s\r\n", first, line) < 0)
        refuse("no memory");
    return text;
}

/* A body of `size` bytes, or of the least size that it can have. */
static char *render_body(const struct expectation *expected, const char *model, size_t size)
{
    static const char close[] = "\"}]}";
    char *body, *head;
    int used = asprintf(&head, "{\"model\":\"%s\",\"stream\":%s,%s\"max_tokens\":200,\"messages\":[{\"role\":\"user\",\"content\":\"",
        model, expected->stream ? "true" : "false",
        expected->usage ? "\"stream_options\":{\"include_usage\":true}," : "");
    size_t filler = size > (size_t)used + sizeof close ? size - (size_t)used - sizeof close + 1 : 1;
    if (used < 0 || (body = malloc((size_t)used + filler + sizeof close)) == NULL)
        refuse("no memory");
    memcpy(body, head, (size_t)used);
    content_fill(body + used, filler);
    memcpy(body + used + filler, close, sizeof close);
    free(head);
    return body;
}

static struct bytes render_request(
    const struct load_options *options, const char *path, const char *headers, const char *body)
{
    char *text;
    int length = asprintf(&text,
        "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: dwctl-bench\r\nAccept: %s\r\n"
        "Content-Type: application/json\r\n%sContent-Length: %zu\r\n\r\n%s",
        path, options->port, options->expected.stream ? "text/event-stream" : "application/json", headers,
        strlen(body), body);
    if (length < 0)
        refuse("no memory");
    return (struct bytes) { text, (size_t)length };
}

/* The parts of a text, which is cut up for it. */
static char **split(char *text, const char *between, unsigned *count)
{
    char **parts = calloc(strlen(text) + 1, sizeof *parts), *part;
    *count = 0;
    if (parts == NULL)
        refuse("no memory");
    while ((part = strsep(&text, between)) != NULL)
        if (*part != '\0')
            parts[(*count)++] = part;
    return parts;
}

/* A whole file; an empty text without one. */
static char *contents_of(const char *path)
{
    FILE *file = path == NULL ? NULL : fopen(path, "r");
    char *text = NULL;
    size_t size = 0;
    if (path != NULL && file == NULL)
        refuse("--keys: the file cannot be read");
    if (file == NULL)
        return strdup("");
    if (getdelim(&text, &size, '\0', file) < 0)
        refuse("--keys: the file is empty");
    fclose(file);
    return text;
}

static void render_requests(
    struct load_options *options, const char *path, const char *headers, const char *models, const char *keys, size_t size)
{
    char *models_copy = strdup(models), *keys_copy = contents_of(keys);
    unsigned model_count, key_count;
    char **model = split(models_copy, ",", &model_count), **key = split(keys_copy, "\n", &key_count);
    options->request_count = key_count > model_count ? key_count : model_count;
    options->requests = calloc(options->request_count, sizeof *options->requests);
    for (unsigned i = 0; i < options->request_count; i++) {
        char *body = render_body(&options->expected, model[i % model_count], size), *lines = strdup(headers), *line;
        if (key_count > 0) {
            if (asprintf(&line, "Authorization: Bearer %s", key[i % key_count]) < 0)
                refuse("no memory");
            lines = joined(lines, line);
            free(line);
        }
        options->requests[i] = render_request(options, path, lines, body);
        free(lines);
        free(body);
    }
    free(model);
    free(key);
    free(models_copy);
    free(keys_copy);
}

void read_options(struct load_options *options, int argc, char **argv)
{
    static const struct option known[] = { { "port", 1, 0, 'p' }, { "path", 1, 0, 'u' }, { "mode", 1, 0, 'm' },
        { "connections", 1, 0, 'c' }, { "rate", 1, 0, 'r' }, { "seconds", 1, 0, 's' }, { "count", 1, 0, 'n' },
        { "timeout", 1, 0, 't' }, { "body-bytes", 1, 0, 'b' }, { "models", 1, 0, 'M' }, { "header", 1, 0, 'H' },
        { "content", 1, 0, 'C' }, { "chunks", 1, 0, 'e' }, { "ask-usage", 0, 0, 'U' },
        { "stamped", 0, 0, 'T' }, { "keys", 1, 0, 'K' }, { "stay", 1, 0, 'S' }, { "ramp", 1, 0, 'R' }, { 0, 0, 0, 0 } };
    const char *path = "/v1/chat/completions", *models = "bench", *keys = NULL;
    char *headers = strdup("");
    size_t size = 400;
    long content = -1;
    int option;
    *options = (struct load_options) { .connections = 64, .seconds = 5, .stay = 1, .timeout = 30, .expected = { .events = 50 } };
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case 'p': options->port = (int)number(optarg, 1, 65535); break;
        case 'u': path = optarg; break;
        case 'm':
            if (strcmp(optarg, "json") != 0 && strcmp(optarg, "sse") != 0)
                refuse("--mode is json or sse");
            options->expected.stream = strcmp(optarg, "sse") == 0;
            break;
        case 'c': options->connections = (unsigned)number(optarg, 1, MAX_CONNECTIONS); break;
        case 'r': options->rate = number(optarg, 0, 1e6); break;
        case 's': options->seconds = number(optarg, 0.01, 3600); break;
        case 'n': options->count = (uint64_t)number(optarg, 0, 1e9); break;
        case 't': options->timeout = number(optarg, 0.01, 3600); break;
        case 'b': size = (size_t)number(optarg, 0, 64 << 20); break;
        case 'M': models = optarg; break;
        case 'H': headers = joined(headers, optarg); break;
        case 'C': content = (long)number(optarg, 0, CONTENT_MAX_FILLER); break;
        case 'e': options->expected.events = (unsigned)number(optarg, 0, 999999); break;
        case 'U': options->expected.usage = true; break;
        case 'T': options->stamped = true; break;
        case 'K': keys = optarg; break;
        case 'S': options->stay = (unsigned)number(optarg, 1, 1e9); break;
        case 'R': options->ramp = number(optarg, 0, 3600); break;
        default: refuse("unknown option");
        }
    }
    if (optind < argc || options->port == 0)
        refuse(optind < argc ? "arguments without a name" : "--port is missing");
    if (options->stamped && (!options->expected.stream || (content >= 0 && content < CONTENT_STAMP)))
        refuse("--stamped is for streams with at least 16 bytes in a chunk");
    options->expected.usage = options->expected.usage && options->expected.stream;
    options->expected.filler = content >= 0 ? (size_t)content : options->expected.stream ? 60 : 600;
    options->expected.content = malloc(CONTENT_LENGTH(options->expected.filler));
    content_write(options->expected.content, 0, options->expected.filler);
    render_requests(options, path, headers, models, keys, size);
    free(headers);
}
