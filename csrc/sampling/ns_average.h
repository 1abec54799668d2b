/* Exponentially weighted averages: a rate over time and a mean over items. For intervals of any length; needs no libm.
 *
 * A value seen `t` seconds ago has the weight exp(-t / tau). Both averages store their total weight. Therefore the first
 * interval gives its own average, not one biased towards zero, and silence of any length is a single update.
 *
 * Plain arithmetic on plain fields: the owner of a struct decides which thread may write it.
 */
#ifndef NS_AVERAGE_H
#define NS_AVERAGE_H

#include "base/ns_base.h"

/* exp(-x) for x >= 0 with a relative error of about 1e-6: (exp(-x / 1024))^1024, with four terms of the series. */
static inline double ns_fading(double x) {
    if (x > 40) return 0;
    double y = x / 1024, result = 1 - y * (1 - y / 2 * (1 - y / 3 * (1 - y / 4)));
    for (int i = 0; i < 10; i++) result *= result;
    return result;
}

/* Events per second.
 *
 *       0          8
 *       | events   | seconds  |     both decay; seconds approaches tau
 */
typedef struct ns_rate {
    double events, seconds;
} ns_rate;

static inline double ns_rate_of(const ns_rate *rate) { return rate->seconds > 0 ? rate->events / rate->seconds : 0; }

/* Requires `seconds` > 0. The events count as spread evenly over the interval, so an interval of an hour has the weight of
 * tau seconds, not of an hour. */
static inline void ns_rate_add(ns_rate *rate, double events, double seconds, double tau) {
    double left = ns_fading(seconds / tau), weight = tau * (1 - left);
    rate->events = rate->events * left + events * (weight / seconds);
    rate->seconds = rate->seconds * left + weight;
}

/* A value per item: spans per trace, nanoseconds per span.
 *
 *       0          8          16
 *       | sum      | items    | min_items |   sum and items decay together, but items not below min_items: the mean
 *                                             left after silence keeps that weight against the next item
 */
typedef struct ns_mean {
    double sum, items, min_items;
} ns_mean;

/* The mean to assume before any measurement, and the number of items that this assumption is worth. */
static inline ns_mean ns_mean_start(double mean, double items) { return (ns_mean){mean * items, items, items}; }

static inline double ns_mean_of(const ns_mean *mean) { return mean->sum / mean->items; }

static inline void ns_mean_add(ns_mean *mean, double sum, double items, double seconds, double tau) {
    double left = ns_fading(seconds / tau), faded = mean->items * left;
    if (faded < mean->min_items) left = mean->min_items / mean->items;
    mean->sum = mean->sum * left + sum;
    mean->items = mean->items * left + items;
}

#endif
