/* Counts of durations in buckets whose width grows with the value: at most 0.8 % off at any size.
 *
 * The first 128 buckets are single nanoseconds; from then on every power of two is cut into 128 parts.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>
#include <stdio.h>

#define HISTOGRAM_BITS 7
#define HISTOGRAM_PARTS (1u << HISTOGRAM_BITS)
#define HISTOGRAM_BUCKETS ((64 - HISTOGRAM_BITS + 1) * HISTOGRAM_PARTS)

struct histogram {
    uint64_t buckets[HISTOGRAM_BUCKETS];
    uint64_t count;
    uint64_t most;
    double sum;
};

static inline void histogram_add(struct histogram *h, uint64_t ns)
{
    unsigned index = (unsigned)ns;
    if (ns >= HISTOGRAM_PARTS) {
        unsigned shift = 63u - (unsigned)__builtin_clzll(ns) - HISTOGRAM_BITS;
        index = (shift + 1) * HISTOGRAM_PARTS + (unsigned)((ns >> shift) - HISTOGRAM_PARTS);
    }
    h->buckets[index]++;
    h->count++;
    h->sum += (double)ns;
    if (ns > h->most)
        h->most = ns;
}

/* The middle of a bucket, in nanoseconds. */
static inline double histogram_value(unsigned index)
{
    unsigned shift, part;
    if (index < HISTOGRAM_PARTS)
        return index;
    shift = index / HISTOGRAM_PARTS - 1;
    part = index % HISTOGRAM_PARTS + HISTOGRAM_PARTS;
    return ((double)part + 0.5) * (double)(1ull << shift);
}

/* The value that the share `q` of all values does not exceed, in nanoseconds. */
static inline double histogram_quantile(const struct histogram *h, double q)
{
    uint64_t wanted = (uint64_t)(q * (double)h->count + 0.999999), seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen >= wanted && seen > 0)
            return histogram_value(i) < (double)h->most ? histogram_value(i) : (double)h->most;
    }
    return 0;
}

/* A JSON object of microseconds; null when nothing was counted. */
static inline void histogram_print(FILE *out, const char *name, const struct histogram *h)
{
    if (h->count == 0) {
        fprintf(out, "\"%s\":null", name);
        return;
    }
    fprintf(out,
        "\"%s\":{\"count\":%llu,\"mean\":%.2f,\"p50\":%.2f,\"p90\":%.2f,\"p99\":%.2f,\"p999\":%.2f,\"max\":%.2f}",
        name, (unsigned long long)h->count, h->sum / (double)h->count / 1e3, histogram_quantile(h, 0.5) / 1e3,
        histogram_quantile(h, 0.9) / 1e3, histogram_quantile(h, 0.99) / 1e3, histogram_quantile(h, 0.999) / 1e3,
        (double)h->most / 1e3);
}

#endif
