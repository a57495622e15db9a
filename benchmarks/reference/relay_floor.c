/* What the kernel asks for a relayed packet: the second yardstick of benchmarks/relay.py.
 *
 * relay_floor COUNT GATHER_US: opens COUNT sockets on UDP ports of the loopback address, two of a call, and prints the
 * ports. The first line of standard input has the port of the phone at each. From then on what comes at one socket of a
 * call goes out at the other, with the ring and by the pace of a media worker (media/ring.py): multishot receives into
 * provided buffers, sends without completions of success, one system call that submits and waits, at most one wake-up in
 * GATHER_US microseconds. A packet is copied, and nothing else is done with it. The end of the input is the program's.
 * It ends with 3 where the kernel has no io_uring, or none that gathers (Linux 6.12). */

#include <arpa/inet.h>
#include <linux/io_uring.h>
#include <linux/time_types.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OPERATIONS 2048
#define BUFFERS 256
#define SLOT 2048
#define STRIDE (SLOT + 64) /* not a power of two, for the sake of the caches */
#define RECEIVE_BUFFER (256 * 1024)
#define NO_IO_URING 3
#define GATHERS (1U << 15) /* IORING_FEAT_MIN_TIMEOUT, which older headers do not know */

enum { SENT = -2, END_OF_INPUT = -1 }; /* what completions are of, other than the sockets from 0 on */

struct wait { /* struct io_uring_getevents_arg, as it is since Linux 6.12 */
    uint64_t mask;
    uint32_t mask_bytes, least_us;
    uint64_t timeout;
};

static int ring, *sockets;
static uint32_t *head, *tail, *queue, *completed_head, *completed_tail, mask, completed_mask;
static struct io_uring_sqe *operations;
static struct io_uring_cqe *completions;
static struct io_uring_buf_ring *buffers;
static uint8_t *incoming, *outgoing;

static void *memory(size_t size, int flags, int file, uint64_t offset)
{
    void *found = mmap(NULL, size, PROT_READ | PROT_WRITE, flags | MAP_POPULATE, file, offset);
    if (found == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    return found;
}

static void open_ring(void)
{
    struct io_uring_params set = {
        .flags = IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN};

    ring = syscall(__NR_io_uring_setup, OPERATIONS, &set);
    if (ring < 0 || !(set.features & GATHERS))
        exit(NO_IO_URING);
    uint8_t *shared = memory(set.cq_off.cqes + set.cq_entries * sizeof *completions + set.sq_entries * sizeof *queue,
                             MAP_SHARED, ring, IORING_OFF_SQ_RING);
    operations = memory(set.sq_entries * sizeof *operations, MAP_SHARED, ring, IORING_OFF_SQES);
    head = (void *)(shared + set.sq_off.head), tail = (void *)(shared + set.sq_off.tail);
    queue = (void *)(shared + set.sq_off.array), mask = set.sq_entries - 1;
    completed_head = (void *)(shared + set.cq_off.head), completed_tail = (void *)(shared + set.cq_off.tail);
    completions = (void *)(shared + set.cq_off.cqes), completed_mask = set.cq_entries - 1;
}

static void share_buffers(void)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;

    incoming = memory(BUFFERS * STRIDE, flags, -1, 0), outgoing = memory(BUFFERS * STRIDE, flags, -1, 0);
    buffers = memory(BUFFERS * sizeof *buffers->bufs, flags, -1, 0);
    for (int each = 0; each < BUFFERS; each++)
        buffers->bufs[each] = (struct io_uring_buf){(uintptr_t)(incoming + each * STRIDE), SLOT, each, 0};
    struct io_uring_buf_reg table = {.ring_addr = (uintptr_t)buffers, .ring_entries = BUFFERS};
    if (syscall(__NR_io_uring_register, ring, IORING_REGISTER_PBUF_RING, &table, 1))
        exit(NO_IO_URING);
    buffers->tail = BUFFERS;
}

static struct io_uring_sqe *submit(int code, int file, int64_t number)
{
    uint32_t place = *tail & mask;

    queue[place] = place;
    ++*tail;
    operations[place] = (struct io_uring_sqe){.opcode = code, .fd = file, .user_data = number};
    return &operations[place];
}

static void receive(int number)
{
    struct io_uring_sqe *operation = submit(IORING_OP_RECV, sockets[number], number);
    operation->flags = IOSQE_BUFFER_SELECT;
    operation->ioprio = IORING_RECV_MULTISHOT;
}

static void relay(int number, int buffer, int size)
{
    struct io_uring_sqe *operation = submit(IORING_OP_SEND, sockets[number ^ 1], SENT);
    operation->flags = IOSQE_CQE_SKIP_SUCCESS;
    operation->msg_flags = MSG_DONTWAIT;
    operation->addr = (uintptr_t)memcpy(outgoing + buffer * STRIDE, incoming + buffer * STRIDE, size);
    operation->len = size;
    buffers->tail++;
}

static void open_socket(int *opened)
{
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof local;
    int size = RECEIVE_BUFFER;

    *opened = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (*opened < 0 || bind(*opened, (void *)&local, sizeof local)) {
        perror("bind");
        exit(1);
    }
    setsockopt(*opened, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    getsockname(*opened, (void *)&local, &length);
    printf("%d ", ntohs(local.sin_port));
}

int main(int arguments, char **argument)
{
    int count = arguments == 3 ? atoi(argument[1]) : 0, port;
    struct __kernel_timespec forever = {.tv_sec = 3600};
    struct wait wait = {.timeout = (uintptr_t)&forever};

    if (count < 2 || count % 2 || count >= OPERATIONS - 2 * BUFFERS || (wait.least_us = atoi(argument[2])) < 1)
        return 2;
    open_ring();
    share_buffers();
    sockets = calloc(count, sizeof *sockets);
    for (int each = 0; each < count; each++)
        open_socket(&sockets[each]);
    putchar('\n');
    fflush(stdout);
    for (int each = 0; each < count; each++) {
        struct sockaddr_in remote = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        if (scanf("%d", &port) != 1)
            return 0;
        remote.sin_port = htons(port);
        connect(sockets[each], (void *)&remote, sizeof remote);
        receive(each);
    }
    submit(IORING_OP_POLL_ADD, STDIN_FILENO, END_OF_INPUT)->poll32_events = POLLIN;
    for (;;) {
        syscall(__NR_io_uring_enter, ring, *tail - *head, BUFFERS, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &wait,
                sizeof wait);
        for (; *completed_head != *completed_tail; ++*completed_head) {
            struct io_uring_cqe *completion = &completions[*completed_head & completed_mask];
            int64_t number = completion->user_data;
            if (number == END_OF_INPUT)
                return 0;
            if (number == SENT)
                continue; /* the phone has gone */
            if (completion->flags & IORING_CQE_F_BUFFER)
                relay(number, completion->flags >> IORING_CQE_BUFFER_SHIFT, completion->res);
            if (!(completion->flags & IORING_CQE_F_MORE))
                receive(number);
        }
    }
}
