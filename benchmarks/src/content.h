/* The text that the fake upstream answers with and the load generator expects, byte for byte.
 *
 *     [bench 000042 abcdefghijklmnopqrstuvwxyz0123456789abc…]
 *
 * Six digits tell the place of a chunk in its stream (0 for a whole reply), the filler's length is agreed
 * on the command lines. Nothing in it needs escaping in JSON, so it survives every gateway unchanged. In a
 * stamped chunk the filler begins with the nanoseconds of the monotonic clock at which it was written.
 */
#ifndef BENCH_CONTENT_H
#define BENCH_CONTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define CONTENT_OPEN "[bench "
#define CONTENT_OPEN_LENGTH 7
#define CONTENT_DIGITS 6
/* The opening, the digits, a space, the filler and the closing bracket. */
#define CONTENT_LENGTH(filler) (CONTENT_OPEN_LENGTH + CONTENT_DIGITS + 1 + (filler) + 1)
#define CONTENT_MAX_FILLER 65536
#define CONTENT_STAMP 16 /* digits: enough for a hundred days since the start of the machine */

enum content_verdict { CONTENT_RIGHT, CONTENT_OUT_OF_PLACE, CONTENT_DAMAGED };

static inline void content_number(char *digits, unsigned place)
{
    for (int i = CONTENT_DIGITS - 1; i >= 0; i--, place /= 10)
        digits[i] = (char)('0' + place % 10);
}

static inline void content_fill(char *out, size_t length)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    for (size_t i = 0; i < length; i++)
        out[i] = letters[i % (sizeof letters - 1)];
}

/* Writes the whole text; `out` has room for CONTENT_LENGTH(filler). */
static inline void content_write(char *out, unsigned place, size_t filler)
{
    memcpy(out, CONTENT_OPEN, CONTENT_OPEN_LENGTH);
    content_number(out + CONTENT_OPEN_LENGTH, place);
    out[CONTENT_OPEN_LENGTH + CONTENT_DIGITS] = ' ';
    content_fill(out + CONTENT_OPEN_LENGTH + CONTENT_DIGITS + 1, filler);
    out[CONTENT_LENGTH(filler) - 1] = ']';
}

/* `digits` are those of the place; the stamp stands behind them. */
static inline void content_stamp(char *digits, uint64_t ns)
{
    char *stamp = digits + CONTENT_DIGITS + 1;
    for (int i = CONTENT_STAMP - 1; i >= 0; i--, ns /= 10)
        stamp[i] = (char)('0' + ns % 10);
}

/* 0 when what stands there is no stamp. */
static inline uint64_t content_stamped(const char *at)
{
    const char *stamp = at + CONTENT_OPEN_LENGTH + CONTENT_DIGITS + 1;
    uint64_t ns = 0;
    for (int i = 0; i < CONTENT_STAMP; i++) {
        if (stamp[i] < '0' || stamp[i] > '9')
            return 0;
        ns = ns * 10 + (uint64_t)(stamp[i] - '0');
    }
    return ns;
}

/* Compares what arrived with `expected`, the text of place 0; a stamp may hold any digits. */
static inline enum content_verdict content_check(
    const char *at, size_t available, const char *expected, unsigned place, size_t filler, bool stamped)
{
    char digits[CONTENT_DIGITS];
    size_t after = CONTENT_OPEN_LENGTH + CONTENT_DIGITS;
    if (available < CONTENT_LENGTH(filler))
        return CONTENT_DAMAGED;
    if (stamped && (at[after] != ' ' || content_stamped(at) == 0))
        return CONTENT_DAMAGED;
    if (stamped)
        after += 1 + CONTENT_STAMP;
    if (memcmp(at + after, expected + after, CONTENT_LENGTH(filler) - after) != 0)
        return CONTENT_DAMAGED;
    content_number(digits, place);
    return memcmp(at + CONTENT_OPEN_LENGTH, digits, CONTENT_DIGITS) == 0 ? CONTENT_RIGHT : CONTENT_OUT_OF_PLACE;
}

#endif
