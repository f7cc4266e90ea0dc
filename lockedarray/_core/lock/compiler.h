/*
 * What differs between compilers, behind one set of names.
 *
 * Nothing here has a state or a cost of its own.
 */
#ifndef LOCKEDARRAY_CORE_LOCK_COMPILER_H_
#define LOCKEDARRAY_CORE_LOCK_COMPILER_H_

#include <limits.h>     /* defines __GLIBC__ where it applies */

#if defined(__GNUC__) || defined(__clang__)
#define LA_LIKELY(x) __builtin_expect(!!(x), 1)
#define LA_COLD __attribute__((cold, noinline))
#define LA_ALWAYS_INLINE inline __attribute__((always_inline))
#else
#define LA_LIKELY(x) (x)
#define LA_COLD
#define LA_ALWAYS_INLINE inline
#endif

/*
 * A thread-local that costs one load. In a shared library the default model
 * calls a function on each access; glibc keeps room for a few words of
 * libraries that are loaded later, so there the direct model is safe.
 */
#if defined(_MSC_VER)
#define LA_THREAD_LOCAL __declspec(thread)
#elif defined(__GLIBC__) && defined(__GNUC__)
#define LA_THREAD_LOCAL __attribute__((tls_model("initial-exec"))) _Thread_local
#else
#define LA_THREAD_LOCAL _Thread_local
#endif

/* Threads that write to different lines do not slow each other down. */
#define LA_CACHE_LINE 64

/* One turn of a spin loop: tells the processor that somebody else works. */
#if defined(_MSC_VER)
#include <intrin.h>
#if defined(_M_ARM64)
#define LA_PAUSE() __yield()
#else
#define LA_PAUSE() _mm_pause()
#endif
#elif defined(__x86_64__) || defined(__i386__)
#define LA_PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define LA_PAUSE() __asm__ __volatile__("isb" ::: "memory")
#else
#define LA_PAUSE() ((void)0)
#endif

/* A check of an invariant, in debug builds only. */
#ifdef LA_DEBUG
#include <stdio.h>
#include <stdlib.h>
#define LA_ASSERT(condition) \
    ((condition) ? (void)0 : \
     (fprintf(stderr, "%s:%d: invariant broken: %s\n", \
              __FILE__, __LINE__, #condition), abort()))
#else
#define LA_ASSERT(condition) ((void)0)
#endif

#endif  /* LOCKEDARRAY_CORE_LOCK_COMPILER_H_ */
