/* SPDX-License-Identifier: MIT */
/*
 * rcu.h: read-mostly tables, by liburcu's memb flavour.
 *
 * Read sections are short: they never wait for a lock, a guest or a system call,
 * so that fw_rcu_synchronize() may be called by anyone outside of one, whatever
 * locks it holds.  ThreadSanitizer does not see into liburcu; the marks tell it
 * that a synchronize comes after the read sections that it waited for.
 */
#ifndef FW_RCU_H
#define FW_RCU_H

#if defined(__SANITIZE_THREAD__)
#define FW_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FW_TSAN 1
#endif
#endif

/*
 * Read sections inline: two calls into liburcu cost an exit more than what they do.
 * Not where ThreadSanitizer would look into them: it does not know their barriers.
 */
#ifndef FW_TSAN
#define _LGPL_SOURCE
#endif
#include <urcu/urcu-memb.h>

#ifdef FW_TSAN
#include <sanitizer/tsan_interface.h>
__attribute__((weak)) char fw_rcu_mark; /* one address for all who include this */
#define FW_RCU_RELEASE() __tsan_release(&fw_rcu_mark)
#define FW_RCU_ACQUIRE() __tsan_acquire(&fw_rcu_mark)
#else
#define FW_RCU_RELEASE() ((void)0)
#define FW_RCU_ACQUIRE() ((void)0)
#endif

/* A thread that reads is registered, once, from enter to leave. */
static inline void fw_rcu_thread_enter(void)
{
	urcu_memb_register_thread();
}

static inline void fw_rcu_thread_leave(void)
{
	urcu_memb_unregister_thread();
}

static inline void fw_rcu_read_lock(void)
{
	urcu_memb_read_lock();
}

static inline void fw_rcu_read_unlock(void)
{
	FW_RCU_RELEASE();
	urcu_memb_read_unlock();
}

/* When it returns, every read section that had begun before the call has ended. */
static inline void fw_rcu_synchronize(void)
{
	urcu_memb_synchronize_rcu();
	FW_RCU_ACQUIRE();
}

/* The pointer in *place, inside a read section or by the writer. */
#define fw_rcu_load(place) __atomic_load_n((place), __ATOMIC_ACQUIRE)
/* Makes what `pointer` points to, complete by now, the one that readers find. */
#define fw_rcu_publish(place, pointer) __atomic_store_n((place), (pointer), __ATOMIC_RELEASE)

#endif
