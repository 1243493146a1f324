/* The bytes that the fake upstream answers with, rendered from texts that are laid out once. */
#ifndef BENCH_ANSWERS_H
#define BENCH_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum endpoint { CHAT, COMPLETIONS, RESPONSES, EMBEDDINGS, MODELS, HEALTH, UNKNOWN, ENDPOINTS };
extern const char *const endpoint_names[ENDPOINTS];

struct answer_options {
    size_t filler;       /* bytes of filler in a whole reply */
    size_t chunk_filler; /* bytes of filler in each chunk of a stream */
    const char *models;  /* names with commas between, for GET /v1/models */
};

#define MAX_MODEL 256
void answers_prepare(const struct answer_options *options);
/* Room that every answer fits into. */
size_t answers_room(void);

enum endpoint answer_endpoint(bool post, const char *path, size_t length);
bool answer_streams(enum endpoint endpoint);

/* Each writes at `out` and returns the number of bytes. */
size_t answer_whole(char *out, enum endpoint endpoint, const char *model, size_t model_length);
size_t answer_error(char *out, int status);
size_t answer_stream_head(char *out, enum endpoint endpoint, const char *model, size_t model_length);
/* `written` is the time that the chunk tells; 0: none. */
size_t answer_chunk(
    char *out, enum endpoint endpoint, const char *model, size_t model_length, unsigned place, uint64_t written);
size_t answer_tail(
    char *out, enum endpoint endpoint, const char *model, size_t model_length, bool usage, bool last_event);

#endif
