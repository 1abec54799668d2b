/* A scheduler for forced races: threads stop at named points until the test releases them. Between two commands of the test
 * all actors stand still, so exactly one order of steps is executed. */
#ifndef NS_STEPS_H
#define NS_STEPS_H

#include <pthread.h>
#include <stdbool.h>

#include "ns_test.h"

enum { STEPS_START = 30, STEPS_DONE = 31 }; /* points in addition to those of the code under test, which count from 0 */

typedef struct actor {
    pthread_t thread;
    void (*run)(void *);
    void *argument;
    int at;    /* the point at which it stopped, or -1 while it runs */
    int until; /* the point at which it stops next; STEPS_DONE: nowhere */
} actor;

static pthread_mutex_t steps_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t steps_changed = PTHREAD_COND_INITIALIZER;
static _Thread_local actor *steps_self = NULL; /* NULL in the test itself, which never stops */

/* Called by the code under test. */
static void steps_point(int point) {
    if (!steps_self) return;
    pthread_mutex_lock(&steps_lock);
    if (point == steps_self->until) {
        steps_self->at = point;
        pthread_cond_broadcast(&steps_changed);
        while (steps_self->at == point) pthread_cond_wait(&steps_changed, &steps_lock);
    }
    pthread_mutex_unlock(&steps_lock);
}

static void *steps_main(void *argument) {
    steps_self = argument;
    steps_point(STEPS_START);
    steps_self->run(steps_self->argument);
    pthread_mutex_lock(&steps_lock);
    steps_self->at = STEPS_DONE;
    pthread_cond_broadcast(&steps_changed);
    pthread_mutex_unlock(&steps_lock);
    return NULL;
}

static void steps_wait(actor *who) {
    pthread_mutex_lock(&steps_lock);
    while (who->at < 0) pthread_cond_wait(&steps_changed, &steps_lock);
    pthread_mutex_unlock(&steps_lock);
}

/* Creates an actor that has not taken a step. */
static void steps_begin(actor *who, void (*run)(void *), void *argument) {
    *who = (actor){.run = run, .argument = argument, .at = -1, .until = STEPS_START};
    CHECK(pthread_create(&who->thread, NULL, steps_main, who) == 0);
    steps_wait(who);
}

/* Releases the actor until it reaches `point`; it must get there. */
static void steps_to(actor *who, int point) {
    pthread_mutex_lock(&steps_lock);
    who->until = point;
    who->at = -1;
    pthread_cond_broadcast(&steps_changed);
    pthread_mutex_unlock(&steps_lock);
    steps_wait(who);
    CHECK(who->at == point);
}

static void steps_end(actor *who) {
    steps_to(who, STEPS_DONE);
    CHECK(pthread_join(who->thread, NULL) == 0);
}

#endif
