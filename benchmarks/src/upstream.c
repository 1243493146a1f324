/* A fake OpenAI-compatible model server on 127.0.0.1: one thread, epoll, exact counts.
 *
 * Prints {"listening": PORT} when it is ready, and its counts as one JSON line on SIGUSR1 and at its end
 * (SIGTERM, SIGINT). `served` counts replies whose last byte the kernel has taken.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "answers.h"
#include "content.h"
#include "request.h"
#include "upstream_options.h"

#define MAX_FDS 65536
#define FIRST_ROOM 8192

static struct upstream_options options;

static struct {
    unsigned long connections, received, inference, served, aborted, malformed, damaged, chunks;
    unsigned long by_endpoint[ENDPOINTS], streams;
} counts;

/* Connections in the order in which they are due; every wait in one queue is equally long. */
struct queue {
    struct connection *first, *last;
};

enum step { READING, DELAYED, STREAMING, LAST_WRITE };

struct connection {
    int fd;
    enum step step;
    bool waits_for_room; /* the kernel's buffer is full */
    char *in;
    size_t in_used, in_room;
    char *out;
    size_t out_used, out_sent;
    /* the request in hand */
    enum endpoint endpoint;
    enum damage damage;
    bool stream, usage, closes;
    char model[MAX_MODEL];
    size_t model_length;
    unsigned place;
    uint64_t due;
    struct queue *queue;
    struct connection *before, *after;
};

static struct connection *connections[MAX_FDS];
static struct queue delayed, paced, ready;
static int poller;

static void stop_with(const char *what)
{
    fprintf(stderr, "upstream: %s: %s\n", what, strerror(errno));
    exit(2);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void enqueue(struct queue *queue, struct connection *c, uint64_t due)
{
    c->due = due;
    c->queue = queue;
    c->after = NULL;
    c->before = queue->last;
    *(queue->last ? &queue->last->after : &queue->first) = c;
    queue->last = c;
}

static void dequeue(struct connection *c)
{
    if (c->queue == NULL)
        return;
    *(c->before ? &c->before->after : &c->queue->first) = c->after;
    *(c->after ? &c->after->before : &c->queue->last) = c->before;
    c->queue = NULL;
}

static void drop(struct connection *c)
{
    if (c->step != READING)
        counts.aborted++;
    dequeue(c);
    connections[c->fd] = NULL;
    close(c->fd);
    free(c->in);
    free(c->out);
    free(c);
}

static void watch(struct connection *c, bool room)
{
    struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP | (room ? EPOLLOUT : 0), .data.fd = c->fd };
    c->waits_for_room = room;
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event);
}

/* Writes what is left of `out`. False when the connection is gone or must wait for room. */
static bool flush(struct connection *c)
{
    while (c->out_sent < c->out_used) {
        ssize_t n = send(c->fd, c->out + c->out_sent, c->out_used - c->out_sent, MSG_NOSIGNAL);
        if (n >= 0) {
            c->out_sent += (size_t)n;
        } else if (errno == EAGAIN) {
            watch(c, true);
            return false;
        } else if (errno != EINTR) {
            drop(c);
            return false;
        }
    }
    if (c->waits_for_room)
        watch(c, false);
    c->out_used = c->out_sent = 0;
    return true;
}

static void damage_content(struct connection *c)
{
    char *at = memmem(c->out, c->out_used, CONTENT_OPEN, CONTENT_OPEN_LENGTH);
    if (at != NULL)
        at[CONTENT_LENGTH(0) - 1] ^= 1; /* the first byte of the filler */
}

/* The reply is with the kernel. False when the connection ends with it. */
static bool finish(struct connection *c)
{
    bool whole = c->damage != DAMAGE_TRUNCATE;
    counts.served += whole;
    if (whole)
        c->step = READING;
    if (!whole || c->closes) {
        drop(c);
        return false;
    }
    return true;
}

static void write_whole(struct connection *c)
{
    if (c->endpoint == UNKNOWN || c->damage == DAMAGE_STATUS)
        c->out_used = answer_error(c->out, c->endpoint == UNKNOWN ? 404 : 500);
    else
        c->out_used = answer_whole(c->out, c->endpoint, c->model, c->model_length);
    if (c->damage == DAMAGE_CONTENT)
        damage_content(c);
    else if (c->damage == DAMAGE_TRUNCATE)
        c->out_used -= 20;
    c->step = LAST_WRITE;
    if (flush(c))
        finish(c);
}

static void schedule_chunk(struct connection *c)
{
    if (options.pace_ms > 0)
        enqueue(&paced, c, now_ns() + (uint64_t)options.pace_ms * 1000000u);
    else
        enqueue(&ready, c, 0);
}

/* One chunk of a stream, or its tail. */
static void write_chunk(struct connection *c)
{
    bool truncated = c->damage == DAMAGE_TRUNCATE && c->place == options.chunks / 2;
    if (c->place < options.chunks && !truncated) {
        if (c->damage == DAMAGE_EVENT && c->place == options.chunks / 2)
            c->place++;
        c->out_used = answer_chunk(c->out, c->endpoint, c->model, c->model_length, c->place,
            options.stamp ? now_ns() : 0);
        if (c->damage == DAMAGE_CONTENT && c->place == options.chunks / 2)
            damage_content(c);
        c->place++;
        counts.chunks++;
        if (flush(c))
            schedule_chunk(c);
        return;
    }
    if (!truncated)
        c->out_used = answer_tail(
            c->out, c->endpoint, c->model, c->model_length, c->usage, c->damage != DAMAGE_DONE);
    c->step = LAST_WRITE;
    if (flush(c))
        finish(c);
}

static void begin_reply(struct connection *c)
{
    if (!c->stream || c->damage == DAMAGE_STATUS) {
        write_whole(c);
        return;
    }
    counts.streams++;
    c->step = STREAMING;
    c->out_used = answer_stream_head(c->out, c->endpoint, c->model, c->model_length);
    if (flush(c))
        schedule_chunk(c);
}

static void answer(struct connection *c, const struct request *request)
{
    const char *model;
    c->endpoint = answer_endpoint(request->post, request->path, request->path_length);
    c->closes = request->closes;
    c->place = 0;
    c->damage = NO_DAMAGE;
    bool inference = c->endpoint <= EMBEDDINGS;
    counts.received++;
    counts.by_endpoint[c->endpoint]++;
    counts.inference += inference;
    if (inference && options.damage_every > 0 && counts.inference % options.damage_every == 0) {
        c->damage = options.damage;
        counts.damaged++;
    }
    c->stream = answer_streams(c->endpoint) && request_has_true(request, "\"stream\"");
    c->usage = c->stream && request_has_true(request, "\"include_usage\"");
    if (!request_string(request, "\"model\"", &model, &c->model_length) || c->model_length > MAX_MODEL) {
        model = "bench";
        c->model_length = 5;
    }
    memcpy(c->model, model, c->model_length);
    if (inference && options.delay_ms > 0) {
        c->step = DELAYED;
        enqueue(&delayed, c, now_ns() + (uint64_t)options.delay_ms * 1000000u);
    } else {
        begin_reply(c);
    }
}

/* Answers the requests in the buffer, one after the other. The connection may be gone afterwards. */
static void serve(struct connection *c)
{
    struct request request;
    int fd = c->fd;
    while (c->step == READING && c->in_used > 0) {
        enum request_state state = request_read(&request, c->in, c->in_used);
        if (state == REQUEST_MALFORMED) {
            counts.malformed++;
            drop(c);
            return;
        }
        if (state == REQUEST_UNFINISHED)
            return;
        c->step = LAST_WRITE;
        answer(c, &request);
        if (connections[fd] != c)
            return;
        c->in_used -= request.consumed;
        memmove(c->in, c->in + request.consumed, c->in_used);
    }
}

static void on_readable(struct connection *c)
{
    for (;;) {
        if (c->in_room - c->in_used < FIRST_ROOM) {
            c->in_room = c->in_room * 2 + FIRST_ROOM * 2;
            c->in = realloc(c->in, c->in_room);
            if (c->in == NULL)
                stop_with("memory");
        }
        size_t room = c->in_room - c->in_used;
        ssize_t n = recv(c->fd, c->in + c->in_used, room, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            drop(c);
            return;
        }
        if (n > 0)
            c->in_used += (size_t)n;
        if (n < (ssize_t)room)
            break;
    }
    serve(c);
}

static void on_writable(struct connection *c)
{
    if (!flush(c))
        return;
    if (c->step == STREAMING)
        schedule_chunk(c);
    else if (c->step == LAST_WRITE && finish(c))
        serve(c);
}

static void on_connections(int listener)
{
    int fd, yes = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *c = fd < MAX_FDS ? calloc(1, sizeof *c) : NULL;
        if (c == NULL || (c->out = malloc(answers_room())) == NULL)
            stop_with("memory");
        c->fd = fd;
        connections[fd] = c;
        counts.connections++;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP, .data.fd = fd };
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    }
}

static void print_counts(void)
{
    printf("{\"connections\":%lu,\"received\":%lu,\"inference\":%lu,\"served\":%lu,\"aborted\":%lu,"
           "\"malformed\":%lu,\"damaged\":%lu,\"streams\":%lu,\"chunks\":%lu,\"endpoints\":{",
        counts.connections, counts.received, counts.inference, counts.served, counts.aborted, counts.malformed,
        counts.damaged, counts.streams, counts.chunks);
    for (int i = 0; i < ENDPOINTS; i++)
        printf("%s\"%s\":%lu", i > 0 ? "," : "", endpoint_names[i], counts.by_endpoint[i]);
    printf("}}\n");
    fflush(stdout);
}

/* What was due, and the requests that wait behind it once it ends the reply. */
static void go_on(struct connection *c, void (*step)(struct connection *))
{
    int fd = c->fd;
    dequeue(c);
    step(c);
    if (connections[fd] == c && c->step == READING)
        serve(c);
}

/* Chunks and replies whose time has come. */
static void run_due(void)
{
    struct connection *last = ready.last, *c = NULL;
    while (last != NULL && c != last && (c = ready.first) != NULL) /* each that was ready, once */
        go_on(c, write_chunk);
    if (paced.first == NULL && delayed.first == NULL)
        return;
    uint64_t now = now_ns();
    while ((c = delayed.first) != NULL && c->due <= now)
        go_on(c, begin_reply);
    while ((c = paced.first) != NULL && c->due <= now)
        go_on(c, write_chunk);
}

/* How long nothing is due, in the form that epoll_pwait2 takes. */
static struct timespec *until_due(struct timespec *wait)
{
    uint64_t due = UINT64_MAX, now;
    *wait = (struct timespec) { 0, 0 };
    if (ready.first != NULL)
        return wait;
    if (paced.first != NULL)
        due = paced.first->due;
    if (delayed.first != NULL && delayed.first->due < due)
        due = delayed.first->due;
    if (due == UINT64_MAX)
        return NULL;
    now = now_ns();
    if (due > now)
        *wait = (struct timespec) { (time_t)((due - now) / 1000000000u), (long)((due - now) % 1000000000u) };
    return wait;
}

static int listen_on(int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    socklen_t size = sizeof address;
    int yes = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 4096) != 0)
        stop_with("listening");
    getsockname(listener, (struct sockaddr *)&address, &size);
    printf("{\"listening\":%d}\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

static int watch_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static void add(int fd)
{
    struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
}

static void run(int listener, int signals)
{
    struct epoll_event events[256];
    struct timespec wait;
    for (;;) {
        int n = epoll_pwait2(poller, events, 256, until_due(&wait), NULL);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            struct signalfd_siginfo signal;
            if (fd == listener) {
                on_connections(listener);
            } else if (fd == signals) {
                while (read(signals, &signal, sizeof signal) == sizeof signal) {
                    print_counts();
                    if (signal.ssi_signo != SIGUSR1)
                        return;
                }
            } else if (connections[fd] != NULL) {
                if (events[i].events & EPOLLOUT)
                    on_writable(connections[fd]);
                if (connections[fd] != NULL && (events[i].events & ~EPOLLOUT))
                    on_readable(connections[fd]);
            }
        }
        run_due();
    }
}

int main(int argc, char **argv)
{
    read_options(&options, argc, argv);
    answers_prepare(&options.answers);
    poller = epoll_create1(EPOLL_CLOEXEC);
    int signals = watch_signals(), listener = listen_on(options.port);
    add(signals);
    add(listener);
    run(listener, signals);
    return 0;
}
