/* The phones of benchmarks/conference.py: each sends a packet every 20 ms, and hears.
 *
 * phones ROOMS PARTIES TALKERS LOSS: standard input has the media ports of all parties, room by room (16 bits each in
 * the machine's order), and 50 payloads of 160 bytes for each talker and for silence. A room's phones share a socket;
 * the ports of these are the first line that is printed. Then each line with a number of frames lets them talk so long,
 * and is answered by a line: packets sent, received, received with sound, missing among those received, slices that
 * began more than 5 ms late, and by how many microseconds the latest one did. The packets of 20 ms are sent in 20 slices,
 * each at its time. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

#define SAMPLES 160
#define PACKET (12 + SAMPLES)
#define FRAMES 50
#define SLICES 20
#define SLICES_TO_HEAR 4
#define SLICE_NS (20000000LL / SLICES)
#define BEHIND_NS 5000000LL
#define FIRST_PORT 18000
#define LAST_PORT 19998
#define BATCH 64

struct phone {
    int socket;
    struct sockaddr_in server;
    const uint8_t (*sound)[SAMPLES];
    uint8_t packet[PACKET];
};

static struct phone *phones;
static int rooms, size, *sockets;
static double loss;
static uint8_t (*sounds)[FRAMES][SAMPLES], *silence;
static uint16_t heard_last[65536]; /* by the port it came from */
static uint8_t heard_any[65536];
static uint64_t sent, received, loud, missing, behind, frame;
static int64_t latest_ns;

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void wait_until(int64_t due)
{
    struct timespec time = {due / 1000000000, due % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == EINTR)
        ;
}

static void send_slice(int slice)
{
    uint16_t sequence = htons(frame);
    uint32_t timestamp = htonl(frame * SAMPLES);

    for (int each = slice; each < rooms * size; each += SLICES) {
        struct phone *phone = &phones[each];
        if (loss && drand48() < loss)
            continue;
        memcpy(phone->packet + 2, &sequence, 2);
        memcpy(phone->packet + 4, &timestamp, 4);
        memcpy(phone->packet + 12, phone->sound[frame % FRAMES], SAMPLES);
        sent += sendto(phone->socket, phone->packet, PACKET, 0, (void *)&phone->server, sizeof phone->server) == PACKET;
    }
}

static void heard(const uint8_t *packet, unsigned length, unsigned port)
{
    if (length != PACKET)
        return;
    uint16_t sequence = packet[2] << 8 | packet[3];
    received++;
    loud += memcmp(packet + 12, silence, SAMPLES) != 0;
    if (heard_any[port])
        missing += (uint16_t)(sequence - heard_last[port] - 1);
    heard_any[port] = 1;
    heard_last[port] = sequence;
}

static void hear(void)
{
    static uint8_t data[BATCH][2048];
    static struct sockaddr_in sources[BATCH];
    static struct iovec parts[BATCH];
    static struct mmsghdr messages[BATCH];

    for (int room = 0; room < rooms; room++) {
        int count;
        do {
            for (int each = 0; each < BATCH; each++) {
                parts[each] = (struct iovec){data[each], sizeof data[each]};
                messages[each].msg_hdr = (struct msghdr){.msg_name = &sources[each],
                                                         .msg_namelen = sizeof sources[each],
                                                         .msg_iov = &parts[each],
                                                         .msg_iovlen = 1};
            }
            count = recvmmsg(sockets[room], messages, BATCH, MSG_DONTWAIT, NULL);
            for (int each = 0; each < count; each++)
                heard(data[each], messages[each].msg_len, ntohs(sources[each].sin_port));
        } while (count == BATCH);
    }
}

static void talk(long frames)
{
    int64_t due = now_ns();

    sent = received = loud = missing = behind = 0;
    latest_ns = 0;
    memset(heard_any, 0, sizeof heard_any);
    for (long slice = 0; slice < frames * SLICES; slice++, due += SLICE_NS) {
        wait_until(due);
        int64_t late = now_ns() - due;
        behind += late > BEHIND_NS;
        latest_ns = late > latest_ns ? late : latest_ns;
        send_slice(slice % SLICES);
        if (slice % SLICES_TO_HEAR == 0)
            hear();
        frame += slice % SLICES == SLICES - 1;
    }
    hear();
}

/* A socket below the ports that systems hand out themselves; its port. */
static int open_socket(int *opened)
{
    static int port = FIRST_PORT;
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int bytes = 4 << 20;

    *opened = socket(AF_INET, SOCK_DGRAM, 0);
    setsockopt(*opened, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    for (; port <= LAST_PORT; port++) {
        local.sin_port = htons(port);
        if (bind(*opened, (void *)&local, sizeof local) == 0)
            return port++;
    }
    fputs("no free port for phones\n", stderr);
    exit(1);
}

static int open_phones(int talkers)
{
    uint16_t *ports = calloc((size_t)rooms * size, sizeof *ports);
    phones = calloc((size_t)rooms * size, sizeof *phones);
    sockets = calloc(rooms, sizeof *sockets);
    sounds = calloc(talkers + 1, sizeof *sounds);
    if (fread(ports, sizeof *ports, (size_t)rooms * size, stdin) != (size_t)rooms * size ||
        fread(sounds, sizeof *sounds, talkers + 1, stdin) != (size_t)talkers + 1)
        return 0;
    silence = sounds[talkers][0];
    for (int room = 0; room < rooms; room++) {
        printf("%d ", open_socket(&sockets[room]));
        for (int seat = 0; seat < size; seat++) {
            struct phone *phone = &phones[room * size + seat];
            uint32_t ssrc = htonl(lrand48());
            phone->socket = sockets[room];
            phone->server = (struct sockaddr_in){.sin_family = AF_INET,
                                                 .sin_port = htons(ports[room * size + seat]),
                                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
            phone->sound = sounds[seat < talkers ? seat : talkers];
            phone->packet[0] = 0x80;
            memcpy(phone->packet + 8, &ssrc, 4);
        }
    }
    puts("");
    fflush(stdout);
    return 1;
}

int main(int count, char **arguments)
{
    long frames;

    if (count != 5)
        return 2;
    rooms = atoi(arguments[1]);
    size = atoi(arguments[2]);
    loss = atof(arguments[4]);
    prctl(PR_SET_TIMERSLACK, 1L);
    if (!open_phones(atoi(arguments[3])))
        return 1;
    while (scanf("%ld", &frames) == 1) {
        talk(frames);
        printf("%llu %llu %llu %llu %llu %lld\n", (unsigned long long)sent, (unsigned long long)received,
               (unsigned long long)loud, (unsigned long long)missing, (unsigned long long)behind,
               (long long)(latest_ns / 1000));
        fflush(stdout);
    }
}
