/* A load generator for chat completions on 127.0.0.1: one thread, epoll, every reply checked.
 *
 * Closed loop: each of N connections sends its next request when its reply is complete. Open loop (--rate):
 * request i is due at start + i / rate; it takes a free connection, or waits for one, and its latency counts
 * from when it was due, so that a gateway that stalls cannot hide the requests that it kept from being sent.
 * With --ramp the connections of a closed loop begin one after the other.
 * After the last moment no request begins; those that have begun are waited for. Results: JSON on stdout.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "histogram.h"
#include "load_options.h"
#include "reply.h"

#define READ_SIZE 65536
#define TICK_NS 100000000u

enum step { CLOSED, RESTING, CONNECTING, SENDING, WAITING };

struct connection {
    int fd;
    enum step step;
    const struct bytes *request;
    unsigned stayed; /* requests in a row that were this one */
    size_t sent;
    uint64_t begun;      /* when the request was due */
    uint64_t last_chunk; /* when the stream last gave one */
    struct reply reply;
};

static struct load_options options;
static struct connection connections[MAX_CONNECTIONS];
static struct connection *resting[MAX_CONNECTIONS]; /* those without a request, the last used on top */
static unsigned rested;
static int poller;
static uint64_t start, end;
static uint64_t issued, taken, ended, right, right_in_time, chunks, chunks_in_time, bytes_read, opened, failures[FAILURES];
static uint64_t last_end;
static struct histogram latency, first_chunk, chunk_gap, chunk_delay;
static int first_status;

static const char *const failure_names[FAILURES]
    = { "none", "connect", "closed", "timeout", "status", "framing", "content", "events" };

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void hang_up(struct connection *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    c->step = CLOSED;
}

static void rest(struct connection *c)
{
    if (c->step != CLOSED)
        c->step = RESTING;
    resting[rested++] = c;
}

/* The request has ended, well or not. */
static void end_request(struct connection *c, enum failure failure)
{
    uint64_t now = now_ns();
    ended++;
    last_end = now;
    failures[failure]++;
    if (failure == NO_FAILURE) {
        right++;
        right_in_time += now <= end;
        histogram_add(&latency, now - c->begun);
    } else if (failure == FAILED_STATUS && first_status == 0) {
        first_status = c->reply.status;
    }
    if (c->reply.state != COMPLETE || c->reply.closes)
        hang_up(c);
    rest(c);
}

static void watch(struct connection *c, int operation, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = c };
    epoll_ctl(poller, operation, c->fd, &event);
}

static void send_rest(struct connection *c)
{
    while (c->sent < c->request->length) {
        ssize_t n = send(c->fd, c->request->start + c->sent, c->request->length - c->sent, MSG_NOSIGNAL);
        if (n >= 0) {
            c->sent += (size_t)n;
        } else if (errno == EAGAIN) {
            if (c->step != SENDING)
                watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
            c->step = SENDING;
            return;
        } else if (errno != EINTR) {
            end_request(c, FAILED_CLOSED);
            return;
        }
    }
    if (c->step == SENDING || c->step == CONNECTING)
        watch(c, EPOLL_CTL_MOD, EPOLLIN);
    c->step = WAITING;
}

static void open_connection(struct connection *c)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)options.port) };
    int yes = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) {
        end_request(c, FAILED_CONNECT);
        return;
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    c->step = CONNECTING;
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address) != 0 && errno != EINPROGRESS) {
        end_request(c, FAILED_CONNECT);
        return;
    }
    opened++;
    watch(c, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
}

static void begin_request(struct connection *c, uint64_t due)
{
    if (c->request == NULL || ++c->stayed >= options.stay) {
        c->request = &options.requests[taken++ % options.request_count];
        c->stayed = 0;
    }
    issued++;
    c->sent = 0;
    c->begun = c->last_chunk = due;
    reply_begin(&c->reply);
    if (c->step == CLOSED)
        open_connection(c);
    else
        send_rest(c);
}

static void count_chunks(struct connection *c, unsigned before, uint64_t now)
{
    unsigned arrived = c->reply.contents - before;
    if (!options.expected.stream || arrived == 0)
        return;
    chunks += arrived;
    chunks_in_time += now <= end ? arrived : 0;
    histogram_add(before == 0 ? &first_chunk : &chunk_gap, now - c->last_chunk);
    for (unsigned i = 1; i < arrived; i++) /* came in the same read */
        histogram_add(&chunk_gap, 0);
    c->last_chunk = now;
}

static void on_readable(struct connection *c)
{
    static char buffer[READ_SIZE];
    ssize_t n;
    do {
        n = recv(c->fd, buffer, sizeof buffer, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) { /* between two requests that is the server's right */
            if (c->step == RESTING)
                hang_up(c);
            else
                end_request(c, FAILED_CLOSED);
            return;
        }
        bytes_read += (uint64_t)n;
        if (c->step == RESTING) { /* nobody asked: the next request would read it as its reply */
            failures[FAILED_FRAMING]++;
            hang_up(c);
            return;
        }
        unsigned before = c->reply.contents;
        uint64_t now = options.expected.stream ? now_ns() : 0;
        c->reply.arrived = now;
        reply_feed(&c->reply, &options.expected, buffer, (size_t)n);
        count_chunks(c, before, now);
        if (c->reply.state == COMPLETE || c->reply.state == BROKEN) {
            end_request(c, c->reply.failure);
            return;
        }
    } while (n == sizeof buffer);
}

static void on_writable(struct connection *c)
{
    int error = 0;
    socklen_t size = sizeof error;
    if (c->step == CONNECTING) {
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0) {
            opened--;
            end_request(c, FAILED_CONNECT);
            return;
        }
    }
    if (c->step == CONNECTING || c->step == SENDING)
        send_rest(c);
}

static bool may_begin(uint64_t now)
{
    return now < end && (options.count == 0 || issued < options.count);
}

/* When the next request of an open loop is due. */
static uint64_t next_due(void)
{
    return start + (uint64_t)((double)issued * 1e9 / options.rate);
}

/* When a closed loop may begin its next request: at once, but for the first one of each connection. */
static uint64_t next_start(void)
{
    if (options.ramp <= 0 || issued >= options.connections)
        return start;
    return start + (uint64_t)(options.ramp * 1e9 * (double)issued / (double)options.connections);
}

/* Begins what is due. A closed loop uses every connection; those that could not connect wait for the tick. */
static void begin_due(uint64_t now, bool tick)
{
    unsigned turns = rested;
    if (options.rate > 0) {
        while (rested > 0 && may_begin(next_due()) && next_due() <= now)
            begin_request(resting[--rested], next_due());
        return;
    }
    while (turns-- > 0 && may_begin(now) && next_start() <= now) {
        struct connection *c = resting[--rested];
        if (c->step == CLOSED && failures[FAILED_CONNECT] > 0 && !tick) {
            resting[rested++] = resting[0]; /* try the others first */
            resting[0] = c;
        } else {
            begin_request(c, now_ns());
        }
    }
}

static void end_late(uint64_t now)
{
    for (unsigned i = 0; i < options.connections; i++) {
        struct connection *c = &connections[i];
        if (c->step >= CONNECTING && (double)now - (double)c->begun > options.timeout * 1e9) {
            c->reply.state = BROKEN;
            end_request(c, FAILED_TIMEOUT);
        }
    }
}

static bool finished(uint64_t now)
{
    /* Requests of an open loop that were due before the end still begin. */
    return rested == options.connections && !may_begin(options.rate > 0 ? next_due() : now);
}

/* The time for stragglers is over: whatever has not ended, or was due and never begun, failed. */
static void give_up(void)
{
    for (unsigned i = 0; i < options.connections; i++)
        if (connections[i].step >= CONNECTING) {
            connections[i].reply.state = BROKEN;
            end_request(&connections[i], FAILED_TIMEOUT);
        }
    for (; options.rate > 0 && may_begin(next_due()); issued++, ended++)
        failures[FAILED_TIMEOUT]++;
}

static struct timespec wait_time(uint64_t now, uint64_t tick)
{
    uint64_t until = tick;
    if (options.rate > 0 && rested > 0 && may_begin(next_due()) && next_due() < until)
        until = next_due();
    if (options.rate == 0 && rested > 0 && may_begin(now) && next_start() > now && next_start() < until)
        until = next_start();
    uint64_t left = until > now ? until - now : 0;
    return (struct timespec) { (time_t)(left / 1000000000u), (long)(left % 1000000000u) };
}

static void run(void)
{
    struct epoll_event events[512];
    uint64_t now = now_ns(), tick = now + TICK_NS;
    start = last_end = now;
    end = start + (uint64_t)(options.seconds * 1e9);
    begin_due(now, true);
    while (!finished(now)) {
        struct timespec wait = wait_time(now, tick);
        int n = epoll_pwait2(poller, events, 512, &wait, NULL);
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            if (events[i].events & EPOLLOUT)
                on_writable(c);
            if (c->fd >= 0 && c->step != CONNECTING && (events[i].events & ~(uint32_t)EPOLLOUT))
                on_readable(c);
            if (options.rate == 0)
                begin_due(now_ns(), false);
        }
        now = now_ns();
        begin_due(now, now >= tick);
        if (now >= tick) {
            end_late(now);
            tick = now + TICK_NS;
        }
        if ((double)now > (double)end + options.timeout * 1e9)
            give_up();
    }
}

/* The time in which the counted replies arrived: until the end, or until the last one of a counted run. */
static double window(void)
{
    uint64_t stop = options.count > 0 && issued >= options.count && last_end < end ? last_end : end;
    return stop > start ? (double)(stop - start) / 1e9 : 1e-9;
}

static void print_results(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    printf("{\"mode\":\"%s\",\"connections\":%u,\"rate\":%g,\"seconds\":%g,\"elapsed\":%.6f,",
        options.expected.stream ? "sse" : "json", options.connections, options.rate, options.seconds,
        (double)(last_end - start) / 1e9);
    printf("\"requests\":%llu,\"right\":%llu,\"chunks\":%llu,\"bytes\":%llu,"
           "\"per_second\":%.3f,\"chunks_per_second\":%.3f,"
           "\"connections_opened\":%llu,\"first_wrong_status\":%d,\"errors\":{",
        (unsigned long long)ended, (unsigned long long)right, (unsigned long long)chunks,
        (unsigned long long)bytes_read, (double)right_in_time / window(), (double)chunks_in_time / window(),
        (unsigned long long)opened, first_status);
    for (int i = NO_FAILURE + 1; i < FAILURES; i++)
        printf("%s\"%s\":%llu", i > 1 ? "," : "", failure_names[i], (unsigned long long)failures[i]);
    printf("},\"cpu_seconds\":%.6f,",
        (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec)
            + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6);
    histogram_print(stdout, "latency_us", &latency);
    putchar(',');
    histogram_print(stdout, "first_chunk_us", &first_chunk);
    putchar(',');
    histogram_print(stdout, "chunk_gap_us", &chunk_gap);
    putchar(',');
    histogram_print(stdout, "chunk_delay_us", &chunk_delay);
    printf("}\n");
}

int main(int argc, char **argv)
{
    read_options(&options, argc, argv);
    if (options.stamped)
        options.expected.delays = &chunk_delay;
    poller = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; i < options.connections; i++) {
        connections[i].fd = -1;
        rest(&connections[options.connections - 1 - i]);
    }
    run();
    print_results();
    return 0;
}
