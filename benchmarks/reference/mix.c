/* What media/mixer.py does in a tick, as a plain loop: the yardstick of benchmarks/mixer.py.
 *
 * Rows stand room by room, `parties` in each. Gains are multiples of 1/4096. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLES 160
#define GAIN_ONE 4096

static int32_t linear[4096][SAMPLES]; /* of one room */

static int mix_room(int parties, const uint8_t *law, const uint8_t *present, const int32_t *gains,
                    const uint8_t (*payloads)[SAMPLES], uint8_t (*outputs)[SAMPLES], int32_t *levels,
                    const int16_t (*decode)[256], const uint8_t (*encode)[65536])
{
    int32_t total[SAMPLES] = {0};

    if (parties > 4096)
        return -1;
    for (int party = 0; party < parties; party++) {
        int32_t *own = linear[party], gain = gains[party], level = 0;
        const int16_t *table = decode[law[party]];
        if (!present[party] || gain == 0) {
            memset(own, 0, sizeof linear[party]);
            levels[party] = 0;
            continue;
        }
        for (int i = 0; i < SAMPLES; i++)
            own[i] = table[payloads[party][i]];
        if (gain != GAIN_ONE)
            for (int i = 0; i < SAMPLES; i++)
                own[i] = own[i] * gain >> 12;
        for (int i = 0; i < SAMPLES; i++) {
            total[i] += own[i];
            level += abs(own[i]);
        }
        levels[party] = level;
    }
    for (int party = 0; party < parties; party++) {
        const int32_t *own = linear[party];
        const uint8_t *table = encode[law[party]];
        for (int i = 0; i < SAMPLES; i++) {
            int32_t sample = total[i] - own[i];
            sample = sample < -32768 ? -32768 : sample > 32767 ? 32767 : sample;
            outputs[party][i] = table[sample + 32768];
        }
    }
    return 0;
}

int mix(int rooms, int parties, const uint8_t *law, const uint8_t *present, const int32_t *gains,
        const uint8_t (*payloads)[SAMPLES], uint8_t (*outputs)[SAMPLES], int32_t *levels,
        const int16_t (*decode)[256], const uint8_t (*encode)[65536])
{
    for (int room = 0; room < rooms; room++) {
        int first = room * parties;
        if (mix_room(parties, law + first, present + first, gains + first, payloads + first, outputs + first,
                     levels + first, decode, encode))
            return -1;
    }
    return 0;
}
