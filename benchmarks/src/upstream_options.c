#define _GNU_SOURCE
#include "upstream_options.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "content.h"

static const char *const damages[DAMAGES] = { "none", "content", "status", "truncate", "event", "done" };

static const char usage[] =
    "usage: upstream [--port N] [--models a,b] [--chunks N] [--content BYTES] [--chunk-content BYTES]\n"
    "                [--delay-ms N] [--pace-ms N] [--damage-every N] [--damage KIND] [--stamp] [--with-parent]\n"
    "KIND: content, status, truncate; of streams also event, done\n";

static long number(const char *text, long most)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || value < 0 || value > most) {
        fprintf(stderr, "upstream: %s is not a number from 0 to %ld\n%s", text, most, usage);
        exit(2);
    }
    return value;
}

static enum damage damage_named(const char *name)
{
    for (int i = DAMAGE_CONTENT; i < DAMAGES; i++)
        if (strcmp(name, damages[i]) == 0)
            return (enum damage)i;
    fprintf(stderr, "upstream: there is no damage called %s\n%s", name, usage);
    exit(2);
}

void read_options(struct upstream_options *options, int argc, char **argv)
{
    static const struct option known[] = { { "port", 1, 0, 'p' }, { "models", 1, 0, 'm' }, { "chunks", 1, 0, 'n' },
        { "content", 1, 0, 'c' }, { "chunk-content", 1, 0, 'k' }, { "delay-ms", 1, 0, 'd' },
        { "pace-ms", 1, 0, 'i' }, { "damage-every", 1, 0, 'e' }, { "damage", 1, 0, 'x' },
        { "with-parent", 0, 0, 'w' }, { "stamp", 0, 0, 's' }, { 0, 0, 0, 0 } };
    int option;
    *options = (struct upstream_options) {
        .chunks = 50,
        .damage = DAMAGE_CONTENT,
        .answers = { .filler = 600, .chunk_filler = 60, .models = "bench" },
    };
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case 'p': options->port = (int)number(optarg, 65535); break;
        case 'm': options->answers.models = optarg; break;
        case 'n': options->chunks = (unsigned)number(optarg, 999999); break;
        case 'c': options->answers.filler = (size_t)number(optarg, CONTENT_MAX_FILLER); break;
        case 'k': options->answers.chunk_filler = (size_t)number(optarg, CONTENT_MAX_FILLER); break;
        case 'd': options->delay_ms = number(optarg, 3600000); break;
        case 'i': options->pace_ms = number(optarg, 3600000); break;
        case 'e': options->damage_every = (unsigned long)number(optarg, 1000000000); break;
        case 'x': options->damage = damage_named(optarg); break;
        case 's': options->stamp = true; break;
        case 'w': prctl(PR_SET_PDEATHSIG, SIGTERM); break;
        default: fputs(usage, stderr); exit(2);
        }
    }
    if (options->stamp && options->answers.chunk_filler < CONTENT_STAMP) {
        fprintf(stderr, "upstream: a stamp needs %d bytes in a chunk\n%s", CONTENT_STAMP, usage);
        exit(2);
    }
    if (optind < argc) {
        fputs(usage, stderr);
        exit(2);
    }
}
