#define _GNU_SOURCE
#include "answers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "content.h"

const char *const endpoint_names[ENDPOINTS]
    = { "chat", "completions", "responses", "embeddings", "models", "health", "unknown" };

/* In a text, `@` stands for the model's name and `~` for the content. */
#define NUMBERS "\"prompt_tokens\":24,\"completion_tokens\":170,\"total_tokens\":194"
#define RESPONSE_NUMBERS \
    "\"usage\":{\"input_tokens\":24,\"input_tokens_details\":{\"cached_tokens\":0},\"output_tokens\":170," \
    "\"output_tokens_details\":{\"reasoning_tokens\":0},\"total_tokens\":194}"
#define CHUNK_OPEN \
    "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"@\","
#define TEXT_OPEN "{\"id\":\"cmpl-bench\",\"object\":\"text_completion\",\"created\":1700000000,\"model\":\"@\","
#define RESPONSE_OPEN \
    "{\"id\":\"resp_bench\",\"object\":\"response\",\"created_at\":1700000000,\"model\":\"@\",\"error\":null,"
#define RESPONSE_OUTPUT \
    "\"status\":\"completed\",\"output\":[{\"id\":\"msg_bench\",\"type\":\"message\",\"role\":\"assistant\"," \
    "\"status\":\"completed\",\"content\":[{\"type\":\"output_text\",\"text\":\"~\",\"annotations\":[]}]}],"
#define STREAM_OPEN \
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n" \
    "transfer-encoding: chunked\r\n\r\n"

enum part { WHOLE, FIRST, CHUNK, FINISH, USAGE, PARTS };

static const char *const texts[EMBEDDINGS + 1][PARTS] = {
    [CHAT] = {
        "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":\"@\","
        "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"~\",\"refusal\":null},"
        "\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{" NUMBERS ",\"prompt_tokens_details\":"
        "{\"cached_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":0}},"
        "\"system_fingerprint\":\"fp_bench\"}",
        CHUNK_OPEN "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},"
                   "\"logprobs\":null,\"finish_reason\":null}]}\n\n",
        CHUNK_OPEN "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"~\"},"
                   "\"logprobs\":null,\"finish_reason\":null}]}\n\n",
        CHUNK_OPEN "\"choices\":[{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}]}\n\n",
        CHUNK_OPEN "\"choices\":[],\"usage\":{" NUMBERS "}}\n\n",
    },
    [COMPLETIONS] = {
        TEXT_OPEN "\"choices\":[{\"index\":0,\"text\":\"~\",\"logprobs\":null,\"finish_reason\":\"stop\"}],"
                  "\"usage\":{" NUMBERS "}}",
        "",
        "data: " TEXT_OPEN "\"choices\":[{\"index\":0,\"text\":\"~\",\"logprobs\":null,"
        "\"finish_reason\":null}]}\n\n",
        "data: " TEXT_OPEN "\"choices\":[{\"index\":0,\"text\":\"\",\"logprobs\":null,"
        "\"finish_reason\":\"stop\"}]}\n\n",
        "data: " TEXT_OPEN "\"choices\":[],\"usage\":{" NUMBERS "}}\n\n",
    },
    [RESPONSES] = {
        RESPONSE_OPEN RESPONSE_OUTPUT RESPONSE_NUMBERS "}",
        "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":"
        RESPONSE_OPEN "\"status\":\"in_progress\",\"output\":[],\"usage\":null}}\n\n",
        "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\","
        "\"item_id\":\"msg_bench\",\"output_index\":0,\"content_index\":0,\"delta\":\"~\"}\n\n",
        "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":"
        RESPONSE_OPEN RESPONSE_OUTPUT RESPONSE_NUMBERS "}}\n\n",
        "",
    },
    [EMBEDDINGS] = {
        "{\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"index\":0,\"embedding\":"
        "[0.0125,-0.0375,0.25,0.0625,-0.125,0.03125,0.5,-0.015625]}],\"model\":\"@\","
        "\"usage\":{\"prompt_tokens\":24,\"total_tokens\":24}}",
        "", "", "", "",
    },
};

/* A text with its content filled in, cut where the model's name goes. */
struct layout {
    char *before, *after;
    size_t before_length, after_length;
    char *digits; /* of the content, in `after`; NULL without one */
};

static struct layout layouts[EMBEDDINGS + 1][PARTS];
static char *models_body;
static size_t most;

static void *reserve(size_t size)
{
    void *room = malloc(size);
    if (room == NULL) {
        perror("upstream");
        exit(2);
    }
    return room;
}

static void lay_out(struct layout *layout, const char *text, size_t filler)
{
    const char *at = strchr(text, '@');
    size_t cut = at == NULL ? 0 : (size_t)(at - text) + 1;
    layout->before_length = cut == 0 ? 0 : cut - 1;
    layout->before = strndup(text, layout->before_length);
    text += cut;
    const char *content = strchr(text, '~');
    layout->after = reserve(strlen(text) + CONTENT_LENGTH(filler));
    if (content == NULL) {
        layout->after_length = strlen(text);
        memcpy(layout->after, text, layout->after_length);
        return;
    }
    size_t head = (size_t)(content - text), tail = strlen(content + 1);
    memcpy(layout->after, text, head);
    content_write(layout->after + head, 0, filler);
    memcpy(layout->after + head + CONTENT_LENGTH(filler), content + 1, tail);
    layout->after_length = head + CONTENT_LENGTH(filler) + tail;
    layout->digits = layout->after + head + CONTENT_OPEN_LENGTH;
}

static void list_models(const char *names)
{
    char *copy = strdup(names), *rest = copy, *name;
    size_t size = strlen(names) * 2 + 256, used;
    for (const char *comma = names; (comma = strchr(comma, ',')) != NULL; comma++)
        size += 256;
    models_body = reserve(size);
    used = (size_t)snprintf(models_body, size, "{\"object\":\"list\",\"data\":[");
    while ((name = strsep(&rest, ",")) != NULL)
        used += (size_t)snprintf(models_body + used, size - used,
            "%s{\"id\":\"%s\",\"object\":\"model\",\"created\":1700000000,\"owned_by\":\"bench\","
            "\"root\":\"%s\",\"max_model_len\":32768}",
            name == copy ? "" : ",", name, name);
    snprintf(models_body + used, size - used, "]}");
    free(copy);
}

void answers_prepare(const struct answer_options *options)
{
    for (int endpoint = CHAT; endpoint <= EMBEDDINGS; endpoint++)
        for (int part = WHOLE; part < PARTS; part++)
            lay_out(&layouts[endpoint][part], texts[endpoint][part],
                part == CHUNK ? options->chunk_filler : options->filler);
    list_models(options->models);
    most = (options->filler > options->chunk_filler ? options->filler : options->chunk_filler) + strlen(models_body);
}

size_t answers_room(void)
{
    return most + 4096;
}

static bool ends_with(const char *path, size_t length, const char *end)
{
    size_t n = strlen(end);
    return length >= n && memcmp(path + length - n, end, n) == 0;
}

enum endpoint answer_endpoint(bool post, const char *path, size_t length)
{
    static const struct {
        bool post;
        const char *end;
        enum endpoint endpoint;
    } routes[] = {
        { true, "/chat/completions", CHAT },
        { true, "/completions", COMPLETIONS },
        { true, "/responses", RESPONSES },
        { true, "/embeddings", EMBEDDINGS },
        { false, "/models", MODELS },
        /* What routers ask a model server before they send it work. */
        { false, "/health", HEALTH },
        { false, "/health_generate", HEALTH },
        { false, "/server_info", HEALTH },
        { false, "/get_server_info", HEALTH },
        { false, "/model_info", HEALTH },
        { false, "/get_model_info", HEALTH },
    };
    const char *query = memchr(path, '?', length);
    if (query != NULL)
        length = (size_t)(query - path);
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
        if (routes[i].post == post && ends_with(path, length, routes[i].end))
            return routes[i].endpoint;
    return UNKNOWN;
}

bool answer_streams(enum endpoint endpoint)
{
    return endpoint == CHAT || endpoint == COMPLETIONS || endpoint == RESPONSES;
}

static size_t put(char *out, const char *bytes, size_t length)
{
    memcpy(out, bytes, length);
    return length;
}

static size_t render(char *out, const struct layout *layout, const char *model, size_t model_length)
{
    size_t used = put(out, layout->before, layout->before_length);
    if (layout->before_length > 0)
        used += put(out + used, model, model_length);
    return used + put(out + used, layout->after, layout->after_length);
}

static size_t with_head(char *out, const char *status, const char *body, size_t length)
{
    size_t used = (size_t)sprintf(
        out, "HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n", status, length);
    return used + put(out + used, body, length);
}

size_t answer_whole(char *out, enum endpoint endpoint, const char *model, size_t model_length)
{
    static const char head[] = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ";
    static const char well[] = "{\"status\":\"ok\",\"model_path\":\"bench\",\"served_model_name\":\"bench\"}";
    if (endpoint == MODELS)
        return with_head(out, "200 OK", models_body, strlen(models_body));
    if (endpoint == HEALTH)
        return with_head(out, "200 OK", well, sizeof well - 1);
    const struct layout *layout = &layouts[endpoint][WHOLE];
    size_t length = layout->before_length + model_length + layout->after_length;
    size_t used = put(out, head, sizeof head - 1);
    char digits[24], *digit = digits + sizeof digits;
    for (size_t n = length; n > 0; n /= 10)
        *--digit = (char)('0' + n % 10);
    used += put(out + used, digit, (size_t)(digits + sizeof digits - digit));
    used += put(out + used, "\r\n\r\n", 4);
    return used + render(out + used, layout, model, model_length);
}

size_t answer_error(char *out, int status)
{
    static const char missing[]
        = "{\"error\":{\"message\":\"no such path\",\"type\":\"invalid_request_error\",\"code\":null}}";
    static const char failing[]
        = "{\"error\":{\"message\":\"failed on purpose\",\"type\":\"server_error\",\"code\":null}}";
    if (status == 404)
        return with_head(out, "404 Not Found", missing, sizeof missing - 1);
    return with_head(out, "500 Internal Server Error", failing, sizeof failing - 1);
}

/* A text as one chunk of HTTP framing; nothing when the text is empty. */
static size_t framed(char *out, const struct layout *layout, const char *model, size_t model_length)
{
    size_t length = layout->before_length + layout->after_length + (layout->before_length > 0 ? model_length : 0);
    char digits[16], *digit = digits + sizeof digits;
    if (length == 0)
        return 0;
    for (size_t left = length; left > 0; left >>= 4)
        *--digit = "0123456789abcdef"[left & 15];
    size_t used = put(out, digit, (size_t)(digits + sizeof digits - digit));
    used += put(out + used, "\r\n", 2);
    used += render(out + used, layout, model, model_length);
    return used + put(out + used, "\r\n", 2);
}

size_t answer_stream_head(char *out, enum endpoint endpoint, const char *model, size_t model_length)
{
    size_t used = put(out, STREAM_OPEN, sizeof STREAM_OPEN - 1);
    return used + framed(out + used, &layouts[endpoint][FIRST], model, model_length);
}

size_t answer_chunk(
    char *out, enum endpoint endpoint, const char *model, size_t model_length, unsigned place, uint64_t written)
{
    content_number(layouts[endpoint][CHUNK].digits, place);
    if (written > 0)
        content_stamp(layouts[endpoint][CHUNK].digits, written);
    return framed(out, &layouts[endpoint][CHUNK], model, model_length);
}

size_t answer_tail(
    char *out, enum endpoint endpoint, const char *model, size_t model_length, bool usage, bool last_event)
{
    static const char done[] = "e\r\ndata: [DONE]\n\n\r\n";
    size_t used = 0;
    if (last_event || endpoint != RESPONSES)
        used += framed(out, &layouts[endpoint][FINISH], model, model_length);
    if (usage)
        used += framed(out + used, &layouts[endpoint][USAGE], model, model_length);
    if (last_event && endpoint != RESPONSES)
        used += put(out + used, done, sizeof done - 1);
    return used + put(out + used, "0\r\n\r\n", 5);
}
