/* Averages whose memory fades: a rate over time, and a mean over items. For intervals of any length, without libm.
 *
 * What was seen `t` seconds ago counts exp(-t / tau). Both averages carry the weight of what they have seen, so that the
 * first interval gives its own average and not one pulled towards zero, and so that silence of any length is one step.
 *
 * Plain arithmetic on plain fields: whoever owns the structs decides who may write them. */
#ifndef NS_AVERAGE_H
#define NS_AVERAGE_H

#include "base/ns_base.h"

/* exp(-x) for x >= 0, to about one part in a million: (exp(-x / 1024))^1024 with four terms of the series. */
static inline double ns_fading(double x) {
    if (x > 40) return 0;
    double y = x / 1024, result = 1 - y * (1 - y / 2 * (1 - y / 3 * (1 - y / 4)));
    for (int i = 0; i < 10; i++) result *= result;
    return result;
}

/* Events a second.
 *
 *       0          8
 *       | events   | seconds  |     both fading; seconds approaches tau
 */
typedef struct ns_rate {
    double events, seconds;
} ns_rate;

static inline double ns_rate_of(const ns_rate *rate) { return rate->seconds > 0 ? rate->events / rate->seconds : 0; }

/* `seconds` > 0. The events of one interval count as spread evenly over it, so that an hour weighs tau seconds and not
 * an hour. */
static inline void ns_rate_add(ns_rate *rate, double events, double seconds, double tau) {
    double left = ns_fading(seconds / tau), weight = tau * (1 - left);
    rate->events = rate->events * left + events * (weight / seconds);
    rate->seconds = rate->seconds * left + weight;
}

/* Something an item: spans a trace, nanoseconds a span.
 *
 *       0          8          16
 *       | sum      | items    | least    |   sum and items fade together, and never below `least` items: the mean that
 *                                            silence leaves behind still weighs that much against the next item
 */
typedef struct ns_mean {
    double sum, items, least;
} ns_mean;

/* The mean before anything was seen, and how many items that assumption is worth. */
static inline ns_mean ns_mean_start(double mean, double items) { return (ns_mean){mean * items, items, items}; }

static inline double ns_mean_of(const ns_mean *mean) { return mean->sum / mean->items; }

static inline void ns_mean_add(ns_mean *mean, double sum, double items, double seconds, double tau) {
    double left = ns_fading(seconds / tau), faded = mean->items * left;
    if (faded < mean->least) left = mean->least / mean->items;
    mean->sum = mean->sum * left + sum;
    mean->items = mean->items * left + items;
}

#endif
