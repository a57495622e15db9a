/* The phones of benchmarks/relay.py, two of a call: each sends packets at moments of its own, and hears.
 *
 * callers COUNT EVERY: opens COUNT sockets on even UDP ports of the loopback address, and prints the ports. Each sends
 * a packet every so many milliseconds. The first line of standard input has the port that each sends to; each further
 * line has milliseconds, for which they talk, and is answered by a line: packets sent, packets sent more than 1 ms late,
 * packets received, and the time from their being sent until the kernel had them for the receiver, in nanoseconds, of
 * half of them and of 99 in 100. The end of the input is the program's.
 *
 * Each phone looks at its own socket when it has sent, and waits at none: what a packet wakes up at its receiver would
 * be done, and paid for, by the server as it sends, for on the loopback interface a packet arrives within its sending. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS 1000000000LL
#define LATE_NS 1000000LL
#define HEADER 12
#define PACKET (HEADER + 160)

struct phone {
    int socket;
    uint32_t spoken; /* packets */
};

struct turn {
    int64_t moment; /* within them */
    struct phone *phone;
};

static struct phone *phones;
static struct turn *turns;
static int count;
static int64_t every_ns;
static int64_t *trips;
static long sent, late, received, most;

static int64_t now_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * SECOND_NS + now.tv_nsec;
}

static void open_phone(struct phone *phone)
{
    struct sockaddr_in local = {.sin_family = AF_INET};
    socklen_t length = sizeof local;
    int on = 1;

    local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (;;) {
        phone->socket = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
        local.sin_port = 0;
        if (phone->socket < 0 || bind(phone->socket, (void *)&local, sizeof local)) {
            perror("bind");
            exit(1);
        }
        getsockname(phone->socket, (void *)&local, &length);
        if (ntohs(local.sin_port) % 2 == 0)
            break;
        close(phone->socket);
    }
    setsockopt(phone->socket, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    printf("%d ", ntohs(local.sin_port));
}

static void say(struct phone *phone)
{
    uint8_t packet[PACKET] = {0x80};
    uint16_t sequence = htons(++phone->spoken);
    uint32_t timestamp = htonl(phone->spoken * 160), ssrc = htonl(1 + (uint32_t)(phone - phones));
    int64_t now = now_ns(CLOCK_REALTIME);

    memcpy(packet + 2, &sequence, 2);
    memcpy(packet + 4, &timestamp, 4);
    memcpy(packet + 8, &ssrc, 4);
    memcpy(packet + HEADER, &now, sizeof now);
    sent += send(phone->socket, packet, sizeof packet, 0) == sizeof packet;
}

static int hear(struct phone *phone)
{
    uint8_t packet[2048], control[128];
    struct iovec part = {packet, sizeof packet};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    int64_t began;

    if (recvmsg(phone->socket, &message, 0) != PACKET)
        return 0;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header == NULL || received == most)
        return 1;
    struct timespec *came = (void *)CMSG_DATA(header);
    memcpy(&began, packet + HEADER, sizeof began);
    trips[received++] = came->tv_sec * SECOND_NS + came->tv_nsec - began;
    return 1;
}

static void hear_all(void)
{
    for (int each = 0; each < count; each++)
        while (hear(&phones[each]))
            ;
}

static int earlier(const void *one, const void *other)
{
    int64_t a = *(const int64_t *)one, b = *(const int64_t *)other;
    return (a > b) - (a < b);
}

static int sooner(const void *one, const void *other)
{
    return earlier(&((const struct turn *)one)->moment, &((const struct turn *)other)->moment);
}

static void talk(long milliseconds)
{
    long frames = milliseconds * 1000000 / every_ns;
    int64_t begun = now_ns(CLOCK_MONOTONIC), now;

    hear_all(); /* what came after the last round */
    sent = late = received = 0;
    most = 2 * frames * count;
    trips = realloc(trips, most * sizeof *trips);
    for (long frame = 0; frame < frames; frame++)
        for (int each = 0; each < count; each++) {
            int64_t due = begun + frame * every_ns + turns[each].moment;
            struct timespec then = {due / SECOND_NS, due % SECOND_NS};
            if (now_ns(CLOCK_MONOTONIC) < due)
                clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &then, NULL);
            now = now_ns(CLOCK_MONOTONIC);
            late += now - due > LATE_NS;
            say(turns[each].phone);
            while (hear(turns[each].phone))
                ;
        }
    usleep(50000);
    hear_all();
    qsort(trips, received, sizeof *trips, earlier);
    printf("%ld %ld %ld %lld %lld\n", sent, late, received, received ? (long long)trips[received / 2] : 0,
           received ? (long long)trips[received * 99 / 100] : 0);
    fflush(stdout);
}

int main(int arguments, char **argument)
{
    if (arguments != 3 || (count = atoi(argument[1])) < 1 || (every_ns = atoi(argument[2]) * 1000000LL) < 1)
        return 2;
    phones = calloc(count, sizeof *phones);
    turns = calloc(count, sizeof *turns);
    prctl(PR_SET_TIMERSLACK, 1UL);
    srandom(1);
    for (int each = 0; each < count; each++) {
        open_phone(&phones[each]);
        turns[each] = (struct turn){random() % every_ns, &phones[each]};
    }
    qsort(turns, count, sizeof *turns, sooner);
    putchar('\n');
    fflush(stdout);
    for (int each = 0; each < count; each++) {
        struct sockaddr_in remote = {.sin_family = AF_INET};
        int port;
        if (scanf("%d", &port) != 1)
            return 0;
        remote.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        remote.sin_port = htons(port);
        connect(phones[each].socket, (void *)&remote, sizeof remote);
    }
    long milliseconds;
    while (scanf("%ld", &milliseconds) == 1)
        talk(milliseconds);
    return 0;
}
