/* A conference server that does what a media worker does: the yardstick of benchmarks/conference.py.
 *
 * conference ROOMS PARTIES FIRST_PORT: party i listens on UDP port FIRST_PORT + 2i of the loopback address. Packets
 * are read as they come (one epoll), checked, counted (jitter and loss, RFC 3550 section A.8), and put into a ring;
 * every 20 ms each party's next frame is decoded, and each hears the sum of the others of its room. A line on
 * standard input is answered by a line: ticks, ticks missed, ticks late by half of 20 ms, microseconds of work in
 * all ticks, packets in, packets out; its end is ours. */

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define SAMPLES 160
#define HEADER 12
#define SLOTS 32
#define DELAY 2
#define TICK_NS 20000000LL

struct party {
    int socket, connected, playing;
    uint32_t ssrc, next, highest, lost, received; /* of what comes */
    int32_t transit;
    double jitter;
    uint16_t sequence; /* of what goes */
    uint32_t timestamp, own_ssrc;
    uint8_t present[SLOTS];
    uint8_t ring[SLOTS][SAMPLES];
    int32_t linear[SAMPLES];
};

static struct party *parties;
static int rooms, size;
static int16_t decoded[256];
static uint8_t encoded[65536];
static uint64_t ticks, missed, late, work_ns, packets_in, packets_out;

static int16_t mu_to_linear(uint8_t code)
{
    code = ~code;
    int magnitude = (((code & 0x0f) << 3) + 0x84) << ((code & 0x70) >> 4);
    return code & 0x80 ? 0x84 - magnitude : magnitude - 0x84;
}

static uint8_t linear_to_mu(int sample)
{
    int sign = sample < 0 ? 0x80 : 0, magnitude = abs(sample), exponent = 7;
    magnitude = (magnitude > 32635 ? 32635 : magnitude) + 0x84;
    while (exponent > 0 && !(magnitude & (0x80 << exponent)))
        exponent--;
    return ~(sign | exponent << 4 | (magnitude >> (exponent + 3) & 0x0f));
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void put(struct party *party, const uint8_t *data, ssize_t length)
{
    if (length != HEADER + SAMPLES || data[0] != 0x80 || (data[1] & 0x7f) != 0)
        return;
    uint16_t sequence = data[2] << 8 | data[3];
    uint32_t timestamp = (uint32_t)data[4] << 24 | data[5] << 16 | data[6] << 8 | data[7];
    uint32_t ssrc = (uint32_t)data[8] << 24 | data[9] << 16 | data[10] << 8 | data[11];
    int32_t transit = (int32_t)(now_ns() / 125000) - (int32_t)timestamp;

    packets_in++;
    if (ssrc != party->ssrc || party->received == 0) {
        party->ssrc = ssrc;
        party->highest = sequence - 1u + 0x10000;
        party->next = party->highest + 1;
        party->transit = transit;
        party->playing = 0;
    }
    party->received++;
    party->jitter += (abs(transit - party->transit) - party->jitter) / 16;
    party->transit = transit;
    uint32_t number = party->highest + (int16_t)(sequence - (uint16_t)party->highest);
    if ((int32_t)(number - party->next) < 0 || number - party->next >= SLOTS)
        return;
    if ((int32_t)(number - party->highest) > 0)
        party->highest = number;
    memcpy(party->ring[number % SLOTS], data + HEADER, SAMPLES);
    party->present[number % SLOTS] = 1;
}

static void receive(struct party *party)
{
    uint8_t data[2048];
    struct sockaddr_in source;
    socklen_t length = sizeof source;
    ssize_t count;

    if (party->connected) {
        if ((count = recv(party->socket, data, sizeof data, 0)) >= 0)
            put(party, data, count);
        return;
    }
    if ((count = recvfrom(party->socket, data, sizeof data, 0, (void *)&source, &length)) < 0)
        return;
    party->connected = connect(party->socket, (void *)&source, length) == 0;
    put(party, data, count);
}

/* The frame that is due, as samples; whether there is one. */
static int take(struct party *party)
{
    if (!party->playing) {
        if (party->received == 0 || party->highest - party->next + 1 < DELAY)
            return 0;
        party->playing = 1;
    }
    uint32_t slot = party->next % SLOTS;
    if (!party->present[slot]) {
        if ((int32_t)(party->highest - party->next) < 0) {
            party->playing = 0;
            return 0;
        }
        party->lost++;
        party->next++;
        return 0;
    }
    party->present[slot] = 0;
    party->next++;
    for (int i = 0; i < SAMPLES; i++)
        party->linear[i] = decoded[party->ring[slot][i]];
    return 1;
}

static void mix(struct party *room)
{
    int32_t total[SAMPLES] = {0};
    uint8_t packet[HEADER + SAMPLES];

    for (int each = 0; each < size; each++) {
        if (!take(&room[each]))
            memset(room[each].linear, 0, sizeof room[each].linear);
        for (int i = 0; i < SAMPLES; i++)
            total[i] += room[each].linear[i];
    }
    for (int each = 0; each < size; each++) {
        struct party *party = &room[each];
        if (!party->connected)
            continue;
        uint16_t sequence = htons(++party->sequence);
        uint32_t timestamp = htonl(party->timestamp += SAMPLES);
        packet[0] = 0x80;
        packet[1] = 0;
        memcpy(packet + 2, &sequence, 2);
        memcpy(packet + 4, &timestamp, 4);
        memcpy(packet + 8, &party->own_ssrc, 4);
        for (int i = 0; i < SAMPLES; i++) {
            int32_t sample = total[i] - party->linear[i];
            sample = sample < -32768 ? -32768 : sample > 32767 ? 32767 : sample;
            packet[HEADER + i] = encoded[(uint16_t)sample];
        }
        packets_out += send(party->socket, packet, sizeof packet, 0) == sizeof packet;
    }
}

static void tick(int timer, int64_t *due)
{
    uint64_t expired;
    if (read(timer, &expired, sizeof expired) != sizeof expired)
        return;
    int64_t began = now_ns();
    *due += TICK_NS * (int64_t)expired;
    ticks += expired;
    missed += expired - 1;
    late += expired - 1 + (began - *due >= TICK_NS / 2);
    for (int room = 0; room < rooms; room++)
        mix(parties + room * size);
    work_ns += now_ns() - began;
}

static int open_party(int port)
{
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_port = htons(port)};
    int opened = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (opened < 0 || bind(opened, (void *)&local, sizeof local)) {
        perror("bind");
        exit(1);
    }
    return opened;
}

static int answer(void)
{
    char line[16];
    if (read(STDIN_FILENO, line, sizeof line) <= 0)
        return 0;
    printf("%llu %llu %llu %llu %llu %llu\n", (unsigned long long)ticks, (unsigned long long)missed,
           (unsigned long long)late, (unsigned long long)(work_ns / 1000), (unsigned long long)packets_in,
           (unsigned long long)packets_out);
    fflush(stdout);
    ticks = missed = late = work_ns = packets_in = packets_out = 0;
    return 1;
}

int main(int count, char **arguments)
{
    if (count != 4)
        return 2;
    rooms = atoi(arguments[1]);
    size = atoi(arguments[2]);
    parties = calloc((size_t)rooms * size, sizeof *parties);
    for (int code = 0; code < 256; code++)
        decoded[code] = mu_to_linear(code);
    for (int index = 0; index < 65536; index++)
        encoded[index] = linear_to_mu((int16_t)index);
    int timer = timerfd_create(CLOCK_MONOTONIC, 0), poll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN}, ready[64];
    event.data.fd = -1;
    epoll_ctl(poll, EPOLL_CTL_ADD, STDIN_FILENO, &event);
    event.data.fd = -2;
    epoll_ctl(poll, EPOLL_CTL_ADD, timer, &event);
    for (int each = 0; each < rooms * size; each++) {
        parties[each].socket = open_party(atoi(arguments[3]) + 2 * each);
        parties[each].own_ssrc = htonl(each);
        event.data.fd = each;
        epoll_ctl(poll, EPOLL_CTL_ADD, parties[each].socket, &event);
    }
    int64_t due = now_ns();
    struct timespec interval = {0, TICK_NS}, first = {(due + TICK_NS) / 1000000000, (due + TICK_NS) % 1000000000};
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &(struct itimerspec){interval, first}, NULL);
    puts("ready");
    fflush(stdout);
    for (;;) {
        int found = epoll_wait(poll, ready, 64, -1);
        for (int each = 0; each < found; each++) {
            if (ready[each].data.fd >= 0)
                receive(&parties[ready[each].data.fd]);
            else if (ready[each].data.fd == -2)
                tick(timer, &due);
            else if (!answer())
                return 0;
        }
    }
}
